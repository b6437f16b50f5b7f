/**
 * The main script of the single executable, which has to be CommonJS: the program itself is a bundle of ES modules, kept as assets and served under
 * a URL that no file has.
 */
'use strict';
const { getRawAsset } = require('node:sea');
const { registerHooks } = require('node:module');

const BASE = 'file:///k8s-lease-lock/';
const isOurs = (url) => url?.startsWith(BASE);

registerHooks({
  resolve(specifier, context, next) {
    const url = specifier.startsWith('./') && isOurs(context.parentURL) ? new URL(specifier, context.parentURL).href : specifier;
    return isOurs(url) ? { url, format: 'module', shortCircuit: true } : next(specifier, context);
  },
  load(url, context, next) {
    if (!isOurs(url)) return next(url, context);
    return { format: 'module', source: new Uint8Array(getRawAsset(url.slice(BASE.length))), shortCircuit: true };
  },
});

import(`${BASE}index.js`).catch((error) => {
  process.stderr.write(`k8s-lease-lock: ${error.stack}\n`);
  process.exit(70);
});

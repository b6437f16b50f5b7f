/** Loaded into a guard (--import): writes down at its end, in the file that LOADED names, which of its files it has loaded, and which modules of Node. */
import { writeFileSync } from 'node:fs';
import { registerHooks } from 'node:module';

const files = [];
registerHooks({
  load(url, context, next) {
    if (url.startsWith('file:')) files.push(url);
    return next(url, context);
  },
});
process.on('exit', () => writeFileSync(process.env.LOADED, JSON.stringify({ files, modules: process.moduleLoadList })));

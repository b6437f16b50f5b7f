/** Whatever a document or an error leads to is there. */
import assert from 'node:assert/strict';
import { globSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { documentAt } from '../../src/documents.ts';
import { VERSION } from '../../src/version.ts';
import { anchorsOf, documents, read, root } from './documents.ts';

test('every link between documents leads somewhere', () => {
  const wrong = documents.flatMap((path) =>
    [...read(path).matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)/g)].flatMap(([, target = '', anchor]) => {
      const file = target === '' ? path : join(dirname(path), target);
      const there = globSync(file, { cwd: root }).length > 0 && (anchor === undefined || anchorsOf(file).includes(anchor));
      return there ? [] : [`${path}: ${target}#${anchor}`];
    }),
  );
  assert.deepEqual(wrong, []);
});

const SOURCES = ['src/**/*.ts', 'image/**/*.ts', 'action/*.ts', 'deploy/**/*.yaml'];

test('every document that a message or a comment quotes is there', () => {
  const quoted = globSync(SOURCES, { cwd: root }).flatMap((path) =>
    [...read(path).matchAll(/(?:docs\/|documentAt\(')([a-z-]+\.md)(?:#([a-z0-9-]+))?/g)].map(([, file = '', anchor]) => ({
      path,
      file: `docs/${file}`,
      anchor,
    })),
  );
  assert.ok(quoted.length >= 50);
  const wrong = quoted.filter(
    ({ file, anchor }) => !documents.includes(file) || (anchor !== undefined && !anchorsOf(file).includes(anchor)),
  );
  assert.deepEqual(wrong, []);
});

test('a message quotes the full address of a document, with the version: an image has no docs/ folder', () => {
  assert.equal(
    documentAt('safety.md#privilege'),
    `https://github.com/nullplatform/k8s-lease-lock/blob/v${VERSION}/docs/safety.md#privilege`,
  );
  const short = globSync(SOURCES, { cwd: root }).flatMap((path) =>
    read(path)
      .split('\n')
      .filter((line) => !/^\s*(?:\/?\*|\/\/|#)/.test(line) && line.replaceAll(documentAt(''), '').includes('docs/'))
      .filter((line) => !path.endsWith('src/documents.ts') && !line.includes('// '))
      .map((line) => `${path}: ${line.trim()}`),
  );
  assert.deepEqual(short, []);
});

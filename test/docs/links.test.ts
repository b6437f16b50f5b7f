/** Whatever a document or an error leads to is there. */
import assert from 'node:assert/strict';
import { globSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
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

test('every document that an error quotes is there', () => {
  const sources = globSync(['src/**/*.ts', 'image/**/*.ts', 'action/*.ts'], { cwd: root });
  const quoted = sources.flatMap((path) =>
    [...read(path).matchAll(/(docs\/[a-z-]+\.md)(?:#([a-z-]+))?/g)].map(([, file = '', anchor]) => ({ path, file, anchor })),
  );
  assert.ok(quoted.length >= 5);
  const wrong = quoted.filter(
    ({ file, anchor }) => !documents.includes(file) || (anchor !== undefined && !anchorsOf(file).includes(anchor)),
  );
  assert.deepEqual(wrong, []);
});

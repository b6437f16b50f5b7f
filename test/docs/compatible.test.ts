/** What docs/compatibility.md names is there, and what is there is named. */
import assert from 'node:assert/strict';
import { globSync } from 'node:fs';
import { test } from 'node:test';
import { STORES } from '../versions/chosen.ts';
import { COMPATIBLE } from './compatible.ts';
import { read, root } from './documents.ts';

const tested = Object.values(COMPATIBLE)
  .flat()
  .flatMap((row) => ('test' in row ? [row] : []));

test('each place has its test', () => {
  for (const { where, test: file, name } of tested)
    assert.ok(read(file).includes(name ?? ''), `${where}: ${file} has no "${name}"`);
});

test('each test of availability and of managed clusters, and each store, has a row', () => {
  const files = globSync('test/availability/*.test.ts', { cwd: root });
  assert.ok(files.length >= 5);
  for (const file of files)
    assert.ok(
      tested.some((row) => row.test === file),
      file,
    );
  for (const store of STORES)
    assert.ok(
      tested.some(({ name }) => name === `'${store}'`),
      store,
    );
});

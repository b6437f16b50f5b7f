/** The list of cases names tests that there are. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { CASES } from './cases.ts';

test('each case has its test, and its source', () => {
  for (const { what, source, test: file, name } of CASES) {
    assert.match(source, /^[\w.-]+\/[\w.-]+#\d+$/, what);
    assert.ok(readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8').includes(name), `${file} has no "${name}"`);
  }
});

/** What the kernel has refused, in words. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemError } from '../../src/guard/system-error.ts';

test('an error is told by its name and its meaning, one without a number by its own words, an unknown number as it is', () => {
  assert.equal(systemError(13), 'EACCES: permission denied');
  assert.equal(systemError(Object.assign(new Error('spawn'), { errno: -2 })), 'ENOENT: no such file or directory');
  assert.equal(systemError(new Error('no number')), 'no number');
  assert.equal(systemError('text'), 'text');
  assert.match(systemError(123_456), /123456/);
  assert.equal(systemError(-5), 'error -5');
});

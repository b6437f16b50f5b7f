/** What is said of holders and of places in the queue, for people. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { summariseHolder } from '../../src/lock/describe.ts';
import type { Holder } from '../../src/protocol/lock-state.ts';

const holder = (more: Partial<Holder>): Holder => ({
  key: '000001-abc',
  ticket: 1,
  nonce: 'abc',
  id: 'alice',
  since: '2026-01-01T12:00:00.123456Z',
  about: {},
  standing: 'holds',
  durationMs: 60_000,
  fingerprint: '',
  mark: '',
  came: 1,
  group: undefined,
  declines: false,
  ended: false,
  ...more,
});

test('a holder is told with since when, why, and where to look', () => {
  const about = { reason: 'release 1.2', url: 'https://ci.example.com/7' };
  assert.equal(summariseHolder(holder({ about })), 'alice since 2026-01-01T12:00:00Z, release 1.2, https://ci.example.com/7');
  assert.equal(summariseHolder(holder({ since: 'yesterday' })), 'alice');
});

test('what others have written stays in its line: it becomes part of a page', () => {
  assert.equal(summariseHolder(holder({ since: '', about: { reason: 'a\n\n# b\r\n\t[c](d)' } })), 'alice, a # b [c](d)');
});

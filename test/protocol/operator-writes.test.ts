/** What an administrator writes: the lock without one of its holders, and with another number of permits. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseLease } from '../../src/protocol/document.ts';
import type { RawLease } from '../../src/protocol/lease.ts';
import { withoutHolder, withPermits } from '../../src/protocol/operator-writes.ts';
import { describePermits, permitsTaken } from '../../src/protocol/room.ts';
import { stateOf } from './shapes.ts';

const SHARED = { holder: 'alice', beside: ['bob'], more: { alice: { weight: 2 }, bob: { weight: 1 } } };
const signed = { by: 'ops', reason: undefined, wall: new Date(0) };

function parsed(lease: RawLease) {
  const result = parseLease(lease);
  assert.ok(result.kind === 'state');
  return result.state;
}

test('of those that share the lock one is cleared; a request to stop stays, unless it was for that one', () => {
  for (const [asked, stays] of [
    ['alice', true],
    ['000002-bobnonce', false],
  ] as const) {
    const state = stateOf({ ...SHARED, lock: { stop: { holder: asked, by: 'carol' } } });
    const bob = state.holders.find(({ id }) => id === 'bob');
    assert.ok(bob);
    const left = parsed(withoutHolder(state, bob, signed));
    assert.deepEqual(
      [left.holders.map(({ id }) => id), left.stop !== undefined, left.lease.spec?.holderIdentity],
      [['alice'], stays, 'alice'],
    );
  }
});

test('permits are counted, and changed under those who hold them', () => {
  const state = stateOf(SHARED);
  assert.equal(permitsTaken(state.holders), 3);
  const changed = parsed(withPermits(state, 2));
  assert.deepEqual([changed.permits, permitsTaken(changed.holders)], [2, 3]);
  assert.deepEqual([describePermits(1), describePermits(2)], ['1 permit', '2 permits']);
});

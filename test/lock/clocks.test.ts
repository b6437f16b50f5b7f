/** Wall clocks and boot time that leap, of the holder, of a waiter, of the API server: what that costs, and that it robs nobody. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { always } from '../harness/contender.ts';
import { isSettled, world } from '../harness/contenders.ts';
import { SECOND, settle } from '../harness/manual-clock.ts';

test('a step of the API server clock robs nobody who renews', async () => {
  const { contender, clock } = world();
  const alice = await contender('alice').take();
  clock.shiftWall(3600 * SECOND);
  const bob = contender('bob').acquire();
  await clock.advance(10 * 60 * SECOND);
  assert.equal(await isSettled(bob), false);
  assert.equal(alice.isLost(), false);
});

test('a wall clock an hour off changes nothing for a waiter', async () => {
  const { contender, clock } = world();
  const alice = await contender('alice').take();
  const bob = contender('bob').take();
  await settle();
  clock.shiftWall(3600 * SECOND);
  await clock.advance(5 * 60 * SECOND);
  assert.equal(await isSettled(bob), false);
  assert.equal(alice.lost.aborted, false);
  clock.shiftWall(-7200 * SECOND);
  await clock.advance(5 * 60 * SECOND);
  assert.equal(await isSettled(bob), false);
  assert.equal(alice.lost.aborted, false);
});

test('a wall clock that jumps ahead costs a holder one confirmation by the server, and one set back nothing', async () => {
  const { contender, clock, requests } = world();
  const alice = await contender('alice').take();
  requests.length = 0;
  clock.shiftWall(3600 * SECOND);
  await clock.advance(4 * SECOND);
  assert.deepEqual(requests, ['alice PUT']);
  assert.equal(alice.lost.aborted, false);
  clock.shiftWall(-3600 * SECOND);
  await clock.advance(4 * SECOND);
  assert.deepEqual(requests, ['alice PUT']);
});

test('boot time that leaps alone costs a holder one confirmation by the API server; without an answer it is lost', async () => {
  for (const answered of [true, false]) {
    const { contender, clock, requests } = world();
    const alice = contender('alice');
    const lock = await alice.take();
    requests.length = 0;
    if (!answered) alice.disturb('PUT', ...always('request'));
    clock.doubt();
    await clock.advance(14 * SECOND);
    assert.equal(requests[0], 'alice PUT');
    assert.equal(lock.isLost(), !answered);
  }
});

/** A queue without room: whoever comes waits beside it, says so, and comes in as if it had been there. And how often those far behind look. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LockEvent } from '../../src/lock/index.ts';
import { watchQueue } from '../../src/lock/queue-watch.ts';
import { world } from '../harness/contenders.ts';
import { SECOND, settle } from '../harness/manual-clock.ts';

const BALLAST = 'example.com/large';

test('nobody is turned away from a full queue: who came first stands before those that came when there was room', async () => {
  const { contender, clock, state, annotate } = world();
  const alice = await contender('alice').take();
  annotate((all) => ({ ...all, [BALLAST]: 'x'.repeat(199_900) }));
  const bob = contender('bob');
  const bobs = bob.take();
  await settle();
  const waiting = bob.events.filter((event): event is LockEvent & { type: 'waiting' } => event.type === 'waiting');
  assert.deepEqual(
    waiting.map(({ outside, position }) => [outside, position]),
    [[true, 0]],
  );
  assert.deepEqual(state().waiters, []);
  annotate(({ [BALLAST]: _, ...all }) => all);
  const others = ['carol', 'dave'].map((name) => contender(name).take());
  await clock.advance(90 * SECOND);
  const order = state().waiters.map(({ id }) => id);
  assert.deepEqual([order.length, order.indexOf('bob') < order.indexOf('dave')], [3, true], order.join());
  await alice.release();
  await Promise.all([bobs, ...others].map(async (lock) => await (await lock).release()));
});

test('outside of a full queue, a time to wait ends, and nothing is left behind', async () => {
  const { contender, clock, state, annotate } = world();
  await contender('alice').take();
  annotate((all) => ({ ...all, [BALLAST]: 'x'.repeat(199_900) }));
  const bob = contender('bob').acquire({ timeoutMs: 20 * SECOND });
  await clock.advance(20 * SECOND);
  assert.equal((await bob).kind, 'busy');
  assert.deepEqual(state().waiters, []);
});

test('who stands far behind looks twice before it comes near, as fast as the queue moves', async () => {
  const { contender, clock } = world();
  const { participant } = contender('bob');
  const queue = watchQueue({ ...participant, random: () => 0.5 }, () => {});
  // So large that twenty watch it.
  const annotations = { [BALLAST]: 'x'.repeat(199_900) };
  const looksAgainIn = (position: number, leaseTransitions: number) => {
    const lease = { metadata: { name: 'deploy', namespace: 'team', annotations }, spec: { leaseTransitions } };
    return (queue.pollAt(position, lease) - clock.now()) / SECOND;
  };
  assert.equal(looksAgainIn(59, 100), 2 + 39 / 2, 'nothing is known of how the queue moves');
  await clock.advance(10 * SECOND);
  assert.equal(looksAgainIn(59, 140), 5, 'forty places, and four are served in a second');
  await clock.advance(5 * SECOND);
  assert.equal(looksAgainIn(39, 160), 2.5);
  await clock.advance(SECOND);
  assert.equal(looksAgainIn(25, 180), 2, 'no more often');
  await clock.advance(10 * SECOND);
  assert.equal(looksAgainIn(24, 181), 4, 'no more seldom than its place says');
  assert.equal(looksAgainIn(19, 181), 60, 'near: it watches');
  const unspecified = { metadata: { name: 'deploy', namespace: 'team', annotations } };
  assert.equal((queue.pollAt(29, unspecified) - clock.now()) / SECOND, 6.5, 'a Lease that says nothing of it has not moved');
});

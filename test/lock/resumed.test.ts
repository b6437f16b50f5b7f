/** Several processes that are one participant, since they name one holder: each has the lock, and is told that it had it already. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LockEvent } from '../../src/lock/index.ts';
import type { Contender } from '../harness/contender.ts';
import { world } from '../harness/contenders.ts';
import { SECOND } from '../harness/manual-clock.ts';

const SHARED = { id: 'release-77', nonce: 'sharednonce' };

const resumptions = ({ events }: Contender) =>
  events.filter((event): event is LockEvent & { type: 'resumed' } => event.type === 'resumed');

test('whoever finds that its own holder has the lock already is told by whom it was taken', async () => {
  const { contender } = world();
  const alice = contender('alice', { ...SHARED, about: { host: 'runner-1' } });
  (await alice.take()).abandon();
  const bob = contender('bob', { ...SHARED, about: { host: 'runner-2' } });
  await bob.take();
  assert.deepEqual(resumptions(alice), []);
  const [resumed, ...more] = resumptions(bob);
  assert.deepEqual([resumed?.from.id, resumed?.from.about.host, more], ['release-77', 'runner-1', []]);
});

test('of two that come at the same time the second is told, though neither had read that it was held', async () => {
  const { contender, clock } = world();
  const [alice, bob] = [contender('alice', SHARED), contender('bob', SHARED)];
  const both = Promise.all([alice.take(), bob.take()]);
  await clock.advance(SECOND);
  await both;
  assert.equal(resumptions(alice).length + resumptions(bob).length, 1);
});

test('of two that wait together the second is told', async () => {
  const { contender, clock } = world();
  const carol = await contender('carol').take();
  const [alice, bob] = [contender('alice', SHARED), contender('bob', SHARED)];
  const both = Promise.all([alice.take(), bob.take()]);
  await clock.advance(10 * SECOND);
  await carol.release();
  await clock.advance(10 * SECOND);
  await both;
  assert.equal(resumptions(alice).length + resumptions(bob).length, 1);
});

test('a claim of its own without an answer is nobody else', async () => {
  const { contender, clock } = world();
  const alice = contender('alice', SHARED);
  alice.disturb('PUT', 'answer');
  const lock = alice.take();
  await clock.advance(10 * SECOND);
  await lock;
  assert.deepEqual(resumptions(alice), []);
});

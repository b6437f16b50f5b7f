/** One try, without a wait: what it gets, whom it does not overtake, and how long it looks at a holder that may be dead. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { world } from '../harness/contenders.ts';
import { SECOND, settle } from '../harness/manual-clock.ts';

test('one try on a busy lock says who holds it and joins no queue', async () => {
  const { contender, requests, state } = world();
  await contender('alice').take();
  requests.length = 0;
  const outcome = await contender('bob').acquire({ timeoutMs: 0 });
  assert.equal(outcome.kind, 'busy');
  assert.deepEqual(outcome.kind === 'busy' && outcome.heldBy.map(({ id }) => id), ['alice']);
  assert.deepEqual(requests, ['bob GET', 'bob DRY']);
  assert.deepEqual(state().waiters, []);
});

test('one try does not overtake those who wait for a lock that is just now free', async () => {
  const { contender } = world();
  const alice = await contender('alice').take();
  const bob = contender('bob');
  void bob.acquire();
  await settle();
  bob.participant.client.write = () => new Promise(() => {});
  await alice.release();
  const outcome = await contender('carol').acquire({ timeoutMs: 0 });
  assert.deepEqual(outcome.kind === 'busy' && [outcome.heldBy.length, outcome.position], [0, 1]);
});

test('one try gets a lock that is long free behind a dead waiter, and none that has just been released', async () => {
  const { contender, clock, state } = world();
  const alice = await contender('alice').take();
  const dead = contender('dead');
  void dead.acquire();
  await settle();
  dead.participant.client.write = () => new Promise(() => {});
  await alice.release();
  assert.equal((await contender('bob').acquire({ timeoutMs: 0 })).kind, 'busy');
  await clock.advance(63 * SECOND);
  const lock = await contender('carol').take({ timeoutMs: 0 });
  assert.equal(state().waiters.length, 0, 'the dead one is removed');
  await lock.release();
});

test('one try waits for a long-dead holder to have stood still, and gives up the moment that it renews', async () => {
  for (const alive of [false, true]) {
    const { contender, clock } = world();
    const alice = await contender('alice').take();
    if (!alive) alice.abandon();
    if (alive) clock.shiftWall(3600 * SECOND);
    else await clock.advance(3600 * SECOND);
    const bob = contender('bob').acquire({ timeoutMs: 0 });
    await clock.advance(25 * SECOND);
    assert.equal((await bob).kind, alive ? 'busy' : 'held');
  }
});

test('one try on a Lease whose fields are not tracked watches its holder for as long as its lease lasts', async () => {
  for (const alive of [false, true]) {
    const { contender, clock, overwrite } = world();
    const alice = await contender('alice').take();
    if (!alive) alice.abandon();
    overwrite((lease) => ({ ...lease, metadata: { ...lease.metadata, managedFields: [] } }));
    const bob = contender('bob').acquire({ timeoutMs: 0 });
    await clock.advance(66 * SECOND);
    assert.equal((await bob).kind, alive ? 'busy' : 'held');
  }
});

test('one try needs no room in the queue: it says who holds the lock', async () => {
  const { contender, overwrite } = world();
  await contender('alice').take();
  overwrite(({ metadata, ...lease }) => ({
    ...lease,
    metadata: { ...metadata, annotations: { ...metadata.annotations, 'example.com/large': 'x'.repeat(199_900) } },
  }));
  const tried = await contender('bob').acquire({ timeoutMs: 0 });
  assert.deepEqual(tried.kind === 'busy' && tried.heldBy.map(({ id }) => id), ['alice']);
});

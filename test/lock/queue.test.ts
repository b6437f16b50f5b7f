/** Who is served next, and how one leaves the queue: by giving up, by being told to, or by being passed over. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { always } from '../harness/contender.ts';
import { isSettled, world } from '../harness/contenders.ts';
import { SECOND, settle } from '../harness/manual-clock.ts';

test('a waiter that may not create the Lease says so when it is deleted', async () => {
  const { contender, clock, remove } = world();
  const alice = contender('alice');
  await alice.take();
  const bob = contender('bob', { createIfAbsent: false }).acquire();
  await clock.advance(SECOND);
  // Alice can't put it back.
  alice.disturb('PUT', ...always('request' as const));
  alice.disturb('GET', ...always('request' as const));
  remove();
  await clock.advance(SECOND);
  const acquisition = await bob;
  assert.deepEqual([acquisition.kind, 'reason' in acquisition && acquisition.reason], ['refused', 'absent']);
});

test('waiters are served in the order in which they came', async () => {
  const { contender, clock } = world();
  const order: string[] = [];
  const first = await contender('alice').take();
  const waits: Promise<void>[] = [];
  for (const name of ['bob', 'carol', 'dave', 'erin']) {
    waits.push(
      contender(name)
        .take()
        .then(async (lock) => {
          order.push(name);
          await lock.release();
        }),
    );
    await settle();
  }
  await first.release();
  await clock.advance(SECOND);
  await Promise.all(waits);
  assert.deepEqual(order, ['bob', 'carol', 'dave', 'erin']);
});

test('a higher priority is served first', async () => {
  const { contender } = world();
  const alice = await contender('alice').take();
  const bob = contender('bob').take();
  await settle();
  const carol = contender('carol', { priority: 5 }).take();
  await settle();
  await alice.release();
  const lock = await carol;
  assert.equal(await isSettled(bob), false);
  await lock.release();
  await bob;
});

test('a dead head of the queue costs one claim window, and no more', async () => {
  const { contender, clock } = world();
  const alice = await contender('alice').take();
  const dead = contender('dead');
  void dead.acquire();
  await settle();
  dead.participant.client.write = () => new Promise(() => {});
  const bob = contender('bob').take();
  await settle();
  await alice.release();
  await clock.advance(1999);
  assert.equal(await isSettled(bob), false, 'the head still has its turn');
  await clock.advance(1);
  await bob;
});

test('a waiter that was passed over puts itself back with its old ticket', async () => {
  const { contender, clock, state, annotate } = world();
  const alice = await contender('alice').take();
  const bob = contender('bob').take();
  await settle();
  const ticket = state().waiters[0]?.ticket;
  annotate((all) => Object.fromEntries(Object.entries(all).filter(([key]) => !key.startsWith('waiter.'))));
  await settle();
  assert.deepEqual(
    state().waiters.map((waiter) => [waiter.id, waiter.ticket]),
    [['bob', ticket]],
  );
  await clock.advance(SECOND);
  await alice.release();
  await bob;
});

test('who gives up leaves the queue', async () => {
  const { contender, clock, state } = world();
  await contender('alice').take();
  const bob = contender('bob').acquire({ timeoutMs: 20 * SECOND });
  await clock.advance(20 * SECOND - 1);
  assert.equal(await isSettled(bob), false);
  assert.equal(state().waiters.length, 1);
  await clock.advance(1);
  const outcome = await bob;
  assert.deepEqual(outcome.kind === 'busy' && outcome.waitedMs, 20 * SECOND);
  assert.deepEqual(state().waiters, []);
});

test('who is told to stop waiting does so immediately, and gives back a claim that was in doubt', async () => {
  const { contender, clock, state } = world();
  const alice = await contender('alice').take();
  const stop = new AbortController();
  const bob = contender('bob');
  const outcome = bob.acquire({ signal: stop.signal });
  await settle();
  bob.disturb('PUT', 'answer');
  await alice.release();
  await settle();
  assert.equal(state().holders[0]?.id, 'bob');
  stop.abort();
  await clock.advance(SECOND);
  assert.deepEqual(await outcome, { kind: 'aborted' });
  assert.deepEqual(state().holders, []);
  assert.deepEqual(state().waiters, []);
});

test('a ticket that leaves no room to count on costs nobody more than its order', async () => {
  const { contender, clock, requests, annotate } = world();
  const alice = await contender('alice').take();
  annotate((all) => ({ ...all, 'lease-lock.nullplatform.com/lock': '{"v":1,"next":999999999999999}' }));
  const waits = ['bob', 'carol'].map((name) => contender(name).take());
  await settle();
  requests.length = 0;
  await clock.advance(10 * SECOND);
  assert.ok(requests.length <= 3, requests.join());
  await alice.release();
  await clock.advance(SECOND);
  await (await Promise.race(waits)).release();
  await clock.advance(SECOND);
  await Promise.all(waits);
});

/** What an administrator does to a lock of others: asked, cleared, moved; and what must never happen by it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { moveWaiter, removeWaiter } from '../../src/lock/edit-queue.ts';
import { askToUnlock, forceUnlock, type Unlocked, verify } from '../../src/lock/operate.ts';
import type { Contender } from '../harness/contender.ts';
import { isSettled, type World, world } from '../harness/contenders.ts';
import { SECOND, settle } from '../harness/manual-clock.ts';

const request = (holder: string) => ({ holder, by: 'ops', reason: 'stuck' });

/** Lets time pass until it has an answer. */
async function outcome<T>({ clock }: World, promise: Promise<T>): Promise<T> {
  while (!(await isSettled(promise))) await clock.advance(SECOND / 4);
  return await promise;
}

const force = (all: World, ops: Contender, holder: string, living = false): Promise<Unlocked> =>
  outcome(all, forceUnlock(ops.participant, { ...request(holder), living }));

test('a holder that is asked stops, releases, and the next has the lock', async () => {
  const all = world();
  const lock = await all.contender('alice').take();
  const bob = all.contender('bob').take();
  await settle();
  lock.stopRequested.addEventListener('abort', () => void lock.release());
  const asked: string[] = [];
  const unlocking = askToUnlock(all.contender('ops').participant, request('alice'), {
    timeoutMs: 30_000,
    onAsked: ({ id }) => void asked.push(id),
  });
  const unlocked = await outcome(all, unlocking);
  assert.deepEqual([unlocked.kind, asked, lock.lost.aborted], ['unlocked', ['alice'], false]);
  assert.deepEqual(lock.stopRequested.reason.reason, 'stuck');
  await bob;
  assert.equal(all.state().stop, undefined, 'the request is gone with its holder');
});

test('a request that nobody follows ends with the patience of whoever asked, and remains', async () => {
  const all = world();
  (await all.contender('alice').take()).abandon();
  const asking = askToUnlock(all.contender('ops').participant, request('alice'), { timeoutMs: 5000, onAsked() {} });
  assert.equal((await outcome(all, asking)).kind, 'still-held');
  assert.equal(all.state().stop?.by, 'ops');
  assert.equal(all.lease().spec?.holderIdentity, 'alice');
});

test('a holder that has renewed lately is not cleared, one that is silent is, and the next has the lock immediately', async () => {
  const all = world();
  const lock = await all.contender('alice').take();
  const bob = all.contender('bob').take();
  const ops = all.contender('ops');
  await all.clock.advance(40 * SECOND);
  assert.equal((await force(all, ops, 'alice')).kind, 'renewed-lately');
  lock.abandon();
  await all.clock.advance(30 * SECOND);
  assert.equal((await force(all, ops, 'alice')).kind, 'unlocked');
  await bob;
  const note = JSON.parse(all.lease().metadata.annotations?.['lease-lock.nullplatform.com/unlocked'] ?? '{}');
  assert.deepEqual([note.holder, note.by, note.reason], ['alice', 'ops', 'stuck']);
});

test('a holder that renews between the look and the write is judged again', async () => {
  const all = world();
  const alice = all.contender('alice');
  (await alice.take()).abandon();
  await all.clock.advance(30 * SECOND);
  const ops = all.contender('ops');
  ops.disturb('PUT', { kind: 'conflict' });
  const clearing = forceUnlock(ops.participant, { ...request('alice'), living: false });
  await settle();
  // The same participant asks again: that renews it.
  await alice.take();
  assert.equal((await outcome(all, clearing)).kind, 'renewed-lately');
  assert.equal(all.lease().spec?.holderIdentity, 'alice');
});

test('a living holder that is cleared by force has lost the lock, and does not take it back', async () => {
  const all = world();
  const lock = await all.contender('alice').take();
  assert.equal((await force(all, all.contender('ops'), 'alice', true)).kind, 'unlocked');
  await all.clock.advance(SECOND);
  assert.equal(lock.lost.aborted, true);
  await all.clock.advance(60 * SECOND);
  assert.equal(all.lease().spec?.holderIdentity, '');
});

test('the entry of a dead holder that was cleared in the spec alone is removed, and the holder by then is left alone', async () => {
  const all = world();
  (await all.contender('alice').take()).abandon();
  all.overwrite((found) => ({ ...found, spec: { ...found.spec, holderIdentity: 'somebody' } }));
  assert.equal((await force(all, all.contender('ops'), 'alice', true)).kind, 'unlocked');
  assert.deepEqual(
    all.state().holders.map(({ id }) => id),
    ['somebody'],
  );
});

test('nobody but the holder that is named is touched', async () => {
  const all = world();
  await all.contender('alice').take();
  const before = JSON.stringify(all.lease());
  const wrong = await force(all, all.contender('ops'), 'bob', true);
  assert.deepEqual([wrong.kind, wrong.kind === 'not-held' && wrong.heldBy[0]?.id], ['not-held', 'alice']);
  assert.equal(JSON.stringify(all.lease()), before);
});

test('a write without an answer is looked up, and not reported as a failure', async () => {
  const all = world();
  (await all.contender('alice').take()).abandon();
  const ops = all.contender('ops');
  ops.disturb('PUT', 'answer');
  assert.equal((await force(all, ops, 'alice', true)).kind, 'unlocked');
});

test('waiters are served in the order that they were moved to', async () => {
  const all = world();
  const lock = await all.contender('alice').take();
  const order: string[] = [];
  const queued = async (name: string, priority = 0) => {
    const taking = all.contender(name, { priority }).take();
    void taking.then((held) => {
      order.push(name);
      return held.release();
    });
    await settle();
  };
  for (const name of ['bob', 'carol', 'dave']) await queued(name);
  await queued('erin', 5);
  const ops = all.contender('ops');
  assert.equal((await outcome(all, moveWaiter(ops.participant, 'dave', 2))).kind, 'moved');
  const refused = await outcome(all, moveWaiter(ops.participant, 'carol', 1));
  assert.deepEqual(refused.kind === 'no-such-place' && [refused.from, refused.to], [2, 4]);
  assert.deepEqual(
    all.state().waiters.map(({ id }) => id),
    ['erin', 'dave', 'bob', 'carol'],
  );
  await lock.release();
  await all.clock.advance(20 * SECOND);
  assert.deepEqual(order, ['erin', 'dave', 'bob', 'carol']);
});

const toRemove = (waiter: string) =>
  [
    { waiter, by: 'carol', reason: 'a typo' },
    { timeoutMs: 30 * SECOND, onAsked() {} },
  ] as const;

test('a living waiter leaves when it is asked to, wherever it stands, and says who has asked', async () => {
  const all = world();
  await all.contender('alice').take();
  const waiting = Array.from({ length: 25 }, (_, i) => all.contender(`bob${i}`).acquire());
  await settle();
  const ops = all.contender('ops');
  for (const i of [0, 3, 24]) {
    assert.equal((await outcome(all, removeWaiter(ops.participant, ...toRemove(`bob${i}`)))).kind, 'left');
    const ended = await waiting[i];
    assert.deepEqual(ended?.kind === 'stopped' && [ended.request.by, ended.request.reason], ['carol', 'a typo']);
  }
  assert.equal(all.state().waiters.length, 22);
});

test('a dead waiter is removed once it has not answered', async () => {
  const all = world();
  await all.contender('alice').take();
  const dead = '{"id":"dead","since":"2026-01-01T12:00:00Z","about":{}}';
  all.annotate((found) => ({ ...found, 'waiter.lease-lock.nullplatform.com/000009-dead': dead }));
  const ops = all.contender('ops');
  const removing = removeWaiter(ops.participant, ...toRemove('000009-dead'));
  await all.clock.advance(29 * SECOND);
  assert.equal(all.state().waiters.length, 1);
  await all.clock.advance(2 * SECOND);
  assert.equal((await removing).kind, 'removed');
  assert.equal(all.state().waiters.length, 0);
});

test('a waiter that is asked to leave as the lock becomes free has it, or leaves; never both', async () => {
  for (const late of [false, true]) {
    const all = world();
    const lock = await all.contender('alice').take();
    const bob = all.contender('bob').acquire();
    await settle();
    const release = async () => void (await lock.release());
    const ops = all.contender('ops');
    if (late) await release();
    const removing = removeWaiter(ops.participant, ...toRemove('bob'));
    if (!late) void release();
    await all.clock.advance(60 * SECOND);
    const [removed, ended] = [await removing, await bob];
    assert.deepEqual(
      ended.kind === 'held'
        ? ['holds', 'not-waiting'].includes(removed.kind)
        : removed.kind === 'left' && ended.kind === 'stopped',
      true,
      `${removed.kind} ${ended.kind}`,
    );
    assert.deepEqual(all.state().holders.length, ended.kind === 'held' ? 1 : 0);
  }
});

test('a hold is verified by holder, acquisition and time, and nothing less', async () => {
  const all = world();
  const lock = await all.contender('alice').take();
  const ops = all.contender('ops').participant;
  const { token, transitions } = lock;
  const mine = { holder: 'alice', token, transitions };
  const kind = async (hold: typeof mine) => (await verify(ops, hold)).kind;
  assert.equal(await kind(mine), 'held');
  assert.equal(await kind({ ...mine, holder: 'bob' }), 'not-held');
  assert.equal(await kind({ ...mine, transitions: transitions - 1 }), 'not-held');
  assert.equal(await kind({ ...mine, token: '99999999' }), 'not-held');
  lock.abandon();
  await all.clock.advance(61 * SECOND);
  assert.equal(await kind(mine), 'not-held', 'its lease is over, though nobody has taken it');
});

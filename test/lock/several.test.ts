/** Several locks at a time: all or none, in one order, with the earliest deadline. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { later, waitUntil } from '../../src/clock.ts';
import { acquireAll, type HeldLocks } from '../../src/lock/several.ts';
import { edit } from '../../src/protocol/edit.ts';
import type { RawLease } from '../../src/protocol/lease.ts';
import { type ContenderOptions, NAMESPACE } from '../harness/contender.ts';
import { isSettled, stateOf, world } from '../harness/contenders.ts';
import { SECOND, settle } from '../harness/manual-clock.ts';
import { randomOf } from '../simulation/random.ts';

/** A world in which a name takes part in several locks. */
function several() {
  const { contender, clock, store } = world();
  const one = (who: string, name: string, options: ContenderOptions = {}) => contender(who, { name, ...options }).participant;
  const all = (who: string, [first = '', ...more]: string[], request: Parameters<typeof acquireAll>[1] = {}) =>
    acquireAll([one(who, first), ...more.map((name) => one(who, name))], request);
  const take = async (who: string, names: string[]): Promise<HeldLocks> => {
    const acquisition = await all(who, names);
    assert.equal(acquisition.kind, 'held');
    return (acquisition as { lock: HeldLocks }).lock;
  };
  const stateIn = (name: string) => stateOf(store.get(NAMESPACE, name).body as unknown as RawLease);
  const holders = (name: string) => stateIn(name).holders.map(({ id }) => id);
  const change = (name: string, to: (lease: RawLease) => RawLease) =>
    store.put(NAMESPACE, name, to(store.get(NAMESPACE, name).body as unknown as RawLease), { manager: 'somebody' });
  return { clock, one, all, take, holders, stateIn, change };
}

test('they are acquired in one order, whatever order they are given in', async () => {
  const { take, holders } = several();
  const held = await take('alice', ['c', 'a', 'b']);
  assert.deepEqual(
    held.locks.map(({ participant }) => participant.me.name),
    ['a', 'b', 'c'],
  );
  for (const name of ['a', 'b', 'c']) assert.deepEqual(holders(name), ['alice']);
  assert.deepEqual(await held.release('ended'), { kind: 'released' });
  for (const name of ['a', 'b', 'c']) assert.deepEqual(holders(name), []);
});

test('the order is by namespace first, then by name', async () => {
  const { one } = several();
  const acquisition = await acquireAll([one('alice', 'a'), one('alice', 'z', { namespace: 'apps' }), one('alice', 'b')], {});
  const locks = acquisition.kind === 'held' ? acquisition.lock.locks : [];
  assert.deepEqual(
    locks.map(({ participant: { me } }) => `${me.namespace}/${me.name}`),
    ['apps/z', `${NAMESPACE}/a`, `${NAMESPACE}/b`],
  );
});

test('alice and bob give opposite orders, and neither waits for the other in vain', async () => {
  const { all, clock } = several();
  const both = [all('alice', ['a', 'b']), all('bob', ['b', 'a'])].map(async (acquiring) => {
    const acquisition = await acquiring;
    return acquisition.kind === 'held' ? (await acquisition.lock.release('ended')).kind : acquisition.kind;
  });
  await clock.advance(5 * SECOND);
  assert.deepEqual(await Promise.all(both), ['released', 'released']);
});

test('who does not get the last of them within the time gives the others back', async () => {
  const { take, all, holders, stateIn, clock } = several();
  const bob = await take('bob', ['b']);
  const alice = all('alice', ['a', 'b'], { timeoutMs: 30 * SECOND });
  await settle();
  assert.deepEqual(holders('a'), ['alice']);
  await clock.advance(31 * SECOND);
  const acquisition = await alice;
  assert.deepEqual([acquisition.kind, 'of' in acquisition && acquisition.of.me.name], ['busy', 'b']);
  assert.deepEqual([holders('a'), holders('b'), stateIn('b').waiters], [[], ['bob'], []]);
  assert.equal((await all('alice', ['a', 'b'], { timeoutMs: 0 })).kind, 'busy');
  assert.deepEqual(holders('a'), []);
  await bob.release();
});

test('the time to wait is one for all of them', async () => {
  const { take, all, clock } = several();
  const [a, b] = [await take('carol', ['a']), await take('bob', ['b'])];
  const alice = all('alice', ['a', 'b'], { timeoutMs: 30 * SECOND });
  await clock.advance(20 * SECOND);
  await a.release();
  await clock.advance(9 * SECOND);
  assert.equal(await isSettled(alice), false);
  await clock.advance(2 * SECOND);
  assert.equal(await isSettled(alice), true);
  assert.equal((await alice).kind, 'busy');
  await b.release();
});

test('only the last lock may be handed over before a write of its own: nothing runs under the others yet', async () => {
  const { take, all, stateIn } = several();
  const [a, b] = [await take('carol', ['a']), await take('bob', ['b'])];
  const direct = (name: string) => stateIn(name).waiters.map((waiter) => waiter.direct);
  const alice = all('alice', ['a', 'b'], { killable: true });
  await settle();
  assert.deepEqual(direct('a'), [false]);
  await a.release();
  await settle();
  assert.deepEqual(direct('b'), [true]);
  await b.release();
  assert.equal((await alice).kind, 'held');
});

test('a first lock that is lost while waiting for the second is noticed: all begins again', async () => {
  const { take, all, holders, change, clock } = several();
  const bob = await take('bob', ['b']);
  const alice = all('alice', ['a', 'b']);
  await settle();
  change('a', (lease) => ({ ...lease, spec: { ...lease.spec, holderIdentity: '' } }));
  await clock.advance(5 * 60 * SECOND);
  assert.deepEqual(holders('a'), ['alice']);
  assert.equal(await isSettled(alice), false);
  await bob.release();
  const acquisition = await alice;
  assert.equal(acquisition.kind, 'held');
  assert.equal(acquisition.kind === 'held' && acquisition.lock.isLost(), false);
});

test('who loses the first to somebody else leaves the queue of the second, and waits for the first again', async () => {
  const { take, all, stateIn, change } = several();
  const bob = await take('bob', ['b']);
  void all('alice', ['a', 'b']);
  await settle();
  change('a', (lease) => ({ ...lease, spec: { ...lease.spec, holderIdentity: 'thief' } }));
  await settle();
  const waiting = (name: string) => stateIn(name).waiters.map(({ id }) => id);
  assert.deepEqual([waiting('a'), waiting('b')], [['alice'], []]);
  await bob.release();
});

test('a first lock that is lost just as the second is acquired is noticed, too', async () => {
  const { take, all, holders, stateIn, change, clock } = several();
  const bob = await take('bob', ['b']);
  const alice = all('alice', ['a', 'b'], {
    onEvent({ type }, of) {
      if (type === 'acquired' && of.me.name === 'b')
        change('a', (lease) => ({ ...lease, spec: { ...lease.spec, holderIdentity: 'thief' } }));
    },
  });
  await settle();
  await bob.release();
  await clock.advance(5 * SECOND);
  assert.equal(await isSettled(alice), false);
  assert.deepEqual([stateIn('a').waiters.map(({ id }) => id), holders('b')], [['alice'], []]);
});

test('the deadlines are the earliest of all, and a loss of any is a loss', async () => {
  const { take, change, clock } = several();
  const bob = await take('bob', ['b']);
  const taking = take('alice', ['a', 'b']);
  await clock.advance(7 * SECOND);
  await bob.release();
  const held = await taking;
  const [a = 0, b = 0] = held.locks.map(({ lock }) => lock.deadlines().stopBy);
  assert.deepEqual([a < b, held.deadlines().stopBy], [true, a]);
  change('b', (lease) => ({ ...lease, spec: { ...lease.spec, holderIdentity: 'thief' } }));
  await settle();
  assert.deepEqual([held.lost.aborted, held.isLost(), held.locks[0]?.lock.isLost()], [true, true, false]);
});

test('the least margin counts; a request to any is one to all; abandoned are all', async () => {
  const { one, stateIn, change, clock } = several();
  const acquisition = await acquireAll([one('alice', 'a'), one('alice', 'b', { durationMs: 120 * SECOND })], {});
  assert.equal(acquisition.kind, 'held');
  const { lock } = acquisition as { lock: HeldLocks };
  const margins = lock.locks.map((one) => one.lock.deadlines().marginMs);
  assert.notEqual(margins[0], margins[1]);
  assert.equal(lock.deadlines().marginMs, Math.min(...margins));
  const stop = { holder: 'alice', by: 'carol', kind: 'unlock' };
  change('b', (lease) => edit(lease, { lock: { stop } }));
  await settle();
  assert.equal(lock.stopRequested.aborted, true);
  lock.abandon();
  const marks = () => ['a', 'b'].map((name) => stateIn(name).holders[0]?.mark);
  const before = marks();
  await clock.advance(60 * SECOND);
  assert.deepEqual(marks(), before);
});

test('who is asked to give up the first while waiting for the second leaves both, and says so', async () => {
  const { take, all, holders, stateIn, change, clock } = several();
  const bob = await take('bob', ['b']);
  const alice = all('alice', ['a', 'b']);
  await settle();
  const stop = { holder: 'alice', by: 'carol', kind: 'unlock' };
  change('a', (lease) => edit(lease, { lock: { stop } }));
  await clock.advance(SECOND);
  const acquisition = await alice;
  assert.deepEqual([acquisition.kind, 'of' in acquisition && acquisition.of.me.name], ['stopped', 'a']);
  assert.deepEqual([holders('a'), stateIn('b').waiters], [[], []]);
  await bob.release();
});

test('a wait that is ended from outside gives everything back', async () => {
  const { take, all, holders, stateIn } = several();
  const bob = await take('bob', ['b']);
  const end = new AbortController();
  const alice = all('alice', ['a', 'b'], { signal: end.signal });
  await settle();
  assert.deepEqual(holders('a'), ['alice']);
  end.abort();
  assert.equal((await alice).kind, 'aborted');
  assert.deepEqual([holders('a'), stateIn('b').waiters], [[], []]);
  await bob.release();
});

test('twelve that want two or three of four locks, each in an order of its own, are all served, and never two at a time', async () => {
  const { all, clock } = several();
  const random = randomOf(1, 'several');
  const names = ['a', 'b', 'c', 'd'];
  const busy = new Set<string>();
  const work = async (who: string) => {
    const order = names.map((name) => ({ name, rank: random.next() })).sort((x, y) => x.rank - y.rank);
    const wanted = order.slice(0, random.chance(0.5) ? 2 : 3).map(({ name }) => name);
    const acquisition = await all(who, wanted);
    assert.equal(acquisition.kind, 'held');
    for (const name of wanted) assert.equal(busy.has(name), false, `${name} is held by two`);
    for (const name of wanted) busy.add(name);
    await waitUntil(clock, later(clock.now(), random.between(0, 20 * SECOND)));
    for (const name of wanted) busy.delete(name);
    if (acquisition.kind === 'held') await acquisition.lock.release('ended');
  };
  const everybody = Promise.all(Array.from({ length: 12 }, (_, i) => work(`p${i}`)));
  for (let i = 0; i < 300 && !(await isSettled(everybody)); i++) await clock.advance(SECOND);
  assert.equal(await isSettled(everybody), true);
  await everybody;
});

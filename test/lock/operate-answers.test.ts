/** What an administrator is told where a lock can't be changed or verified: each answer of the API server, and each state of the Lease. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Answer } from '../../src/api/answers.ts';
import { moveWaiter, removeWaiter } from '../../src/lock/edit-queue.ts';
import { askToUnlock, forceUnlock, verify } from '../../src/lock/operate.ts';
import type { RawLease } from '../../src/protocol/lease.ts';
import { always, type Contender } from '../harness/contender.ts';
import { isSettled, type World, world } from '../harness/contenders.ts';
import { SECOND, settle } from '../harness/manual-clock.ts';

const PREFIX = 'lease-lock.nullplatform.com';
const request = { holder: 'alice', by: 'ops', reason: undefined };
const REFUSED: Answer = { kind: 'refused', reason: 'rights', status: 403, message: 'no right' };
const FAILED: Answer = { kind: 'failed', message: 'no answer', applied: 'unknown' };

async function outcome<T>({ clock }: World, promise: Promise<T>): Promise<T> {
  while (!(await isSettled(promise))) await clock.advance(SECOND / 4);
  return await promise;
}

/** The document is read and written by programs of a later version. */
const inVersionTwo = (annotations: Record<string, string>) => ({ ...annotations, [`${PREFIX}/lock`]: '{"v":2}' });
const withSpec = (more: object) => (lease: RawLease) => ({ ...lease, spec: { ...lease.spec, ...more } });

const untracked = (lease: RawLease) => ({ ...lease, metadata: { ...lease.metadata, managedFields: [] } });

/** A lock that alice has left: dead, and still hers. */
async function left(): Promise<{ all: World; ops: Contender }> {
  const all = world();
  (await all.contender('alice').take()).abandon();
  return { all, ops: all.contender('ops') };
}

const clear = (all: World, { participant }: Contender) => outcome(all, forceUnlock(participant, { ...request, living: true }));

const CHANGES: readonly [situation: string, make: (all: World, ops: Contender) => void, told: RegExp][] = [
  ['the Lease does not exist', (all) => all.remove(), /^refused: there is no such Lease/],
  ['it is of a later version', (all) => all.annotate(inVersionTwo), /^refused: .*version 2/],
  [
    'the API server elects its holder',
    (all, ops) => ops.disturb('GET', { kind: 'lease', lease: withSpec({ strategy: 'OldestEmulationVersion' })(all.lease()) }),
    /^refused: .*own leader election/,
  ],
  ['reading is refused', (_, ops) => ops.disturb('GET', REFUSED), /^refused: no right/],
  ['writing is refused', (_, ops) => ops.disturb('PUT', REFUSED), /^refused: no right/],
  ['nothing is answered', (_, ops) => ops.disturb('GET', ...always(FAILED)), /^failed: no answer/],
  ['others keep writing', (_, ops) => ops.disturb('PUT', ...always<Answer>({ kind: 'conflict' })), /^failed: others kept/],
  [
    'the policy against theft refuses',
    (_, ops) => ops.disturb('PUT', { ...FAILED, notExpired: true } as Answer),
    /^refused: .*theft.md#breaking-a-lock/,
  ],
];

for (const [situation, make, told] of CHANGES) {
  test(`a lock is not cleared where ${situation}`, async () => {
    const { all, ops } = await left();
    make(all, ops);
    const result = await clear(all, ops);
    assert.match('message' in result ? `${result.kind}: ${result.message}` : result.kind, told);
  });
}

const asHolder = { holder: 'alice', token: '0', transitions: undefined };
const VERIFIED: readonly [situation: string, make: (all: World, ops: Contender) => void, told: RegExp][] = [
  ['the Lease does not exist', (all) => all.remove(), /^not-held: the Lease does not exist/],
  ['it is of a later version', (all) => all.annotate(inVersionTwo), /^not-held: .*version 2/],
  ['reading is refused', (_, ops) => ops.disturb('GET', REFUSED), /^refused: no right/],
  ['reading collides', (_, ops) => ops.disturb('GET', { kind: 'conflict' }), /^failed: conflict/],
  [
    'its fields are not tracked',
    (all, ops) => ops.disturb('GET', { kind: 'lease', lease: untracked(all.lease()) }),
    /^not-held: the API server does not say/,
  ],
];

for (const [situation, make, told] of VERIFIED) {
  test(`a hold is not verified where ${situation}`, async () => {
    const { all, ops } = await left();
    make(all, ops);
    const result = await verify(ops.participant, asHolder);
    const words = 'why' in result ? result.why : 'message' in result ? result.message : '';
    assert.match(`${result.kind}: ${words}`, told);
  });
}

test('a holder whose work has ended keeps the lock taken: it is not asked, it is not verified, and it is cleared', async () => {
  const all = world();
  const lock = await all.contender('alice', { policies: { minHoldMs: 50_000 } }).take();
  await lock.release();
  const ops = all.contender('ops');
  const verified = await verify(ops.participant, asHolder);
  assert.equal(verified.kind === 'not-held' && verified.why, 'its work has ended');
  const asked = await outcome(all, askToUnlock(ops.participant, request, { timeoutMs: 5000, onAsked() {} }));
  assert.equal(asked.kind, 'kept');
  const cleared = await outcome(all, forceUnlock(ops.participant, { ...request, living: false }));
  assert.equal(cleared.kind, 'unlocked');
});

test('who has lost the lock already is not asked once more', async () => {
  const { all, ops } = await left();
  all.overwrite(withSpec({ holderIdentity: '' }));
  const asked = askToUnlock(ops.participant, request, { timeoutMs: SECOND, onAsked() {} });
  assert.equal((await outcome(all, asked)).kind, 'still-held');
  assert.equal(all.state().stop, undefined);
});

test('a client of another kind cannot be asked, and is cleared when its own time is over', async () => {
  const { all, ops } = await left();
  const foreign = { ...request, holder: 'elector' };
  all.overwrite((lease) => {
    const { annotations: _, ...metadata } = lease.metadata;
    return { ...lease, metadata, spec: { ...lease.spec, holderIdentity: 'elector', renewTime: '2026-01-01T12:00:09.000000Z' } };
  });
  const asked = await outcome(all, askToUnlock(ops.participant, foreign, { timeoutMs: SECOND, onAsked() {} }));
  assert.equal(asked.kind, 'cannot-be-asked');
  assert.equal((await outcome(all, forceUnlock(ops.participant, { ...foreign, living: false }))).kind, 'renewed-lately');
  await all.clock.advance(61 * SECOND);
  assert.equal((await outcome(all, forceUnlock(ops.participant, { ...foreign, living: false }))).kind, 'unlocked');
});

test('a client that writes no duration may be alive for as long as nobody clears it by force', async () => {
  const { all, ops } = await left();
  all.overwrite((lease) => {
    const { annotations: _, ...metadata } = lease.metadata;
    const { leaseDurationSeconds: __, ...spec } = lease.spec ?? {};
    return { ...lease, metadata, spec: { ...spec, holderIdentity: 'elector' } };
  });
  await all.clock.advance(3600 * SECOND);
  const foreign = { ...request, holder: 'elector' };
  assert.equal((await outcome(all, forceUnlock(ops.participant, { ...foreign, living: false }))).kind, 'renewed-lately');
});

test('of two with one id, nobody is touched unless a key says which', async () => {
  const all = world();
  (await all.contender('alice').take()).abandon();
  for (const nonce of ['one', 'two']) void all.contender('bob', { nonce: `${nonce}0000000` }).acquire();
  await all.clock.advance(SECOND);
  const ops = all.contender('ops');
  const entry = Object.entries(all.lease().metadata.annotations ?? {}).find(([name]) => name.startsWith('holder.'));
  all.annotate((found) => ({ ...found, [`holder.${PREFIX}/000009-alicetwo00`]: entry?.[1] ?? '' }));
  const both = [
    await outcome(all, moveWaiter(ops.participant, 'bob', 1)),
    await outcome(all, removeWaiter(ops.participant, { ...request, waiter: 'bob' }, { timeoutMs: SECOND, onAsked() {} })),
    await clear(all, ops),
  ];
  assert.deepEqual(
    both.map(({ kind }) => kind),
    ['several', 'several', 'several'],
  );
  const [first] = all.state().waiters;
  assert.equal((await outcome(all, moveWaiter(ops.participant, first?.key ?? '', 2))).kind, 'moved');
  const nobody = await outcome(all, moveWaiter(ops.participant, 'carol', 1));
  assert.equal(nobody.kind, 'not-waiting');
  const byKey = { ...request, holder: '000009-alicetwo00' };
  assert.equal((await outcome(all, forceUnlock(ops.participant, { ...byKey, living: true }))).kind, 'unlocked');
  assert.deepEqual([all.lease().spec?.holderIdentity, all.state().holders.length], ['alice', 1], 'the other has it still');
});

test('a waiter that gets the lock while it is asked to leave has it', async () => {
  const { all, ops } = await left();
  const dead = '{"id":"bob","since":"2026-01-01T12:00:00Z","about":{}}';
  all.annotate((found) => ({ ...found, [`waiter.${PREFIX}/000009-bob`]: dead }));
  const removing = removeWaiter(ops.participant, { ...request, waiter: 'bob' }, { timeoutMs: 30 * SECOND, onAsked() {} });
  await all.clock.advance(5 * SECOND);
  // What its own claim would write.
  all.overwrite((lease) => {
    const { [`waiter.${PREFIX}/000009-bob`]: _, ...annotations } = lease.metadata.annotations ?? {};
    const bob = '{"id":"bob","mark":"m","duration":60}';
    const kept = Object.entries(annotations).filter(([name]) => !name.startsWith('holder.'));
    const held = { ...Object.fromEntries(kept), [`holder.${PREFIX}/000009-bob`]: bob };
    return { ...lease, metadata: { ...lease.metadata, annotations: held }, spec: { ...lease.spec, holderIdentity: 'bob' } };
  });
  assert.equal((await outcome(all, removing)).kind, 'holds');
});

test('a waiter that leaves between the last look and the removal has left', async () => {
  const { all, ops } = await left();
  const dead = '{"id":"bob","since":"2026-01-01T12:00:00Z","about":{}}';
  const name = `waiter.${PREFIX}/000009-bob`;
  all.annotate((found) => ({ ...found, [name]: dead }));
  const removing = removeWaiter(ops.participant, { ...request, waiter: 'bob' }, { timeoutMs: 3 * SECOND, onAsked() {} });
  await settle();
  ops.disturb('PUT', { kind: 'conflict' });
  await all.clock.advance(3 * SECOND);
  all.annotate(({ [name]: _, ...rest }) => rest);
  assert.equal((await outcome(all, removing)).kind, 'left');
});

test('an answer that is missing while the request is followed is asked for again', async () => {
  const { all, ops } = await left();
  const asking = askToUnlock(ops.participant, request, {
    timeoutMs: 30 * SECOND,
    onAsked: () => ops.disturb('GET', FAILED, FAILED),
  });
  await all.clock.advance(5 * SECOND);
  assert.equal((await clear(all, all.contender('admin'))).kind, 'unlocked');
  assert.equal((await outcome(all, asking)).kind, 'unlocked');
  all.annotate((found) => ({ ...found, [`waiter.${PREFIX}/000009-bob`]: '{"id":"bob","since":"","about":{}}' }));
  const onAsked = () => ops.disturb('GET', FAILED);
  const removing = removeWaiter(ops.participant, { ...request, waiter: 'bob' }, { timeoutMs: 3 * SECOND, onAsked });
  assert.equal((await outcome(all, removing)).kind, 'removed');
});

test('who does not hold the lock is not asked', async () => {
  const { all, ops } = await left();
  const asked = askToUnlock(ops.participant, { ...request, holder: 'bob' }, { timeoutMs: SECOND, onAsked() {} });
  assert.equal((await outcome(all, asked)).kind, 'not-held');
});

/** Answers that hardly ever come, and moments in which hardly anything happens: each ends in a wait, a refusal or a loss that is told. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Answer } from '../../src/api/answers.ts';
import { endedOnceQueued } from '../../src/lock/extend.ts';
import type { LockEvent } from '../../src/lock/index.ts';
import type { RawLease } from '../../src/protocol/lease.ts';
import { always, type Contender } from '../harness/contender.ts';
import { isSettled, world } from '../harness/contenders.ts';
import { SECOND, settle } from '../harness/manual-clock.ts';

const PREFIX = 'lease-lock.nullplatform.com';
const REFUSED: Answer = { kind: 'refused', reason: 'rights', status: 403, message: 'no right' };
const CONFLICT: Answer = { kind: 'conflict' };

const annotated = (lease: RawLease, more: Record<string, string>): RawLease => ({
  ...lease,
  metadata: { ...lease.metadata, annotations: { ...lease.metadata.annotations, ...more } },
});

const shown = (lease: RawLease): Answer => ({ kind: 'lease', lease });
const typesOf = ({ events }: Contender) => events.map(({ type }) => type);

for (const [what, answer] of [
  ['refused', REFUSED],
  ['answered by a conflict', CONFLICT],
] as const) {
  test(`a renewal that collides, and whose look at the Lease is ${what}, is tried again`, async () => {
    const { contender, clock, requests } = world();
    const alice = contender('alice');
    const lock = await alice.take();
    alice.disturb('PUT', CONFLICT);
    alice.disturb('GET', answer);
    requests.length = 0;
    await clock.advance(25 * SECOND);
    assert.equal(lock.lost.aborted, false);
    assert.equal(requests.at(-1), 'alice PUT');
  });
}

test('an entry that is written and cannot be seen is written again, but not in a tight loop', async () => {
  const { contender, clock, requests, lease } = world();
  const lock = await contender('alice').take();
  const bob = contender('bob');
  bob.disturb('PUT', ...Array.from({ length: 3 }, () => shown(lease())));
  const waiting = bob.take();
  await settle();
  assert.equal(requests.filter((request) => request === 'bob PUT').length, 1);
  await clock.advance(20 * SECOND);
  assert.equal(requests.filter((request) => request === 'bob PUT').length, 4);
  await lock.release();
  await clock.advance(SECOND);
  await waiting;
});

test('a claim that is answered by a document of a later version is no lock', async () => {
  const { contender, lease } = world();
  await (await contender('maker').take()).release();
  const alice = contender('alice');
  alice.disturb('PUT', shown(annotated(lease(), { [`${PREFIX}/lock`]: '{"v":2}' })));
  assert.equal((await alice.acquire()).kind, 'refused');
});

test('one try behind a queue without room is told that the lock is taken', async () => {
  const { contender, clock, annotate } = world();
  await contender('alice').take();
  annotate((found) => ({ ...found, 'example.com/large': 'x'.repeat(199_990) }));
  const bob = contender('bob').acquire({ timeoutMs: 0 });
  await clock.advance(SECOND);
  assert.equal((await bob).kind, 'busy');
});

test('one try that watches a dead holder, and sees the Lease deleted, is told that the lock is taken', async () => {
  const all = world();
  (await all.contender('alice').take()).abandon();
  await all.clock.advance(300 * SECOND);
  const bob = all.contender('bob').acquire({ timeoutMs: 0 });
  await all.clock.advance(5 * SECOND);
  assert.equal(await isSettled(bob), false, 'it watches');
  all.remove();
  await all.clock.advance(30 * SECOND);
  const outcome = await bob;
  assert.deepEqual([outcome.kind, outcome.kind === 'busy' && outcome.heldBy.map(({ id }) => id)], ['busy', ['alice']]);
});

test('a wait that is ended while a refusal is on its way is ended, and not refused', async () => {
  const { contender } = world();
  const over = new AbortController();
  const alice = contender('alice');
  alice.disturb('GET', REFUSED);
  const outcome = alice.acquire({ signal: over.signal });
  over.abort();
  assert.equal((await outcome).kind, 'aborted');
});

test('what can never work ends a wait of which nothing was ever answered', async () => {
  const { contender } = world();
  const alice = contender('alice');
  alice.disturb('GET', { kind: 'failed', message: 'no such file', applied: 'no', unusable: true });
  assert.deepEqual(await alice.acquire(), { kind: 'unreachable', message: 'no such file', unusable: true });
});

test('trouble with a watch is told, by whoever waits and by whoever holds', async () => {
  const { contender, clock } = world();
  const [alice, bob] = [contender('alice'), contender('bob')];
  for (const { participant } of [alice, bob]) {
    participant.client = {
      ...participant.client,
      watch: ({ onTrouble }) => {
        queueMicrotask(() => onTrouble({ message: 'no right to watch', retryInMs: 1000 }));
        return () => {};
      },
    };
  }
  const lock = await alice.take();
  const waiting = bob.acquire();
  await clock.advance(SECOND);
  for (const one of [alice, bob]) assert.ok(typesOf(one).includes('trouble'));
  void lock.release();
  await clock.advance(90 * SECOND);
  assert.equal((await waiting).kind, 'held');
});

test('a release that others keep from being written is given up, and told', async () => {
  const { contender, clock } = world();
  const alice = contender('alice');
  const lock = await alice.take();
  alice.disturb('PUT', ...always(CONFLICT));
  const releasing = lock.release();
  await clock.advance(60 * SECOND);
  assert.deepEqual(await releasing, { kind: 'failed', message: 'others kept changing the Lease' });
});

test('whoever waits for a client that states no duration is told how long it has been silent', async () => {
  const { contender, clock, overwrite } = world();
  await (await contender('maker').take()).release();
  overwrite(({ spec, metadata }) => {
    const { leaseDurationSeconds: _, ...rest } = spec ?? {};
    return { metadata, spec: { ...rest, holderIdentity: 'elector' } };
  });
  const bob = contender('bob');
  void bob.acquire();
  await clock.advance(40 * SECOND);
  const waiting = bob.events.find((event): event is LockEvent & { type: 'waiting' } => event.type === 'waiting');
  assert.ok((waiting?.outlook().silent?.forMs ?? 0) >= 39 * SECOND);
});

test('who adds time to a lock cannot be ended before it waits for others', () => {
  const over = new AbortController();
  const told: string[] = [];
  const request = endedOnceQueued({ signal: over.signal, onEvent: ({ type }) => void told.push(type) });
  over.abort('SIGTERM');
  assert.equal(request.signal?.aborted, false);
  const outlook = () => ({ waitedMs: 0, silent: undefined, unanswered: undefined });
  request.onEvent?.({ type: 'waiting', outside: false, position: 0, queue: 1, heldBy: [], outlook });
  assert.deepEqual([request.signal?.aborted, request.signal?.reason, told], [true, 'SIGTERM', ['waiting']]);
});

test('a renewal that is answered by a Lease of somebody else is a loss', async () => {
  const { contender, clock, lease } = world();
  const alice = contender('alice');
  const lock = await alice.take();
  const { spec, metadata } = lease();
  alice.disturb('PUT', shown({ metadata: { ...metadata, annotations: {} }, spec: { ...spec, holderIdentity: 'bob' } }));
  await clock.advance(16 * SECOND);
  assert.equal(lock.lost.aborted, true);
  assert.equal(typesOf(alice).filter((type) => type === 'lost').length, 1);
});

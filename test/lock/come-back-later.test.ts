/** An API server that asks to come back later (429, 503 with Retry-After), or that refuses, is not silent. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSettled, world } from '../harness/contenders.ts';
import { SECOND, settle } from '../harness/manual-clock.ts';

const throttled = {
  kind: 'failed',
  message: '429: too many requests',
  applied: 'no',
  comeBack: true,
  retryAfterMs: 5000,
} as const;
const times = <T>(count: number, fault: T): T[] => Array.from({ length: count }, () => fault);

test('an API server that asks to come back later is not silent: the wait goes on, and is served', async () => {
  const { contender, clock } = world();
  const alice = await contender('alice').take();
  const bob = contender('bob');
  const taking = bob.take();
  await settle();
  // Ten minutes of them, from the claim on.
  bob.disturb('PUT', ...times(60, throttled));
  bob.disturb('GET', ...times(60, throttled));
  await alice.release();
  await clock.advance(599 * SECOND);
  assert.equal(await isSettled(taking), false);
  await clock.advance(60 * SECOND);
  await taking;
});

test('a wait that ends while the API server asks to come back later says what is known of the lock', async () => {
  const { contender, clock } = world();
  await contender('alice').take();
  const bob = contender('bob');
  const outcome = bob.acquire({ timeoutMs: 240 * SECOND });
  await settle();
  bob.disturb('GET', ...times(100, throttled));
  await clock.advance(255 * SECOND);
  const { kind, heldBy } = { heldBy: undefined, ...(await outcome) };
  assert.deepEqual([kind, heldBy?.map(({ id }) => id)], ['busy', ['alice']]);
});

test('who has only ever been asked to come back later goes on until its own time is over', async () => {
  const { contender, clock } = world();
  const bob = contender('bob');
  bob.disturb('GET', ...times(200, throttled));
  const outcome = bob.acquire({ timeoutMs: 240 * SECOND });
  await clock.advance(239 * SECOND);
  assert.equal(await isSettled(outcome), false);
  await clock.advance(2 * SECOND);
  assert.equal((await outcome).kind, 'unreachable');
});

test('a first failure after hours without a request ends nothing: silence counts from when somebody asked', async () => {
  const { contender, clock } = world();
  await contender('alice').take();
  const bob = contender('bob');
  const taking = bob.take();
  await settle();
  bob.deafen();
  // As after a suspend: alice's lease is over, and the network is not back yet.
  clock.jump(3600 * SECOND);
  bob.disturb('GET', 'request');
  await clock.advance(90 * SECOND);
  await taking;
});

const forbidden = { kind: 'refused', reason: 'rights', status: 403, message: 'updating Lease: 403: forbidden' } as const;

test('who refuses is not silent: silence counts from after the last refusal', async () => {
  const { contender, clock } = world();
  const alice = await contender('alice').take();
  const bob = contender('bob');
  const taking = bob.take();
  await settle();
  // Some hundred seconds without an answer, one refusal, and as much again.
  bob.deafen();
  bob.disturb('GET', ...times(20, 'request' as const), forbidden, ...times(20, 'request' as const));
  await clock.advance(60 * SECOND);
  await alice.release();
  await clock.advance(240 * SECOND);
  await taking;
});

/** What the API server refuses, and what it does not answer: what ends a wait or a release, and what is tried again. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { always } from '../harness/contender.ts';
import { world } from '../harness/contenders.ts';
import { SECOND, settle } from '../harness/manual-clock.ts';

const notYours = {
  kind: 'refused',
  reason: 'not-yours',
  status: 403,
  message: 'the holder bob is not yours: it must be user/b or start with it and a /',
} as const;

const forbidden = { kind: 'refused', reason: 'rights', status: 403, message: 'updating Lease: 403: forbidden' } as const;

test('a Lease of the coordinated leader election is refused', async () => {
  const { contender, lease, requests } = world();
  await (await contender('maker').take()).release();
  const alice = contender('alice');
  const found = lease();
  const elected = { ...found, spec: { ...found.spec, strategy: 'OldestEmulationVersion' } };
  alice.disturb('GET', { kind: 'lease', lease: elected });
  requests.length = 0;
  const outcome = await alice.acquire();
  assert.match(outcome.kind === 'refused' ? outcome.message : outcome.kind, /coordinated leader election/);
  assert.deepEqual(requests, ['alice GET']);
});

test('an API server that stays silent ends the wait', async () => {
  const { contender, clock } = world();
  const alice = contender('alice');
  alice.disturb('GET', ...always('request'));
  const outcome = alice.acquire();
  await clock.advance(130 * SECOND);
  assert.equal((await outcome).kind, 'unreachable');
});

test('a release that gets no answer ends within two request timeouts', async () => {
  const { contender, clock } = world();
  const alice = contender('alice');
  const lock = await alice.take();
  alice.disturb('PUT', ...always('request'));
  alice.disturb('GET', ...always('request'));
  const released = lock.release();
  await clock.advance(14 * SECOND);
  assert.equal((await released).kind, 'failed');
});

test('a first write that is refused for its id is written again under the one that the API server knows', async () => {
  const { contender, requests, lease, state } = world();
  const alice = await contender('alice').take();
  requests.length = 0;
  const bob = contender('bob');
  bob.participant.whoAmI = async () => 'user/b/bob';
  bob.disturb('PUT', notYours);
  const taking = bob.take();
  await settle();
  assert.deepEqual(requests, ['bob GET', 'bob PUT', 'bob GET', 'bob PUT']);
  assert.deepEqual(
    state().waiters.map(({ id }) => id),
    ['user/b/bob'],
  );
  await alice.release();
  assert.equal((await taking).holder, 'user/b/bob');
  assert.equal(lease().spec?.holderIdentity, 'user/b/bob');
});

test('a second refusal for the id is final, and so is the first where the id was given or is the same', async () => {
  for (const [answers, whoAmI] of [
    [[notYours, notYours], async () => 'user/b/bob'],
    [[notYours], undefined],
    [[notYours], async () => 'bob'],
    [[notYours], async () => undefined],
  ] as const) {
    const { contender } = world();
    const bob = contender('bob');
    bob.participant.whoAmI = whoAmI;
    bob.disturb('PUT', ...answers);
    const outcome = await bob.acquire();
    assert.deepEqual(outcome, notYours);
  }
});

test('an id does not change while something stands under it', async () => {
  const { contender, clock } = world();
  const alice = await contender('alice').take();
  const bob = contender('bob');
  bob.participant.whoAmI = async () => 'user/b/bob';
  const taking = bob.acquire();
  await settle();
  bob.disturb('PUT', ...always(notYours));
  await alice.release();
  await clock.advance(180 * SECOND);
  assert.deepEqual(await taking, notYours, 'it has lasted for as long as silence would be borne');
  assert.equal(bob.me.id, 'bob');
});

test('one 403 to a waiter that has been served before is trouble, and ends nothing', async () => {
  const { contender, clock } = world();
  const alice = await contender('alice').take();
  const bob = contender('bob');
  const taking = bob.take();
  await settle();
  bob.disturb('PUT', forbidden);
  await alice.release();
  await clock.advance(SECOND);
  await taking;
  assert.ok(bob.events.some((event) => event.type === 'trouble' && event.message === forbidden.message));
});

test('a first 403 ends a wait immediately: nothing was ever allowed', async () => {
  const { contender } = world();
  const bob = contender('bob');
  bob.disturb('GET', forbidden);
  assert.deepEqual(await bob.acquire(), forbidden);
});

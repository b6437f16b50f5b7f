/** What others do to the Lease of a lock that is held: they delete it, take it, clear it, or ask its holder to stop. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeHolders } from '../../src/lock/describe.ts';
import { isSettled, world } from '../harness/contenders.ts';
import { SECOND, settle } from '../harness/manual-clock.ts';

test('a holder whose Lease is deleted puts it back immediately, says so, and holds on', async () => {
  const { contender, clock, remove, requests, lease } = world();
  const alice = contender('alice');
  const lock = await alice.take();
  requests.length = 0;
  remove();
  await clock.advance(0);
  assert.deepEqual(requests, ['alice PUT', 'alice GET', 'alice PUT']);
  assert.deepEqual([lock.lost.aborted, lease().spec?.holderIdentity, lease().metadata.uid], [false, 'alice', 'uid-2']);
  assert.ok(alice.events.some(({ type }) => type === 'restored'));
});

test('a Lease that is deleted while somebody waits comes back with its holder and its queue', async () => {
  const { contender, clock, remove, state, lease } = world();
  const lock = await contender('alice').take();
  const bob = contender('bob').acquire();
  await settle();
  remove();
  await settle();
  await clock.advance(SECOND);
  assert.deepEqual([lock.lost.aborted, lease().spec?.holderIdentity, lease().metadata.uid], [false, 'alice', 'uid-2']);
  assert.deepEqual(
    state().waiters.map(({ id }) => id),
    ['bob'],
  );
  assert.equal(await isSettled(bob), false);
});

test('a waiter that puts back the Lease of a dead holder says so, and whom it waits for', async () => {
  const { contender, clock, remove, lease } = world();
  (await contender('alice').take()).abandon();
  const bob = contender('bob');
  const taking = bob.take();
  await clock.advance(20 * SECOND);
  remove();
  await clock.advance(SECOND);
  const [restored] = bob.events.filter((event) => event.type === 'restored');
  assert.deepEqual([restored?.heldBy.map(({ id }) => id), lease().spec?.holderIdentity], [['alice'], 'alice']);
  await clock.advance(64 * SECOND);
  assert.equal(await isSettled(taking), false, 'she may have renewed it just before: she is given her duration from then on');
  await clock.advance(2 * SECOND);
  await taking;
});

test('a holder that is replaced has lost the lock, and does not take it back', async () => {
  const { contender, clock, overwrite, lease } = world();
  const lock = await contender('alice').take();
  overwrite((found) => ({ ...found, spec: { ...found.spec, holderIdentity: 'thief' } }));
  await clock.advance(SECOND);
  assert.equal(lock.lost.aborted, true);
  assert.match(String(lock.lost.reason), /it is held by thief/);
  await clock.advance(600 * SECOND);
  assert.equal(lease().spec?.holderIdentity, 'thief');
  assert.equal((await lock.release()).kind, 'released');
  assert.equal(lease().spec?.holderIdentity, 'thief', 'a release takes out only what is mine');
});

test('a lock that a foreign client cleared under its holder is not taken until that holder has let go', async () => {
  const { contender, clock, overwrite } = world();
  const alice = await contender('alice').take();
  const bob = contender('bob').take();
  await settle();
  overwrite((found) => ({ ...found, spec: { ...found.spec, holderIdentity: '', leaseDurationSeconds: 1 } }));
  await clock.advance(20 * SECOND);
  assert.equal(alice.lost.aborted, true);
  assert.match(String(alice.lost.reason), /another client cleared the holder/);
  assert.equal(await isSettled(bob), false, 'her command may still be stopping');
  await alice.release();
  await bob;
});

test('whoever waits says that the holder was cleared, and waits for as long as it may still be running', async () => {
  const { contender, clock, overwrite } = world();
  (await contender('alice').take()).abandon();
  const bob = contender('bob');
  const taking = bob.take();
  await clock.advance(20 * SECOND);
  overwrite((found) => ({ ...found, spec: { ...found.spec, holderIdentity: '', leaseDurationSeconds: 1 } }));
  await clock.advance(SECOND);
  const said = bob.events.filter((event) => event.type === 'waiting').map(({ heldBy }) => describeHolders(heldBy, clock.wall()));
  assert.equal(said.length, 2);
  assert.match(
    said[1] ?? '',
    /another client has cleared or replaced it in the Lease; .* waited for, for at most 1m6s: \S+#everybody-waits-nobody-holds\)/,
  );
  await clock.advance(44 * SECOND);
  assert.equal(await isSettled(taking), false);
  await clock.advance(2 * SECOND);
  await taking;
});

test('a holder that is cleared together with its entry is not waited for', async () => {
  const { contender, clock, overwrite, lease } = world();
  (await contender('alice').take()).abandon();
  const taking = contender('bob').take();
  await clock.advance(20 * SECOND);
  overwrite((found) => {
    const kept = Object.entries(found.metadata.annotations ?? {}).filter(([key]) => !key.startsWith('holder.'));
    const spec = { ...found.spec, holderIdentity: '', leaseDurationSeconds: 1 };
    return { ...found, metadata: { ...found.metadata, annotations: Object.fromEntries(kept) }, spec };
  });
  await clock.advance(0);
  await taking;
  assert.equal(lease().spec?.holderIdentity, 'bob');
});

test('a stop request for the holder reaches it, and the lock stays held until it is released', async () => {
  const { contender, clock, annotate, lease } = world();
  const lock = await contender('alice').take();
  const stop = { holder: 'alice', by: 'ops', kind: 'unlock', reason: 'rollback' };
  annotate((all) => ({ ...all, 'lease-lock.nullplatform.com/lock': JSON.stringify({ v: 1, next: 2, stop }) }));
  await settle();
  assert.equal(lock.stopRequested.aborted, true);
  assert.equal(lock.lost.aborted, false);
  await clock.advance(120 * SECOND);
  assert.equal(lock.lost.aborted, false, 'it is renewed while the command is being stopped');
  await lock.release();
  assert.doesNotMatch(lease().metadata.annotations?.['lease-lock.nullplatform.com/lock'] ?? '', /stop/);
});

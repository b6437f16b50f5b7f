/** When a holder that no longer writes is followed, and what does not count as a sign that it is dead. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSettled, world } from '../harness/contenders.ts';
import { SECOND, settle } from '../harness/manual-clock.ts';

test('a holder that has died is followed after its duration and the margin, counted from when its last write was seen', async () => {
  const { contender, clock } = world();
  const alice = contender('alice');
  await alice.take();
  const bob = contender('bob').take();
  await settle();
  alice.participant.client.write = () => new Promise(() => {});
  await clock.advance(66 * SECOND - 1);
  assert.equal(await isSettled(bob), false);
  await clock.advance(1);
  await bob;
});

test('a holder that is long dead by the stamps of the API server is followed once its entry has stood still for a while', async () => {
  const { contender, clock, requests } = world();
  const lock = await contender('alice').take();
  lock.abandon();
  await clock.advance(121 * SECOND);
  requests.length = 0;
  const bob = contender('bob').take();
  // A punctual holder would renew within a quarter of its minute and two requests: 25 s.
  await clock.advance(25 * SECOND - 1);
  assert.equal(await isSettled(bob), false);
  await clock.advance(1);
  await bob;
  assert.deepEqual(requests, ['bob GET', 'bob PUT', 'bob PUT']);
});

test('stamps are not believed where that is switched off, nor once they have run backwards', async () => {
  for (const untrusted of ['switched off', 'backwards'] as const) {
    const { contender, clock } = world();
    (await contender('alice').take()).abandon();
    const bob = contender('bob');
    if (untrusted === 'switched off') bob.participant.trustStamps = false;
    await clock.advance(121 * SECOND);
    if (untrusted === 'backwards') clock.shiftWall(-300 * SECOND);
    const taking = bob.take();
    await clock.advance(66 * SECOND - 1);
    assert.equal(await isSettled(taking), false, untrusted);
    await clock.advance(1);
    await taking;
  }
});

test('waiters honour a holder that they have seen, also when its Lease is gone and comes back without it', async () => {
  const { contender, clock, remove } = world();
  const alice = contender('alice');
  await alice.take();
  const bob = contender('bob').take();
  await settle();
  alice.participant.client.write = () => new Promise(() => {});
  remove();
  await clock.advance(66 * SECOND - 1);
  assert.equal(await isSettled(bob), false);
  await clock.advance(30 * SECOND);
  await bob;
});

test('a foreign holder that renews is never robbed, whatever its renewTime says', async () => {
  const { contender, clock, overwrite } = world();
  await (await contender('maker').take()).release();
  const renew = (n: number) =>
    overwrite((found) => ({
      ...found,
      spec: {
        ...found.spec,
        holderIdentity: 'leader',
        leaseDurationSeconds: 15,
        renewTime: `1999-01-01T00:00:${String(n).padStart(2, '0')}.000000Z`,
      },
    }));
  renew(0);
  const bob = contender('bob').take();
  for (let n = 1; n < 40; n++) {
    await clock.advance(14 * SECOND);
    renew(n);
  }
  assert.equal(await isSettled(bob), false);
  await clock.advance(17 * SECOND - 1);
  assert.equal(await isSettled(bob), false);
  await clock.advance(1);
  await bob;
});

test('a holder whose annotation claims more time than its spec is given what the spec says', async () => {
  const { contender, clock, annotate } = world();
  (await contender('alice').take()).abandon();
  const claimed = (text: string) => text.replace('"duration":60', '"duration":1e15');
  annotate((all) => Object.fromEntries(Object.entries(all).map(([key, text]) => [key, claimed(text)])));
  const bob = contender('bob').take();
  await clock.advance(66 * SECOND);
  await bob;
});

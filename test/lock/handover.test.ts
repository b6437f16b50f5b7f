/** Hand-over: whoever releases the lock writes the next in line in, who may start on that before a write of its own. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { always, type Contender, type ContenderOptions } from '../harness/contender.ts';
import { isSettled, world } from '../harness/contenders.ts';
import { SECOND, settle } from '../harness/manual-clock.ts';

/** What a guard asks for: its command can be killed. */
const killable = { killable: true };

test('the next in line starts on the word of a watch event, and its first write follows', async () => {
  const { contender, clock, requests, state } = world();
  const lock = await contender('alice').take(killable);
  const bob = contender('bob').take(killable);
  await settle();
  const carol = contender('carol').take(killable);
  await settle();
  requests.length = 0;
  await lock.release();
  const held = await bob;
  assert.deepEqual(requests, ['alice PUT']);
  const { stopBy, killBy } = held.deadlines();
  assert.equal(stopBy, killBy, 'until its own first write is answered, there is no grace');
  assert.equal(await isSettled(carol), false);
  await clock.advance(0);
  assert.deepEqual(
    requests.filter((one) => one.startsWith('bob')),
    ['bob PUT'],
  );
  assert.equal(held.deadlines().killBy - held.deadlines().stopBy, 10 * SECOND);
  const [holder] = state().holders;
  assert.deepEqual([holder?.id, holder?.granted, holder?.durationMs], ['bob', false, 60 * SECOND]);
  await held.release();
  await carol;
});

test('the token grows, and the transition is counted, with each hand-over', async () => {
  const { contender } = world();
  const alice = await contender('alice').take(killable);
  const bob = contender('bob').take(killable);
  await settle();
  await alice.release();
  const held = await bob;
  assert.equal(held.transitions, alice.transitions + 1);
  assert.ok(BigInt(held.token) > BigInt(alice.token));
});

test('who was last shown as waiting too long ago confirms by a write before it starts', async () => {
  const { contender, clock, requests } = world();
  const lock = await contender('alice').take(killable);
  const bob = contender('bob');
  const taking = bob.take(killable);
  for (let second = 0; second < 1000; second += 1) await clock.advance(SECOND);
  requests.length = 0;
  while (!requests.includes('bob GET')) await clock.advance(SECOND);
  await clock.advance(9 * SECOND);
  requests.length = 0;
  await lock.release();
  await settle();
  const held = await taking;
  assert.deepEqual(requests, ['alice PUT', 'bob PUT']);
  assert.equal(held.deadlines().killBy - held.deadlines().stopBy, 10 * SECOND);
});

test('who was handed the lock and gets no answer has lost it before the time of a grant is over', async () => {
  const { contender, clock } = world();
  const lock = await contender('alice').take(killable);
  const bob = contender('bob');
  const taking = bob.take(killable);
  await settle();
  bob.disturb('PUT', ...always<'request'>('request'));
  await lock.release();
  const held = await taking;
  // Ten seconds from its last request that showed it waiting, without two to see its command end, and half a second of margin.
  await clock.advance(7.5 * SECOND - 1);
  assert.equal(held.lost.aborted, false);
  await clock.advance(1);
  assert.equal(held.lost.aborted, true);
});

test('a next in line that is dead costs those who saw the hand-over twelve seconds', async () => {
  const { contender, clock } = world();
  const lock = await contender('alice').take(killable);
  const dead = contender('dead');
  void dead.acquire(killable);
  await settle();
  dead.deafen();
  dead.participant.client.write = () => new Promise(() => {});
  dead.participant.client.read = () => new Promise(() => {});
  const bob = contender('bob').take(killable);
  await settle();
  await lock.release();
  await clock.advance(12 * SECOND - 1);
  assert.equal(await isSettled(bob), false);
  await clock.advance(1);
  await bob;
});

test('newcomers give to whom the lock was handed its whole time: it may have written since, in a Lease that was deleted', async () => {
  const { contender, clock } = world();
  const lock = await contender('alice').take(killable);
  const dead = contender('dead');
  void dead.acquire(killable);
  await settle();
  dead.deafen();
  dead.participant.client.write = () => new Promise(() => {});
  await lock.release();
  const bob = contender('bob').take(killable);
  await clock.advance(66 * SECOND - 1);
  assert.equal(await isSettled(bob), false);
  await clock.advance(1);
  await bob;
});

test('who leaves the queue just when the lock is handed to it hands it on', async () => {
  const { contender, clock } = world();
  const lock = await contender('alice').take(killable);
  const leaving = new AbortController();
  const bob = contender('bob');
  const outcome = bob.acquire({ ...killable, signal: leaving.signal });
  await settle();
  const carol = contender('carol').take(killable);
  await settle();
  bob.deafen();
  await lock.release();
  assert.equal(await isSettled(carol), false);
  leaving.abort();
  await clock.advance(SECOND);
  assert.equal((await outcome).kind, 'aborted');
  await carol;
});

test('to whom a lock is not handed claims it', async () => {
  const kinds: [string, ContenderOptions, boolean][] = [
    ['whose work cannot be killed', {}, false],
    ['who may not need it any more', { policies: { once: 'today' } }, true],
    ['who shares it', { policies: { weight: 1 } }, true],
    ['who writes as 0.2.5 expects', { legacyExpiry: true }, true],
  ];
  for (const [kind, options, canBeKilled] of kinds) {
    const { contender, state } = world();
    const lock = await contender('alice').take(killable);
    const taking = contender('bob', options).take({ killable: canBeKilled });
    await settle();
    assert.equal(state().waiters[0]?.direct, false, kind);
    await lock.release();
    const held = await taking;
    assert.equal(held.deadlines().killBy - held.deadlines().stopBy, 10 * SECOND, kind);
  }
});

test('the first in line has itself shown every two seconds at first, and seldom after a long wait; the others never', async () => {
  const { contender, clock, requests } = world();
  await contender('alice').take(killable);
  const others: Contender[] = [];
  for (const name of ['bob', 'carol']) {
    const one = contender(name);
    void one.acquire(killable);
    others.push(one);
    await settle();
  }
  const readsIn = async (seconds: number, name: string) => {
    requests.length = 0;
    for (let second = 0; second < seconds; second += 1) await clock.advance(SECOND);
    return requests.filter((one) => one === `${name} GET`).length;
  };
  assert.equal(await readsIn(20, 'bob'), 10);
  assert.ok((await readsIn(3600, 'bob')) <= 3600 / 14, 'a quarter of the lease');
  assert.ok((await readsIn(3600, 'carol')) <= 3600 / 48, 'the poll of those who watch');
});

test('a holder that nobody waits for has time until it watches; one with a queue watches immediately', async () => {
  const { contender } = world();
  const waits: (number | undefined)[] = [];
  const noting = (name: string) => {
    const one = contender(name);
    const { watch } = one.participant.client;
    one.participant.client = {
      ...one.participant.client,
      watch: (listener, since, afterMs) => {
        waits.push(afterMs);
        return watch(listener, since, afterMs);
      },
    };
    return one;
  };
  const lock = await noting('alice').take(killable);
  assert.ok((waits[0] ?? 0) > 0);
  const bob = noting('bob').take(killable);
  await settle();
  const carol = contender('carol').take(killable);
  await settle();
  await lock.release();
  const held = await bob;
  assert.equal(waits.at(-1), 0);
  await held.release();
  await carol;
});

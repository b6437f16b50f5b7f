/** A claim whose answer came too late or not at all starts nothing until another write has confirmed it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { world } from '../harness/contenders.ts';
import { SECOND, settle } from '../harness/manual-clock.ts';

test('a claim whose answer comes after its own deadline starts nothing until it is confirmed', async () => {
  const { contender, clock, requests } = world();
  const alice = contender('alice');
  const write = alice.participant.client.write;
  alice.participant.client.write = async (...args) => {
    const answer = await write(...args);
    clock.jump(50 * SECOND);
    alice.participant.client.write = write;
    return answer;
  };
  const lock = await alice.take();
  assert.deepEqual(requests, ['alice GET', 'alice PUT', 'alice PUT']);
  assert.equal(lock.deadlines().stopBy, 95 * SECOND);
});

test('a claim without an answer is read back and confirmed by another write, which dates it', async () => {
  const { contender, clock, requests } = world();
  const alice = contender('alice');
  alice.disturb('PUT', 'answer');
  const taking = alice.take();
  await clock.advance(5 * SECOND);
  const lock = await taking;
  assert.deepEqual(requests, ['alice GET', 'alice PUT', 'alice GET', 'alice PUT']);
  assert.ok(lock.deadlines().stopBy > 45 * SECOND);
});

test('a claim that lands late, after it was read as missing, is confirmed before anything starts', async () => {
  const { contender, clock, requests, land } = world();
  const alice = await contender('alice').take();
  const bob = contender('bob');
  const taking = bob.take();
  await settle();
  bob.disturb('PUT', 'late');
  await alice.release();
  await settle();
  requests.length = 0;
  bob.disturb('PUT', 'request');
  await clock.advance(150);
  assert.deepEqual(requests, ['bob GET', 'bob PUT']);
  assert.deepEqual(land(), [200]);
  await clock.advance(5 * SECOND);
  await taking;
  assert.deepEqual(requests.slice(2), ['bob GET', 'bob PUT']);
});

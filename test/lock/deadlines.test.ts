/** Until when a holder may run its command: it counts from before the send of the last write that is known to have succeeded. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { always } from '../harness/contender.ts';
import { world } from '../harness/contenders.ts';
import { SECOND } from '../harness/manual-clock.ts';

test('a holder that can not renew has lost the lock while there is still time to stop the command', async () => {
  const { contender, clock } = world();
  const alice = contender('alice');
  const lock = await alice.take();
  alice.disturb('PUT', ...always('request'));
  // 60 s - (10 s grace + 2 s reaping) - 3 s margin
  await clock.advance(45 * SECOND - 1);
  assert.equal(lock.lost.aborted, false);
  await clock.advance(1);
  assert.equal(lock.lost.aborted, true);
  assert.match(String(lock.lost.reason), /could not be renewed for 45\.0s: no answer within 5s/);
});

test('the deadline counts from before the send, not from the answer', async () => {
  const { contender, clock } = world();
  const alice = contender('alice');
  const write = alice.participant.client.write;
  alice.participant.client.write = async (...args) => {
    const answer = await write(...args);
    clock.jump(3 * SECOND);
    return answer;
  };
  const lock = await alice.take();
  assert.equal(lock.deadlines().stopBy, 45 * SECOND);
  assert.equal(lock.deadlines().expiresAt, 60 * SECOND);
});

test('a late answer to a renewal is not believed: the process slept through its deadline', async () => {
  const { contender, clock } = world();
  const alice = contender('alice');
  const lock = await alice.take();
  clock.jump(70 * SECOND);
  await clock.advance(0);
  assert.equal(lock.lost.aborted, true);
});

test('a renewal without an answer that has landed counts from its own send', async () => {
  const { contender, clock } = world();
  const alice = contender('alice');
  const lock = await alice.take();
  alice.deafen();
  alice.disturb('PUT', 'answer');
  await clock.advance(15 * SECOND);
  // The retry conflicts with the attempt that landed; the read finds that one's mark.
  alice.disturb('PUT', 'request');
  await clock.advance(SECOND);
  assert.equal(lock.deadlines().stopBy, (15 + 45) * SECOND);
});

test('renewals whose answers are all lost keep the lock as long as the watch shows that they landed', async () => {
  const { contender, clock } = world();
  const alice = contender('alice');
  const lock = await alice.take();
  alice.disturb('PUT', ...always('answer'));
  await clock.advance(300 * SECOND);
  assert.equal(lock.lost.aborted, false);
  alice.deafen();
  alice.disturb('GET', ...always('request'));
  await clock.advance(60 * SECOND);
  assert.equal(lock.lost.aborted, true, 'and no longer');
});

/** Many that arrive together, on an API server that takes its time: everybody gets a turn, and whoever has had one can give the lock back. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Answer } from '../../src/api/answers.ts';
import type { LeaseClient } from '../../src/api/lease-client.ts';
import { later, waitUntil } from '../../src/clock.ts';
import { acquire } from '../../src/lock/index.ts';
import { world } from '../harness/contenders.ts';
import { SECOND } from '../harness/manual-clock.ts';
import { randomOf } from '../simulation/random.ts';

const CROWD = 100;
/** Each way, at most. */
const WAY_MS = 600;
const HOLD_MS = 50;

test('a crowd on a slow API server: nobody keeps others from giving the lock back, and few writes are in vain', async () => {
  const { contender, clock } = world();
  const random = randomOf(7, 'crowd').next;
  const way = () => waitUntil(clock, later(clock.now(), WAY_MS * random()));
  let conflicts = 0;
  const slow = (client: LeaseClient): LeaseClient => {
    const slowly = async (act: () => Promise<Answer>): Promise<Answer> => {
      await way();
      const answer = await act();
      if (answer.kind === 'conflict') conflicts += 1;
      await way();
      return answer;
    };
    return {
      ...client,
      read: (options) => slowly(() => client.read(options)),
      write: (lease, options) => slowly(() => client.write(lease, options)),
    };
  };
  const first = await contender('first').take();
  const released: string[] = [];
  const all = Array.from({ length: CROWD }, async (_, i) => {
    const { participant } = contender(`w${i}`);
    const acquisition = await acquire({ ...participant, client: slow(participant.client), random }, {});
    assert.equal(acquisition.kind, 'held');
    if (acquisition.kind !== 'held') return;
    await waitUntil(clock, later(clock.now(), HOLD_MS));
    released.push((await acquisition.lock.release()).kind);
  });
  await clock.advance(4 * WAY_MS);
  await first.release();
  while (released.length < CROWD && clock.now() < 1000 * SECOND) await clock.advance(SECOND);
  assert.deepEqual(
    released,
    all.map(() => 'released'),
  );
  assert.ok(conflicts / CROWD < 6, `${conflicts} conflicts`);
  await Promise.all(all);
});

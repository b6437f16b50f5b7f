/**
 * Something else than an API server answers: a wrong address does so for good, a balancer for a moment, while what is behind it is replaced. Who has
 * never been served tells them apart by time alone.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { always } from '../harness/contender.ts';
import { isSettled, world } from '../harness/contenders.ts';
import { SECOND, settle } from '../harness/manual-clock.ts';

const elsewhere = {
  kind: 'failed',
  message: '404 with "no backend"',
  applied: 'unknown',
  unusable: true,
  elsewhere: true,
} as const;
const refused = { kind: 'failed', message: 'the connection was refused', applied: 'no' } as const;

test('a balancer that knows no API server for some seconds does not end a wait that has just begun', async () => {
  const { contender, clock } = world();
  const alice = contender('alice');
  alice.disturb('GET', elsewhere, elsewhere, elsewhere);
  const taking = alice.take();
  await clock.advance(4 * SECOND);
  await taking;
});

test('a wrong address ends the wait within seconds, as one: five, and says until when it is tried', async () => {
  const { contender, clock } = world();
  const alice = contender('alice');
  alice.disturb('GET', ...always(elsewhere));
  const outcome = alice.acquire();
  await clock.advance(4 * SECOND);
  assert.equal(await isSettled(outcome), false);
  await clock.advance(SECOND);
  assert.deepEqual(await outcome, { kind: 'unreachable', message: '404 with "no backend"', unusable: true });
  const left = alice.events.map((event) => (event.type === 'trouble' ? (event.lasting?.leftMs ?? 0) : 0));
  assert.ok(left.length > 2 && left.every((ms) => ms <= 5 * SECOND), String(left));
});

test('one try, and a wait that is over before, end as those of a wrong address, too', async () => {
  const { contender, clock } = world();
  const [alice, bob] = [contender('alice'), contender('bob')];
  for (const each of [alice, bob]) each.disturb('GET', ...always(elsewhere));
  assert.equal((await alice.acquire({ timeoutMs: 0 })).kind, 'unreachable');
  const outcome = bob.acquire({ timeoutMs: 2 * SECOND });
  await clock.advance(2 * SECOND);
  assert.deepEqual(await outcome, { kind: 'unreachable', message: '404 with "no backend"', unusable: true });
});

test('what is silent for a minute and then unknown to its balancer has its seconds all the same', async () => {
  const { contender, clock } = world();
  const alice = contender('alice');
  alice.disturb('GET', ...Array.from({ length: 15 }, () => refused), elsewhere, elsewhere);
  const taking = alice.take();
  await clock.advance(100 * SECOND);
  await taking;
});

test('a queued waiter, who has been served before, bears it as long as silence', async () => {
  const { contender, clock } = world();
  const alice = await contender('alice').take();
  const bob = contender('bob');
  const taking = bob.take();
  await settle();
  bob.disturb('PUT', ...Array.from({ length: 12 }, () => elsewhere));
  await alice.release();
  await clock.advance(100 * SECOND);
  await taking;
});

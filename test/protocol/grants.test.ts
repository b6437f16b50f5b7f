/** Hand-over as a table: to whom a lock is handed, and what that is to the others. Times are in seconds, on one's own clock. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseLease } from '../../src/protocol/document.ts';
import { decide } from '../../src/protocol/rules.ts';
import type { View } from '../../src/protocol/sightings.ts';
import { withoutMe } from '../../src/protocol/writes.ts';
import { alice, at, me, type Shape, seen, stateOf, toldOf } from './shapes.ts';

const waiting: Shape = {
  ...alice,
  waiters: [
    [2, 'bob'],
    [3, 'me'],
  ],
};
const granted: Shape = { holder: 'bob', mark: 'g', transitions: 2, waiters: [[3, 'me']], more: { bob: { granted: true } } };
const confirmed: Shape = { ...granted, mark: 'c', more: {} };

const OTHERS: readonly (readonly [situation: string, view: View, now: number, decision: string])[] = [
  ['I saw it being handed to bob', seen([0, waiting], [5, granted]), 5, 'wait until 17 at 0 behind bob'],
  ['he is dead', seen([0, waiting], [5, granted]), 17, 'claim'],
  ['he has written since', seen([0, waiting], [5, granted], [6, confirmed]), 6, 'wait until 72 at 0 behind bob'],
  ['I came when it was handed to him already', seen([5, granted]), 5, 'wait until 71 at 0 behind bob'],
  ['the Lease is deleted', seen([0, waiting], [5, granted], [6, undefined]), 7, 'enqueue 3 at 0 behind bob'],
  [
    'it is deleted, and made anew by one who knew of no more',
    seen([0, waiting], [5, granted], [6, undefined], [7, { ...granted, uid: 'v' }]),
    20,
    'wait until 73 at 0 behind bob',
  ],
  [
    'it is deleted, and made anew without him: remembered for his whole time',
    seen([0, waiting], [5, granted], [7, { uid: 'v', waiters: [[3, 'me']] }]),
    20,
    'wait until 73 at 0 behind bob',
  ],
  [
    'I knew of no Lease, and one comes that was put back',
    seen([0, undefined], [7, { ...granted, uid: 'v' }]),
    20,
    'wait until 73 at 0 behind bob',
  ],
  ['it is handed to me', seen([0, waiting], [5, { ...granted, holder: 'me', more: { me: { granted: true } } }]), 5, 'confirm'],
];

for (const [situation, view, now, expected] of OTHERS) {
  test(`${situation}: ${expected}`, () => {
    const decision = decide(view, { me, ticket: 3 }, { now: at(now), wall: new Date(0), mark: 'mark' });
    assert.equal(toldOf(decision), expected);
  });
}

test('what is handed to me, and what I no longer need, I do not take', () => {
  const shape: Shape = { holder: 'me', more: { me: { granted: true } }, lock: { done: ['today'] } };
  const asking = { me: { ...me, policies: { once: 'today' } }, ticket: 1 };
  assert.equal(toldOf(decide(seen([0, shape]), asking, { now: at(0), wall: new Date(0), mark: 'x' })), 'skipped: done today');
});

const direct = { direct: true, duration: 30 };
const queue: Shape['waiters'] = [
  [2, 'bob'],
  [3, 'carol'],
];
const HANDED: readonly (readonly [situation: string, shape: Shape, to: string])[] = [
  ['the first in line', { waiters: queue, more: { bob: direct, carol: direct } }, 'bob'],
  ['one with a higher priority', { waiters: [...queue, [4, 'dave', 5]], more: { bob: direct, dave: direct } }, 'dave'],
  ['nobody, where nobody waits', {}, ''],
  ['nobody, where the first cannot be handed it', { waiters: queue, more: { bob: { duration: 30 }, carol: direct } }, ''],
  ['nobody, where the first states no duration', { waiters: queue, more: { bob: { direct: true } } }, ''],
  ['nobody, where the first shares the lock', { waiters: queue, more: { bob: { ...direct, weight: 1 } } }, ''],
  ['nobody, where the first is asked to leave', { waiters: queue, more: { bob: { ...direct, stop: { holder: 'bob' } } } }, ''],
  [
    'nobody, where the first is superseded by one that waits',
    { waiters: queue, more: { bob: { ...direct, group: 'g' }, carol: { group: 'g' } } },
    '',
  ],
  [
    'nobody, where the first is superseded by one that had the lock',
    { waiters: queue, more: { bob: { ...direct, group: 'g' } }, lock: { superseded: { g: 7 } } },
    '',
  ],
  [
    'nobody, where others share it',
    { waiters: queue, beside: ['erin'], more: { bob: direct, me: { weight: 1 }, erin: { weight: 1 } } },
    '',
  ],
];

for (const [situation, shape, expected] of HANDED) {
  test(`a lock is handed to ${situation}`, () => {
    const before = stateOf({ holder: 'me', ...shape });
    const left = withoutMe(before, me, { wall: new Date(0), mark: 'new' });
    assert.ok(left);
    const after = parse(left.lease);
    const [holder] = after.holders.filter((one) => one.granted);
    assert.equal(holder?.id ?? '', expected);
    if (!holder) return;
    assert.deepEqual([holder.durationMs, holder.mark, holder.standing], [30_000, 'new', 'holds']);
    assert.ok(after.waiters.every(({ key }) => key !== holder.key));
    assert.equal(after.transitions, before.transitions + 1);
  });
}

function parse(lease: Parameters<typeof parseLease>[0]) {
  const parsed = parseLease(lease);
  assert.ok(parsed.kind === 'state');
  return parsed.state;
}

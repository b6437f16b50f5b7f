/**
 * etcd comes back from a backup, and with it the same Lease as it was before: its version goes back, or the next ticket does. Whoever held it may not know
 * yet. Times are in seconds, on one's own clock.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decide } from '../../src/protocol/rules.ts';
import type { View } from '../../src/protocol/sightings.ts';
import { alice, at, me, type Shape, seen, toldOf } from './shapes.ts';

const waiters: Shape['waiters'] = [[3, 'me']];
const held: Shape = { ...alice, waiters, version: '50', transitions: 4 };
const bob: Shape = { holder: 'bob', waiters, transitions: 3 };

const TABLE: readonly (readonly [situation: string, view: View, now: number, decision: string])[] = [
  ['alice is gone, and nothing is older', seen([0, held], [10, { waiters, version: '51' }]), 10, 'claim'],
  [
    'alice is gone from an older version: her duration, from then on',
    seen([0, held], [10, { waiters, version: '40' }]),
    75,
    'wait until 76 at 0 behind alice',
  ],
  ['and when it is over', seen([0, held], [10, { waiters, version: '40' }]), 76, 'claim'],
  [
    'seen again, newer by now',
    seen([0, held], [10, { waiters, version: '40' }], [20, { waiters, version: '90' }]),
    75,
    'wait until 76 at 0 behind alice',
  ],
  [
    'with fewer tickets given, though its version is newer',
    seen([0, held], [10, { waiters, version: '90', lock: { next: 8 } }]),
    75,
    'wait until 76 at 0 behind alice',
  ],
  ['another one holds it there', seen([0, held], [10, { ...bob, version: '40' }]), 75, 'wait until 76 at 0 behind bob and alice'],
  [
    'bob held it then, and renews',
    seen([0, held], [10, { ...bob, version: '40' }], [30, { ...bob, version: '41', mark: 'n' }]),
    80,
    'wait until 96 at 0 behind bob',
  ],
  [
    'alice holds it there as I knew it: she may have renewed unseen',
    seen([0, held], [40, { ...held, version: '40' }]),
    66,
    'wait until 106 at 0 behind alice',
  ],
  [
    'a late answer that there is none, and alice has left',
    seen([0, held], [1, undefined], [10, { waiters, version: '51' }]),
    10,
    'claim',
  ],
  ['deleted, and there again as it was', seen([0, held], [10, undefined], [40, held]), 76, 'wait until 106 at 0 behind alice'],
];

for (const [situation, view, now, expected] of TABLE) {
  test(`${situation}: ${expected}`, () => {
    assert.equal(toldOf(decide(view, { me, ticket: 3 }, { now: at(now), wall: new Date(0), mark: 'mark' })), expected);
  });
}

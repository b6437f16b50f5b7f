/** Those that share a lock: when there is room for whom, and who waits for whom, as tables. Times are in seconds, on one's own clock. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Steady } from '../../src/clock.ts';
import type { Policies } from '../../src/protocol/me.ts';
import { roomAt, type Stay } from '../../src/protocol/room.ts';
import { decide } from '../../src/protocol/rules.ts';
import type { View } from '../../src/protocol/sightings.ts';
import { at, me, type Shape, seen, stateOf, toldOf } from './shapes.ts';

const one = { weight: 1 };
const READERS: Shape = { holder: 'alice', beside: ['bob'], more: { alice: one, bob: one, erin: one, me: one } };
const three = (more: Shape): Shape => ({ ...READERS, lock: { permits: 3 }, ...more });
/** The next in line, that needs the lock alone, and a reader behind it. */
const behind: Shape = {
  ...READERS,
  waiters: [
    [3, 'dave'],
    [4, 'me'],
  ],
};
const shown = (mark: string): Shape => ({ ...behind, more: { ...READERS.more, dave: { mark } } });

const TABLE: readonly [situation: string, view: View, now: number, decision: string, policies: Policies][] = [
  ['readers hold it, and so do I', seen([0, READERS]), 0, 'claim', one],
  ['readers hold it, and I write', seen([0, READERS]), 0, 'enqueue at 0 behind alice and bob', {}],
  ['one that writes holds it, and I read', seen([0, { holder: 'alice' }]), 0, 'enqueue at 0 behind alice', one],
  ['a client of another kind holds it', seen([0, { foreign: 'elector' }]), 0, 'enqueue at 0 behind elector', one],
  [
    'another client has cleared the readers, who may still run',
    seen([0, { ...READERS, foreign: '', waiters: [[3, 'me']] }]),
    0,
    'wait until 66 at 0 behind alice and bob',
    one,
  ],
  ['one permit of three is left', seen([0, three({})]), 0, 'claim', { weight: 1, permits: 3 }],
  ['I need two', seen([0, three({})]), 0, 'enqueue at 0 behind alice and bob', { weight: 2, permits: 3 }],
  ['I expect another number', seen([0, three({})]), 0, 'refused', { weight: 1, permits: 4 }],
  ['I can never have as many', seen([0, three({})]), 0, 'refused', { weight: 4 }],
  [
    'the lock does not say, and who waits does',
    seen([0, { ...READERS, waiters: [[3, 'erin']], more: { ...READERS.more, erin: { weight: 1, permits: 2 } } }]),
    0,
    'enqueue at 1 behind alice and bob',
    one,
  ],
  [
    'one of them is dead: its permit is free, and the other has renewed',
    seen(
      [0, { ...three({}), lock: { permits: 2 }, waiters: [[3, 'me']] }],
      [60, { ...three({}), lock: { permits: 2 }, waiters: [[3, 'me']], more: { ...READERS.more, bob: { ...one, x: 1 } } }],
    ),
    66,
    'claim',
    one,
  ],
  // A writer that waits lets no reader pass, for as long as it shows that it is alive.
  ['a writer waits before me', seen([0, behind]), 0, 'wait until 66 at 1 behind nobody', one],
  ['it has shown itself', seen([0, behind], [60, shown('n')]), 66, 'wait until 68 at 1 behind nobody', one],
  ['it has been silent', seen([0, behind], [50, { ...behind, mark: 'n' }]), 66, 'claim', one],
  [
    'I am that writer: I show that I am alive four times in my lease',
    seen([0, { ...READERS, waiters: [[3, 'me']] }]),
    15,
    'enqueue 3 at 0 behind alice and bob',
    {},
  ],
  [
    'beside one that writes nobody could pass me',
    seen([0, { holder: 'alice', waiters: [[3, 'me']] }]),
    15,
    'wait until 66 at 0 behind alice',
    {},
  ],
  [
    'more permits: those before me have their windows',
    seen(
      [0, { ...behind, lock: { permits: 2 }, more: { ...READERS.more, dave: one } }],
      [30, { ...behind, lock: { permits: 4 }, more: { ...READERS.more, dave: one } }],
    ),
    30,
    'wait until 32 at 1 behind nobody',
    one,
  ],
];

for (const [situation, view, now, expected, policies] of TABLE) {
  test(`${situation}: ${expected}`, () => {
    const asking = { me: { ...me, policies }, ticket: undefined };
    assert.equal(toldOf(decide(view, asking, { now: at(now), wall: new Date(0), mark: 'mark' })), expected);
  });
}

/** By trying each moment at which somebody goes. */
function roomByTrying(stays: readonly Stay[], weight: number | undefined, permits: number): number {
  const takes = (one: number | undefined) => (one === undefined ? Number.POSITIVE_INFINITY : Math.min(one, permits));
  const fits = (moment: number): boolean => {
    const there = stays.filter(({ until }) => until > moment).map(({ holder }) => holder);
    if (there.length === 0) return true;
    if (weight === undefined) return false;
    const taken = there.map((holder) => takes(holder.standing === 'holds' ? holder.weight : undefined));
    return (
      taken.reduce((sum, one) => sum + one, takes(weight)) <= permits && taken.every((one) => one < Number.POSITIVE_INFINITY)
    );
  };
  return [Number.NEGATIVE_INFINITY, ...stays.map(({ until }) => until)].toSorted((a, b) => a - b).find(fits) ?? Number.NaN;
}

test('there is room from the first moment on at which enough have gone', () => {
  const [holder] = stateOf({ holder: 'alice' }).holders;
  assert.ok(holder);
  const weights = fc.option(fc.integer({ min: 1, max: 5 }), { nil: undefined });
  const stay = fc.record({
    weight: weights,
    until: fc.integer({ min: 0, max: 9 }),
    standing: fc.constantFrom('holds', 'holds', 'ousted'),
  });
  fc.assert(
    fc.property(fc.array(stay, { maxLength: 6 }), weights, fc.integer({ min: 1, max: 6 }), (given, weight, permits) => {
      const stays = given.map(({ until, ...more }) => ({
        until: until as Steady,
        holder: { ...holder, ...more } as Stay['holder'],
      }));
      assert.equal(roomAt(stays, weight, permits), roomByTrying(stays, weight, permits));
    }),
    { numRuns: 2000 },
  );
});

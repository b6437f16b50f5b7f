/** The picture of the demo: who waited and ran when, and whether two ran at the same time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { drawTimeline, findOverlap } from '../../../image/commands/demo-timeline.ts';

test('two that ran at the same time are found, in whatever order they are given', () => {
  const alice = { name: 'alice', from: 0, to: 100, killed: false };
  const bob = { name: 'bob', from: 99, to: 200, killed: false };
  assert.deepEqual(findOverlap([bob, alice]), ['alice', 'bob']);
  assert.equal(findOverlap([alice, { ...bob, from: 100 }]), undefined);
  assert.deepEqual(
    findOverlap([
      { name: 'alice', from: 0, killed: false },
      { ...bob, from: 500 },
    ]),
    ['alice', 'bob'],
    'who never ended still runs',
  );
  assert.equal(findOverlap([{ name: 'carol', killed: false }, alice]), undefined);
});

test('the timeline shows who waits, runs, and was killed', () => {
  const drawn = drawTimeline(
    [
      { name: 'alice', from: 0, to: 500, killed: true },
      { name: 'bob', waitedFrom: 0, from: 500, to: 1000, killed: false },
    ],
    1000,
  );
  assert.match(drawn, /alice {2}█{30}x\n/);
  assert.match(drawn, /bob {4}·{30}█+\n/);
});

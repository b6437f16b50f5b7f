/** The durations that are derived from a lease, and the refusal of those that cannot work. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { describeTimings } from '../../src/lock/describe.ts';
import { timings } from '../../src/protocol/timings.ts';

test('the defaults: renewed every 15 s, stopped by 45 s of 60', () => {
  const result = timings(60_000, 10_000);
  assert.deepEqual(result.kind === 'timings' && result.timings, {
    durationMs: 60_000,
    renewEveryMs: 15_000,
    requestTimeoutMs: 5000,
    marginMs: 3000,
    killGraceMs: 10_000,
    reapMs: 2000,
    killBudgetMs: 12_000,
  });
});

test('durations that leave no time to stop the command are refused, with the sum and with what would fit', () => {
  const result = timings(20_000, 10_000);
  assert.ok(result.kind === 'too-short');
  assert.deepEqual([result.shortestMs, result.longestGraceMs], [31_000, 6300]);
  const names = {
    duration: 'lease duration',
    grace: 'a kill grace of 10s',
    shorterGrace: 'kill grace',
    stopping: 'stopping the command',
  };
  assert.match(
    describeTimings(result, names),
    /20s is too short for a kill grace of 10s: renewing every 5s \+ two requests of 3\.33s each \+ stopping the command 11s \+ margin 1s = 23\.7s\. Use a lease duration of at least 31s or a kill grace of at most 6\.3s/,
  );
});

test('what a refusal proposes is accepted, and less is not', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 600 }), fc.integer({ min: 0, max: 600_000 }), (seconds, graceMs) => {
      const refused = timings(seconds * 1000, graceMs);
      if (refused.kind !== 'too-short') return;
      assert.equal(timings(refused.shortestMs, graceMs).kind, 'timings');
      assert.equal(timings(refused.shortestMs - 1000, graceMs).kind === 'timings', false);
      if (refused.longestGraceMs !== undefined) assert.equal(timings(seconds * 1000, refused.longestGraceMs).kind, 'timings');
    }),
  );
});

test('a lease duration is a whole number of seconds, since the Lease has no room for less', () => {
  for (const ms of [0, 500, 1500, -1000]) assert.equal(timings(ms, 0).kind, 'not-whole-seconds', `${ms}`);
});

test('an interval between renewals that is given is kept', () => {
  const given = timings(60_000, 10_000, 5000);
  assert.equal(given.kind === 'timings' && given.timings.renewEveryMs, 5000);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatDuration, parseDuration, timings } from '../../src/protocol/timings.ts';

test('the defaults: renewed every 15 s, stopped by 45 s of 60', () => {
  const result = timings(60_000, 10_000);
  assert.deepEqual(result.kind === 'timings' && result.timings, {
    durationMs: 60_000,
    renewEveryMs: 15_000,
    requestTimeoutMs: 5000,
    marginMs: 3000,
    killGraceMs: 10_000,
    killBudgetMs: 12_000,
  });
});

test('durations that can not hold are refused with the sum and with what would fit', () => {
  const result = timings(20_000, 10_000);
  assert.match(
    result.kind === 'refused' ? result.message : '',
    /20s is too short for a kill grace of 10s: renewing every 5s \+ two requests of 3\.33s each \+ stopping the command 11s \+ margin 1s = 23\.7s\. Use a lease duration of at least 31s or a kill grace of at most 6\.3s/,
  );
});

test('what a refusal proposes is accepted', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 600 }), fc.integer({ min: 0, max: 600_000 }), (seconds, graceMs) => {
      const refused = timings(seconds * 1000, graceMs);
      if (refused.kind !== 'refused') return;
      const [, duration = ''] = /at least (\S+?)(?: or|\s\()/.exec(refused.message) ?? [];
      const fits = parseDuration(duration);
      assert.equal(timings(fits.kind === 'duration' ? fits.ms : 0, graceMs).kind, 'timings', refused.message);
      const [, grace] = /grace of at most (\S+)/.exec(refused.message) ?? [];
      const shorter = grace === undefined ? undefined : parseDuration(grace);
      if (shorter?.kind === 'duration') assert.equal(timings(seconds * 1000, shorter.ms).kind, 'timings', refused.message);
    }),
  );
});

test('a lease duration is a whole number of seconds, since the Lease has no room for less', () => {
  for (const ms of [0, 500, 1500, -1000]) assert.equal(timings(ms, 0).kind, 'refused', `${ms}`);
});

test('durations are written with units', () => {
  const cases: [string, number][] = [
    ['90s', 90_000],
    ['15m', 900_000],
    ['1h30m', 5_400_000],
    ['500ms', 500],
    ['0', 0],
    ['1.5s', 1500],
    [' 2m5s ', 125_000],
  ];
  for (const [text, ms] of cases) assert.deepEqual(parseDuration(text), { kind: 'duration', ms }, text);
});

test('a bare number is refused with the fix', () => {
  const result = parseDuration('90');
  assert.match(result.kind === 'refused' ? result.message : '', /"90" has no unit: write 90s or 90m/);
});

test('nonsense is refused', () => {
  for (const text of ['', 's', '5x', '5s5', '5m1h', '-5s', '1e3s', '5 s', '5ss', 'NaN', '1s1s', '9000h'])
    assert.equal(parseDuration(text).kind, 'refused', text);
  fc.assert(fc.property(fc.string(), (text) => ['refused', 'duration'].includes(parseDuration(text).kind)));
});

test('whole seconds survive being printed and read again', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 8760 * 3600 }), (seconds) => {
      const again = parseDuration(formatDuration(seconds * 1000));
      assert.deepEqual(again, { kind: 'duration', ms: seconds * 1000 });
    }),
  );
});

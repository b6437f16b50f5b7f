/** Durations as people write them, and as they are shown. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatDuration, parseDuration } from '../src/durations.ts';

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
  // Whatever it is given: an answer, and no exception.
  fc.assert(fc.property(fc.string(), (text) => void parseDuration(text)));
});

test('whole seconds survive being printed and read again', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 8760 * 3600 }), (seconds) => {
      const again = parseDuration(formatDuration(seconds * 1000));
      assert.deepEqual(again, { kind: 'duration', ms: seconds * 1000 });
    }),
  );
});

/** What `hold`, `probe`, `acquire` and `release` refuse, and what they say would work. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { EXIT } from '../../image/exit-codes.ts';
import { guard, tempFolder } from '../harness/guards.ts';

test('what can not work is refused, with what would', async (t) => {
  const dir = tempFolder(t);
  const file = join(dir, 'file');
  writeFileSync(file, '');
  const somewhere = ['--server', 'http://127.0.0.1:1', '--name', 'x'];
  const cases: [string[], number, RegExp][] = [
    [['hold', ...somewhere, '--dir', join(dir, 'none')], EXIT.configuration.code, /is not a directory: mount an emptyDir there/],
    [['hold', ...somewhere, '--dir', file], EXIT.configuration.code, /is not a directory/],
    [
      ['hold', ...somewhere, '--dir', dir, '--pod-grace', '60s', '--lease-duration', '60s'],
      EXIT.configuration.code,
      /too short for a Pod grace of 1m and 2s for each of its containers \(1\), and 5s until the kubelet knows: .* = .*at least \d+m\d+s \(/,
    ],
    [
      ['hold', ...somewhere, '--dir', dir, '--pod-grace', '6s'],
      EXIT.configuration.code,
      /no time to release the lock: set .* 7 or more/,
    ],
    [['hold', ...somewhere, '--timeout', '1s'], EXIT.usage.code, /unknown option --timeout/],
    [['acquire', ...somewhere], EXIT.usage.code, /--lease-duration is required/],
    [['acquire', ...somewhere, '--lease-duration', '5m'], EXIT.configuration.code, /--holder is required outside a Pod/],
    [['release', ...somewhere], EXIT.configuration.code, /--holder is required outside a Pod/],
    [['probe', '--status-port', '1'], 1, /not held: nothing answers on port 1: is "k8s-lease-lock hold" running/],
    [['probe', '--status-port', 'x'], EXIT.usage.code, /whole number/],
  ];
  for (const [args, code, words] of cases) {
    const ended = await guard(t, args).finished;
    assert.match(ended.stderr, words);
    assert.equal(ended.code, code, ended.stderr);
  }
});

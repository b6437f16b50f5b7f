/** What people see of locks, to the letter. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { paintFor, plain } from '../../../image/operate/colour.ts';
import type { Lock } from '../../../image/operate/locks.ts';
import { type Output, printLocks } from '../../../image/operate/print.ts';
import { age } from '../../../image/operate/table.ts';
import { parseLease } from '../../../src/protocol/document.ts';
import { reportOf } from '../../../src/protocol/report.ts';

const NOW = Date.parse('2026-01-01T12:05:00Z');
const DOMAIN = 'lease-lock.nullplatform.com';

interface Given {
  reason?: string;
  holder?: string;
  stop?: object;
  writtenAt?: string;
}

function lock({ reason = 'release 1.2', holder = 'user/runner-7/k3v9', stop, writtenAt = '12:04:56' }: Given = {}): Lock {
  const about = { who: 'ci', host: 'runner-7', reason, url: 'https://ci.example.com/7' };
  const since = '2026-01-01T12:00:00.000000Z';
  const annotations = {
    [`${DOMAIN}/lock`]: JSON.stringify({ v: 1, next: 3, stop }),
    [`holder.${DOMAIN}/000001-k3v9`]: JSON.stringify({ id: 'user/runner-7/k3v9', mark: 'm', duration: 60, since, about }),
    [`waiter.${DOMAIN}/000002-x8c1`]: JSON.stringify({ id: 'user/runner-9/x8c1', since: '2026-01-01T12:03:00Z', about: {} }),
  };
  const managedFields = [
    { manager: 'k8s-lease-lock', time: `2026-01-01T${writtenAt}Z`, fieldsV1: { 'f:spec': { 'f:renewTime': {} } } },
  ];
  const spec = {
    holderIdentity: holder,
    leaseDurationSeconds: 60,
    acquireTime: since,
    renewTime: `2026-01-01T${writtenAt}.000000Z`,
  };
  const parsed = parseLease({ metadata: { namespace: 'ci', name: 'deploy', annotations, managedFields }, spec });
  assert.ok(parsed.kind === 'state');
  return { kind: 'report', namespace: 'ci', name: 'deploy', report: reportOf(parsed.state, NOW) };
}

const print = (locks: Lock[], output: Output = 'text', namespaces = false, columns?: number) =>
  printLocks(locks, { output, single: locks.length === 1, namespaces, paint: plain, columns });

test('a lock in words', async () => {
  assert.deepEqual(await print([lock()]), [
    'Lease ci/deploy',
    'State:     Alive',
    'Holder:    user/runner-7/k3v9',
    '  Life:      alive: renewed 4s ago',
    '  Who:       ci on runner-7',
    '  Since:     2026-01-01T12:00:00Z, for 5m',
    '  Expires:   in 56s (lease of 1m)',
    '  Reason:    release 1.2',
    '  Link:      https://ci.example.com/7',
    '  Key:       000001-k3v9',
    'Queue:     1 waiting',
    '  PLACE   WAITING   PRIORITY   KEY           ID                   WHO      REASON',
    '  1       2m        0          000002-x8c1   user/runner-9/x8c1   <none>   <none>',
    'Next:      the holder releases the lock when its command has ended; then user/runner-9/x8c1 acquires it',
  ]);
});

test('on a terminal a sentence continues under its beginning, and no word is cut', async () => {
  assert.deepEqual((await print([lock()], 'text', false, 60)).slice(-2), [
    'Next:      the holder releases the lock when its command has',
    '           ended; then user/runner-9/x8c1 acquires it',
  ]);
});

test('a lock in a line, and what is not there', async () => {
  const absent: Lock = { kind: 'absent', namespace: 'ci', name: 'typo' };
  assert.deepEqual(await print([lock(), absent], 'table', true), [
    'NAMESPACE   NAME     STATE    HOLDER               HELD     RENEWED   EXPIRES   WAITING   REASON',
    'ci          deploy   Alive    user/runner-7/k3v9   5m       4s ago    56s       1         release 1.2',
    'ci          typo     Absent   <none>               <none>   <none>    <none>    <none>    <none>',
  ]);
  assert.deepEqual(await print([lock(), absent], 'name'), ['lease.coordination.k8s.io/deploy']);
  assert.match((await print([lock()], 'wide'))[1] ?? '', /release 1\.2 +ci +runner-7 +1m +https:\/\/ci\.example\.com\/7$/);
});

test('the dead, the cleared and the asked are told with what follows', async () => {
  const next = async (given: Given) => (await print([lock(given)])).at(-1);
  assert.match((await next({ writtenAt: '12:04:20' })) ?? '', /if it does not renew, the lock is free in 26s for those who/);
  assert.match(
    (await next({ writtenAt: '12:03:50' })) ?? '',
    /those who have watched it .* take the lock now; then user\/runner-9/,
  );
  assert.match(
    (await next({ writtenAt: '11:00:00' })) ?? '',
    /user\/runner-9\/x8c1 acquires the lock after it has seen for 25s that the holder is silent$/,
  );
  assert.match(
    (await next({ holder: '' })) ?? '',
    /free when the holder has removed its entry, or has been silent for its whole/,
  );
  const stop = { holder: 'user/runner-7/k3v9', by: 'ops', kind: 'unlock', reason: 'rollback', at: '2026-01-01T12:04:59Z' };
  const asked = await print([lock({ stop })]);
  assert.ok(
    asked.includes('Stop:      asked of user/runner-7/k3v9 by ops at 2026-01-01T12:04:59Z: (unlock) rollback'),
    asked.join('\n'),
  );
  assert.match(asked.at(-1) ?? '', /asked to stop by ops: it stops its command and releases the lock; then user/);
});

test('what others have written stays in its cell, whatever the format', async () => {
  for (const output of ['text', 'table', 'wide', 'json', 'yaml'] as const) {
    const text = (await print([lock({ reason: 'a\x1b[2J\nb' })], output)).join('\n');
    assert.ok(!text.includes('\x1b'), output);
  }
});

test('scripts get one object for one lock, and a list else', async () => {
  const [json = ''] = await print([lock()], 'json');
  const { name, state, holders, queue } = JSON.parse(json);
  assert.deepEqual([name, state, holders[0].renewedSecondsAgo, queue[0].place], ['deploy', 'Alive', 4, 1]);
  const [list = ''] = await print([lock(), lock()], 'json');
  assert.equal(JSON.parse(list).items.length, 2);
});

test('colours are for terminals, and not where NO_COLOR is set', () => {
  assert.equal(paintFor(true, {})('green', 'x'), '\x1b[32mx\x1b[0m');
  assert.equal(paintFor(true, { NO_COLOR: '1' })('green', 'x'), 'x');
  assert.equal(paintFor(true, { NO_COLOR: '' })('green', 'x'), '\x1b[32mx\x1b[0m', 'an empty variable is unset');
  assert.equal(paintFor(false, {})('green', 'x'), 'x');
});

test('ages are written as kubectl writes them', () => {
  const rows: [number, string][] = [
    [0, '0s'],
    [59_999, '59s'],
    [125_000, '2m5s'],
    [7_800_000, '2h10m'],
    [3 * 86_400_000 + 4 * 3_600_000, '3d4h'],
  ];
  for (const [ms, text] of rows) assert.equal(age(ms), text);
});

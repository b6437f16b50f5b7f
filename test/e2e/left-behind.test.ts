/** What a command leaves behind when it ends: stopped or waited for, and in both cases gone before the lock is released. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isRunning, tempFolder } from '../harness/guards.ts';
import { until } from '../harness/until.ts';
import { holderOf, lockName, pidsIn, run, SHORT } from './embedded.ts';

const ESCAPES: Record<string, (file: string) => string> = {
  'a child in the background': (file) => `sh -c 'echo $$ >>${file}; exec sleep 60' &`,
  'a child that ignores SIGTERM': (file) => `sh -c 'trap "" TERM; echo $$ >>${file}; sleep 60; sleep 60' &`,
  'a child in a session of its own': (file) => `setsid sh -c 'echo $$ >>${file}; exec sleep 60' &`,
  'a daemon that has left group, session and parent': (file) =>
    `sh -c "setsid sh -c 'echo \\$\\$ >>${file}; exec sleep 60' </dev/null >/dev/null 2>&1 &";`,
};

for (const [what, leave] of Object.entries(ESCAPES)) {
  test(`${what} is stopped before the lock is released`, async (t) => {
    const file = join(tempFolder(t), 'pids');
    const name = lockName();
    const script = `${leave(file)} until [ -s ${file} ]; do sleep 0.02; done; exit 4`;
    const { code, stderr } = await run(t, name, [...SHORT, '--', 'sh', '-c', script]).finished;
    assert.equal(code, 4);
    assert.match(stderr, /left \d+ processes behind: stopping them/);
    assert.deepEqual(pidsIn(file).filter(isRunning), []);
    assert.equal(await holderOf(name), '');
  });

  test(`${what} does not outlive a guard that was killed`, async (t) => {
    const file = join(tempFolder(t), 'pids');
    const alice = run(t, lockName(), [
      ...SHORT,
      '--',
      'sh',
      '-c',
      `${leave(file)} until [ -s ${file} ]; do sleep 0.02; done; echo ready; sleep 60`,
    ]);
    await alice.prints(/ready/);
    alice.kill('SIGKILL');
    await until(() => pidsIn(file).every((pid) => !isRunning(pid)), 'all of it ends');
  });
}

test('what is left behind is waited for with --orphans wait, under the lock', async (t) => {
  const file = join(tempFolder(t), 'done');
  const name = lockName();
  const alice = run(t, name, ['--orphans', 'wait', '--', 'sh', '-c', `exec 3<&0; (read line <&3; echo done >${file}) & exit 4`]);
  await alice.says(/left \d processes behind: waiting for them/);
  assert.match(await holderOf(name), /./);
  assert.equal(existsSync(file), false);
  alice.input('go\n');
  assert.equal((await alice.finished).code, 4);
  assert.equal(existsSync(file), true);
  assert.equal(await holderOf(name), '');
});

test('a second SIGTERM cuts the grace short', async (t) => {
  const alice = run(t, lockName(), [
    '--lease-duration',
    '600s',
    '--kill-grace',
    '300s',
    '--',
    'sh',
    '-c',
    `(trap '' TERM; echo ready; sleep 60; sleep 60) & wait`,
  ]);
  await alice.prints(/ready/);
  alice.kill('SIGTERM');
  await alice.says(/left \d processes behind: stopping them/);
  const startedAt = performance.now();
  alice.kill('SIGTERM');
  assert.equal((await alice.finished).signal, 'SIGTERM');
  assert.ok(performance.now() - startedAt < 20_000);
});

test('a process that carries the name of the holder in a variable of its own is none of the command', async (t) => {
  const alice = run(t, lockName(), ['--', 'sh', '-c', 'echo "as $LEASE_LOCK_HOLDER"; read end']);
  await alice.prints(/as \S+\n/);
  const [, holder = ''] = /as (\S+)/.exec(alice.stdout) ?? [];
  // Younger than the command, as a later step of the same job is.
  const later = spawn('sleep', ['600'], { env: { PATH: process.env.PATH, STATE_holder: holder }, stdio: 'ignore' });
  t.after(() => later.kill('SIGKILL'));
  alice.input('end\n');
  const { code, stderr } = await alice.finished;
  assert.equal(code, 0);
  assert.doesNotMatch(stderr, /left \d+ processes behind/);
  assert.ok(isRunning(later.pid ?? 0));
});

/** The first process of the image and of the standalone binary: nobody can tell it from the command, and it leaves nobody behind. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { test } from 'node:test';
import { install, start } from './standalone.ts';
import { compile, isAlive } from './supervised.ts';

const lock = install();
const { PATH } = process.env;
const gone = async (pid: number) => {
  while (isAlive(pid)) await new Promise((resolve) => setTimeout(resolve, 1));
};
const supervisorOf = (first: number, guard: number): number => {
  const children = readFileSync(`/proc/${first}/task/${first}/children`, 'latin1').split(' ').filter(Boolean).map(Number);
  return children.find((pid) => pid !== guard) ?? 0;
};

test('it ends with the exit code of the command', async () => {
  const ends = await Promise.all([0, 1, 7, 255].map((code) => start(lock, ['run', '--', 'sh', '-c', `exit ${code}`]).ended));
  assert.deepEqual(ends, [0, 1, 7, 255]);
});

test('it ends by the signal that ended the command', async () => {
  for (const signal of ['SIGTERM', 'SIGKILL', 'SIGINT', 'SIGSEGV', 'SIGUSR1'] as const)
    assert.equal(await start(lock, ['run', '--', 'sh', '-c', `kill -${signal.slice(3)} $$`]).ended, signal);
  const shell = start('sh', ['-c', '"$@"; echo "code $?"', 'sh', lock, 'run', '--', 'sh', '-c', 'kill -40 $$']);
  assert.equal(await shell.said('code '), String(128 + 40));
  await shell.ended;
});

test('it ends with the exit code of the guard, where the guard says so', async () => {
  assert.equal(await start(lock, ['run', '--', 'true'], { env: { PATH, SCENARIO: 'busy' } }).ended, 75);
  assert.equal(await start(lock, ['run', '--', 'sh', '-c', 'exit 5'], { env: { PATH, SCENARIO: 'own' } }).ended, 76);
  assert.equal(await start(lock, ['run', '--', 'no-such-command']).ended, 127);
});

test('a command of the guard that runs nothing takes its place', async () => {
  const alice = start(lock, ['serve'], { env: { PATH, SCENARIO: 'serve', LD_X: '1' } });
  assert.equal(await alice.said('guard '), `${alice.process.pid} K8S_LEASE_LOCK_SAVED_LD_X`);
  await alice.said('serving');
  alice.process.kill('SIGTERM');
  assert.equal(await alice.ended, 42);
});

test('what the environment holds for the command is kept from the guard, and is the command’s', async () => {
  const env = { PATH, LD_X: '1', NODE_EXTRA: 'a', UV_Y: 'b', SSL_CERT_FILE: 'c', OTHER: '\xff' };
  const alice = start('sh', ['-c', 'BYTES=$(printf "\\377\\376") exec "$0" "$@"', lock, 'run', '--', '/usr/bin/env'], { env });
  const names = ['LD_X', 'NODE_EXTRA', 'SSL_CERT_FILE', 'UV_Y'].map((name) => `K8S_LEASE_LOCK_SAVED_${name}`);
  assert.match(await alice.said('guard '), new RegExp(`^\\d+ ${[...names, 'K8S_LEASE_LOCK_SUPERVISOR'].join()}$`));
  assert.equal(await alice.ended, 0);
  const lines = alice.output().split('\n');
  for (const expected of ['LD_X=1', 'NODE_EXTRA=a', 'UV_Y=b', 'SSL_CERT_FILE=c', 'BYTES=\xff\xfe', 'LEASE_LOCK_NAME=x'])
    assert.ok(lines.includes(expected), expected);
  assert.ok(!alice.output().includes('K8S_LEASE_LOCK_'));
});

const echo = compile(
  'echo',
  `#include <stdio.h>\n#include <string.h>\nint main(int c, char **v) { size_t n = 0; for (int i = 1; i < c; i++) n += strlen(v[i]); printf("%d %zu %s", c, n, v[1]); return 0; }`,
);

const fill = compile(
  'fill',
  `#include <stdlib.h>
#include <unistd.h>
int main(int c, char **v) {
  char **all = calloc(sysconf(_SC_ARG_MAX) / 8, sizeof *all);
  for (int i = 1; i < c; i++) all[i - 1] = v[i];
  for (int n = sysconf(_SC_ARG_MAX) / 16; n > 0; n -= 100) {
    for (int i = c - 1; i < n; i++) all[i] = "1000000";
    all[n] = 0;
    execv(all[0], all);
  }
}`,
);

test('arguments arrive byte for byte, and however many', async () => {
  const alice = start('sh', ['-c', `exec "$0" run -- ${echo} "$(printf '\\377\\001\\n\\303')"`, lock]);
  assert.equal(await alice.ended, 0);
  assert.equal(alice.output(), '2 4 \xff\x01\n\xc3');
  // As many as the system allows: the guard's own environment is too much for it, which the command does not notice.
  const kept = Object.fromEntries(Array.from({ length: 200 }, (_, index) => [`LD_${index}`, '']));
  const many = start(fill, [lock, 'run', '--', echo], { env: { PATH, ...kept } });
  assert.equal(await many.ended, 0, many.errors().slice(0, 1000));
  const [, count = '', size = ''] = /^(\d+) (\d+) 1000000$/.exec(many.output()) ?? [];
  assert.ok(Number(count) > 100_000, count);
  assert.equal(Number(size), (Number(count) - 1) * 7);
});

test('signals to it reach the command: those that end through the guard, all others directly', async () => {
  const alice = start(lock, [
    'run',
    '--',
    'bash',
    '-c',
    'for n in $(seq 1 64); do trap "echo got $n." $n; done 2>/dev/null; echo listening; while :; do sleep 0.01; done',
  ]);
  await alice.said('listening');
  for (const signal of [
    constants.signals.SIGHUP,
    constants.signals.SIGINT,
    constants.signals.SIGQUIT,
    constants.signals.SIGTERM,
    constants.signals.SIGUSR1,
    constants.signals.SIGUSR2,
    constants.signals.SIGALRM,
    constants.signals.SIGWINCH,
    35,
    50,
    64,
  ]) {
    process.kill(alice.process.pid ?? 0, signal);
    await alice.said(`got ${signal}.`);
  }
  for (const name of ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM']) assert.ok(alice.errors().includes(`guard got ${name}`));
  assert.ok(!alice.errors().includes('guard got SIGUSR'));
  process.kill(alice.process.pid ?? 0, 'SIGKILL');
  await alice.ended;
});

test('a signal that the caller ignores does not reach the guard', async () => {
  const alice = start('sh', [
    '-c',
    'trap "" HUP; exec "$@"',
    'sh',
    lock,
    'run',
    '--',
    'sh',
    '-c',
    'trap "echo got term" TERM; echo listening; while :; do sleep 0.01; done',
  ]);
  await alice.said('listening');
  alice.process.kill('SIGHUP');
  alice.process.kill('SIGTERM');
  await alice.said('got term');
  assert.ok(!alice.errors().includes('guard got SIGHUP'));
  alice.process.kill('SIGKILL');
  await alice.ended;
});

const stubborn = ['sh', '-c', 'trap "" TERM; setsid sleep 1000 & echo left $!; echo runs $$; while :; do sleep 1000; done'];

test('a guard that is killed takes the command with it, and the caller sees its end', async () => {
  const alice = start(lock, ['run', '--', ...stubborn]);
  const pid = Number(await alice.said('runs '));
  process.kill(Number((await alice.said('guard ')).split(' ')[0]), 'SIGKILL');
  assert.equal(await alice.ended, 'SIGKILL');
  assert.ok(!isAlive(pid) && !isAlive(Number(await alice.said('left '))));
});

test('a guard that is stopped does not keep the command from its deadline', async () => {
  const alice = start(lock, ['run', '--', ...stubborn], { env: { PATH, DEADLINE_MS: '1500' } });
  const pid = Number(await alice.said('runs '));
  const guard = Number((await alice.said('guard ')).split(' ')[0]);
  process.kill(guard, 'SIGSTOP');
  await gone(pid);
  process.kill(guard, 'SIGCONT');
  assert.equal(await alice.ended, 'SIGKILL');
});

test('a supervisor that is killed leaves nothing of the command, and the guard learns of it when nothing is left', async () => {
  const alice = start(lock, ['run', '--', ...stubborn]);
  const pid = Number(await alice.said('runs '));
  const left = Number(await alice.said('left '));
  const guard = Number((await alice.said('guard ')).split(' ')[0]);
  process.kill(supervisorOf(alice.process.pid ?? 0, guard), 'SIGKILL');
  await alice.said('supervisor gone');
  assert.ok(!isAlive(pid) && !isAlive(left));
  assert.equal(await alice.ended, 0);
});

test('if it is killed itself, the supervisor terminates the command, and tells the guard', async () => {
  const alice = start(lock, ['run', '--', ...stubborn]);
  const pid = Number(await alice.said('runs '));
  alice.process.kill('SIGKILL');
  await alice.said('callerGone');
  await alice.said('{"kind":"allGone"}');
  assert.ok(!isAlive(pid));
});

test('before the command has started, its end is told to the guard as well', async () => {
  const alice = start(lock, ['run', '--', 'true'], { env: { PATH, SCENARIO: 'wait' } });
  await alice.said('"ready"');
  process.kill(alice.process.pid ?? 0, 40);
  await alice.said('heard {"kind":"signal","signal":40');
  alice.process.kill('SIGKILL');
  await alice.said('callerGone');
});

const canUnshare = process.getuid?.() === 0;
test('as process 1 it reaps orphans, passes signals on, and ends with 128 + n', {
  skip: !canUnshare && 'needs root',
}, async () => {
  const unshared = ['-pf', '--kill-child', '--mount-proc', lock, 'run', '--'];
  assert.equal(await start('unshare', [...unshared, 'sh', '-c', 'exit 9']).ended, 9);
  assert.equal(await start('unshare', [...unshared, 'sh', '-c', 'kill -TERM $$']).ended, 143);
  // A stranger that is left to process 1, as by an exec into the container.
  const alice = start('unshare', [...unshared, 'sh', '-c', 'echo listening; read x; exit 4'], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  await alice.said('listening');
  const first = Number(readFileSync(`/proc/${alice.process.pid}/task/${alice.process.pid}/children`, 'latin1'));
  const stranger = start('nsenter', ['-t', String(first), '-p', '-m', 'sh', '-c', 'sleep 0.1 & exit 0']);
  await stranger.ended;
  // Only guard and supervisor remain.
  const children = () => readFileSync(`/proc/${first}/task/${first}/children`, 'latin1').split(' ').filter(Boolean);
  while (children().length > 2) await new Promise((resolve) => setTimeout(resolve, 5));
  process.kill(first, 'SIGTERM');
  await alice.said('guard got SIGTERM');
  assert.equal(await alice.ended, 143);
  const serving = start('unshare', ['-pf', '--kill-child', '--mount-proc', lock, 'serve'], { env: { PATH, SCENARIO: 'serve' } });
  await serving.said('serving');
  process.kill(Number(readFileSync(`/proc/${serving.process.pid}/task/${serving.process.pid}/children`, 'latin1')), 'SIGTERM');
  assert.equal(await serving.ended, 42);
});

test('in a process namespace below the table of another one, everything is found all the same', {
  skip: !canUnshare && 'needs root',
}, async () => {
  const alice = start(
    'unshare',
    ['-pf', '--kill-child', lock, 'run', '--', 'sh', '-c', 'trap "" TERM; echo runs; exec sleep 1000'],
    { env: { PATH, DEADLINE_MS: '500' } },
  );
  await alice.said('runs');
  await alice.said('{"kind":"allGone"}');
  assert.equal(await alice.ended, 137);
});

/** How a command starts under the supervisor, and how its end is told. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { test } from 'node:test';
import { PROTOCOL_VERSION } from '../../../src/guard/supervisor/protocol.ts';
import * as programs from '../../harness/programs.ts';
import { compile, runToEnd, supervise, tempFile } from './supervised.ts';

const { errno } = constants;

test('every exit code is reported', async () => {
  for (let first = 0; first < 256; first += 16) {
    const codes = Array.from({ length: 16 }, (_, index) => first + index);
    const ends = await Promise.all(codes.map((code) => runToEnd(['sh', '-c', `exit ${code}`])));
    assert.deepEqual(
      ends.map(({ end }) => end),
      codes.map((code) => ({ kind: 'exited', code, left: 0 })),
    );
  }
});

const die = programs.die();

const IGNORED_BY_DEFAULT = [
  constants.signals.SIGCHLD,
  constants.signals.SIGCONT,
  constants.signals.SIGURG,
  constants.signals.SIGWINCH,
];
const STOPPING = [constants.signals.SIGSTOP, constants.signals.SIGTSTP, constants.signals.SIGTTIN, constants.signals.SIGTTOU];

test('death by each signal is reported as death by that signal', async () => {
  const deadly = Array.from({ length: 64 }, (_, index) => index + 1).filter(
    (n) => ![...IGNORED_BY_DEFAULT, ...STOPPING].includes(n),
  );
  for (let first = 0; first < deadly.length; first += 14) {
    const signals = deadly.slice(first, first + 14);
    const ends = await Promise.all(signals.map((signal) => runToEnd([die, String(signal)])));
    assert.deepEqual(
      ends.map(({ end }) => end),
      signals.map((signal) => ({ kind: 'killed', signal, left: 0 })),
    );
  }
});

test('stopping and continuing are reported, and do not end anything', async () => {
  // The kernel forgets a continuation that is not asked for before the end: this command outlives it.
  const alice = supervise(['sh', '-c', 'kill -STOP $$; echo resumed; exec sleep 1000']);
  const started = await alice.run();
  assert.equal(started.kind, 'started');
  assert.deepEqual(await alice.next('stopped'), { kind: 'stopped', signal: constants.signals.SIGSTOP });
  alice.send({ kind: 'signal', signal: constants.signals.SIGCONT, unlessGroupHadIt: false });
  await alice.next('continued');
  await alice.said('resumed');
  alice.send({ kind: 'signal', signal: constants.signals.SIGTERM, unlessGroupHadIt: false });
  await alice.next('allGone');
  alice.send({ kind: 'end', callerSees: 'endOfCommand' });
  assert.equal(await alice.ended, 0);
});

const catcher = compile(
  'catcher',
  `#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(void) {
  unsigned long all = ~0UL;
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, 0, 8);
  puts("ready");
  fflush(stdout);
  for (;;) {
    siginfo_t info;
    unsigned long wanted = ~0UL;
    int n = syscall(SYS_rt_sigtimedwait, &wanted, &info, 0, 8);
    if (n <= 0) continue;
    printf("got %d.\\n", n);
    fflush(stdout);
    if (n == 64) return 0;
  }
}`,
);

test('each signal from 1 to 64 that can be caught is passed on', async () => {
  const alice = supervise([catcher]);
  await alice.run();
  await alice.said('ready');
  const { SIGKILL, SIGSTOP } = constants.signals;
  for (let signal = 1; signal <= 64; signal++) {
    if (signal === SIGKILL || signal === SIGSTOP) continue;
    alice.send({ kind: 'signal', signal, unlessGroupHadIt: false });
    await alice.said(`got ${signal}.`);
  }
  assert.deepEqual(await alice.next('exited'), { kind: 'exited', code: 0, left: 0 });
  alice.send({ kind: 'end', callerSees: 'endOfCommand' });
  await alice.ended;
});

test('nothing of the command runs before the word to start', async () => {
  const alice = supervise(['sh', '-c', 'echo has run']);
  alice.send({ kind: 'hello', version: PROTOCOL_VERSION }, { kind: 'prepare', index: 0, graceMs: 0 });
  const { pid } = await alice.next('ready');
  alice.send({ kind: 'clock' });
  await alice.next('clock');
  assert.equal(alice.output(), '');
  alice.send({ kind: 'start', environment: {} });
  assert.deepEqual(await alice.next('started'), { kind: 'started', pid });
  await alice.said('has run');
  await alice.next('allGone');
  alice.send({ kind: 'end', callerSees: 'endOfCommand' });
  await alice.ended;
});

test('a prepared command that is not wanted any more never runs, and nothing of it is left', async () => {
  const alice = supervise(['sh', '-c', 'echo has run']);
  alice.send({ kind: 'hello', version: PROTOCOL_VERSION }, { kind: 'prepare', index: 0, graceMs: 0 });
  await alice.next('ready');
  alice.send({ kind: 'end', callerSees: 'exitCodeOfGuard' });
  assert.equal(await alice.ended, 0);
  assert.equal(alice.output(), '');
});

test('a command that can not start is reported before the lock would be waited for', async () => {
  const folder = tempFile('bin');
  mkdirSync(folder);
  writeFileSync(`${folder}/forbidden`, '#!/bin/sh\n', { mode: 0o644 });
  writeFileSync(`${folder}/interpreter`, '#!/no/such/interpreter\n', { mode: 0o755 });
  const cases: [command: string, error: number][] = [
    ['no-such-command', errno.ENOENT],
    ['/no/such/file', errno.ENOENT],
    ['', errno.ENOENT],
    ['/etc/passwd/x', errno.ENOTDIR],
    [folder, errno.EACCES],
    [`${folder}/forbidden`, errno.EACCES],
    ['forbidden', errno.EACCES],
    [`${folder}/interpreter`, errno.ENOENT],
    [`/${'x'.repeat(300)}`, errno.ENAMETOOLONG],
    ['x'.repeat(300), errno.ENAMETOOLONG],
  ];
  for (const [command, error] of cases) {
    const alice = supervise([command], { env: { PATH: `/nowhere:${folder}:/usr/bin:/bin` } });
    alice.send({ kind: 'hello', version: PROTOCOL_VERSION }, { kind: 'prepare', index: 0, graceMs: 0 });
    assert.deepEqual(await alice.next('cannotStart'), { kind: 'cannotStart', errno: error }, command);
    alice.send({ kind: 'end', callerSees: 'exitCodeOfGuard' });
    assert.equal(await alice.ended, 0);
  }
});

test('what only exec can find out is reported as well', async () => {
  const broken = tempFile('broken');
  writeFileSync(broken, Buffer.concat([Buffer.from('\x7fELF\x02\x01\x01', 'latin1'), Buffer.alloc(200)]), { mode: 0o755 });
  // No format that the kernel knows is a script for sh, which says what it thinks of it: as under env.
  const { end } = await runToEnd([broken], { stderr: 'pipe' });
  assert.ok(end.kind === 'exited' && (end.code === 126 || end.code === 127 || end.code === 2), JSON.stringify(end));
  const big = await runToEnd(['true'], {
    around: ['sh', '-c', 'ulimit -s 512; exec "$@"', 'sh'],
    environment: { LEASE_LOCK_NAME: 'x'.repeat(60_000) },
    env: { PATH: process.env.PATH, FILL: 'x'.repeat(100_000) },
  });
  assert.deepEqual(big.end, { kind: 'cannotStart', errno: errno.E2BIG });
});

test('a script without an interpreter runs in sh, as under env', async () => {
  const script = tempFile('plain');
  writeFileSync(script, 'echo "$0 $1"; exit 7\n', { mode: 0o755 });
  const { end, output } = await runToEnd([script, 'argument']);
  assert.deepEqual([end, output], [{ kind: 'exited', code: 7, left: 0 }, `${script} argument\n`]);
});

test('additions to the environment are added, or take the place of what has the same name', async () => {
  const { output } = await runToEnd(['/usr/bin/env'], {
    env: { A: '1', AB: '2', LEASE_LOCK_NAME: 'old' },
    environment: { LEASE_LOCK_NAME: 'new', B: '' },
  });
  assert.equal(output, 'A=1\nAB=2\nLEASE_LOCK_NAME=new\nB=\n');
});

test('a start that comes after its deadline does not happen', async () => {
  const alice = supervise(['sh', '-c', 'echo has run']);
  const { nowMs } = await alice.next('hello');
  const answer = await alice.run({ terminateAtMs: nowMs - 1, killAtMs: nowMs });
  assert.deepEqual(answer, { kind: 'cannotStart', errno: errno.ETIMEDOUT });
  alice.send({ kind: 'end', callerSees: 'exitCodeOfGuard' });
  assert.equal(await alice.ended, 0);
  assert.equal(alice.output(), '');
});

test('a prepared command that somebody kills is reported, and does not hang anything', async () => {
  const alice = supervise(['true']);
  alice.send({ kind: 'hello', version: PROTOCOL_VERSION }, { kind: 'prepare', index: 0, graceMs: 0 });
  process.kill((await alice.next('ready')).pid, 'SIGKILL');
  assert.deepEqual(await alice.next('cannotStart'), { kind: 'cannotStart', errno: errno.ECHILD });
  alice.send({ kind: 'start', environment: {} }, { kind: 'end', callerSees: 'exitCodeOfGuard' });
  assert.equal(await alice.ended, 0);
});

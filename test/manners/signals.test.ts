/** Signals: each that can be caught reaches the command, whoever ends by one is seen to end by it, and a shell loop ends with Ctrl-C. */
import assert from 'node:assert/strict';
import { constants } from 'node:os';
import { test } from 'node:test';
import * as programs from '../harness/programs.ts';
import { flock, run, start } from './standalone.ts';

const { SIGKILL, SIGSTOP, SIGCHLD, SIGCONT, SIGURG, SIGWINCH, SIGTSTP, SIGTTIN, SIGTTOU } = constants.signals;
const all = Array.from({ length: 64 }, (_, index) => index + 1);

test('each signal from 1 to 64 that can be caught reaches the command, and does nothing else', async () => {
  const catches = programs.compile(
    'catches',
    `#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>
int main() {
  unsigned long every = ~0UL;
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &every, 0, 8);
  printf("ready\\n");
  fflush(stdout);
  for (;;) {
    siginfo_t info;
    int n = syscall(SYS_rt_sigtimedwait, &every, &info, 0, 8);
    if (n == SIGCHLD && info.si_code > 0) continue;
    printf("caught %d.\\n", n);
    fflush(stdout);
    if (n == SIGTERM) return 5;
  }
}`,
  );
  const alice = start([...run(), catches]);
  await alice.said('ready');
  for (const number of all.filter((n) => ![SIGKILL, SIGSTOP, constants.signals.SIGTERM].includes(n))) {
    process.kill(alice.process.pid ?? 0, number);
    await alice.said(`caught ${number}.`);
  }
  process.kill(alice.process.pid ?? 0, 'SIGTERM');
  assert.equal(await alice.ended, 5);
  for (const number of all.filter((n) => ![SIGKILL, SIGSTOP].includes(n)))
    assert.equal(alice.output().split(`caught ${number}.`).length, 2, `signal ${number} once`);
});

test('whatever signal ends the command, the caller sees that signal', async () => {
  const die = programs.die();
  const deadly = all.filter((n) => ![SIGCHLD, SIGCONT, SIGURG, SIGWINCH, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU].includes(n));
  const parent = programs.compile(
    'parent',
    `#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
int main(int c, char **v) {
  int status;
  if (!fork()) { execvp(v[1], v + 1); _exit(99); }
  wait(&status);
  printf("%s %d%s\\n", WIFSIGNALED(status) ? "signal" : "code", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
         WIFSIGNALED(status) && WCOREDUMP(status) ? " core" : "");
  return 0;
}`,
  );
  for (let first = 0; first < deadly.length; first += 8) {
    await Promise.all(
      deadly.slice(first, first + 8).map(async (number) => {
        const alice = start([parent, ...run(), die, String(number)]);
        await alice.ended;
        assert.equal(alice.output(), `signal ${number}\n`);
      }),
    );
  }
  const exits = start([parent, ...run(), 'sh', '-c', 'exit 130']);
  await exits.ended;
  assert.equal(exits.output(), 'code 130\n');
});

test('a shell’s loop ends with its command’s SIGINT: under the guard as without one, where flock makes a number of it', async () => {
  const rounds = async (wrap: string[]) => {
    const script = 'for i in 1 2 3; do "$@" sh -c "echo round; kill -INT \\$\\$"; done; echo went on';
    // The shell asks whether it was told itself as well: as from a terminal.
    const alice = start(['bash', '--norc', '-c', `trap 'exit 130' INT; ${script}`, 'bash', ...wrap]);
    await alice.ended;
    return alice.output().split('round').length - 1;
  };
  const direct = await rounds(['env']);
  assert.equal(await rounds(run()), direct);
});

test('nohup has its effect: SIGHUP ends neither guard nor command', async () => {
  for (const wrap of [run(), flock()]) {
    const alice = start(['nohup', ...wrap, 'sh', '-c', 'echo ready; read line; echo got $line']);
    await alice.said('ready');
    alice.process.kill('SIGHUP');
    alice.type('on\n');
    await alice.said('got on');
    assert.equal(await alice.ended, 0);
  }
});

test('a second SIGTERM ends the grace', async () => {
  const alice = start([
    ...run('--lease-duration', '600s', '--kill-grace', '300s'),
    'sh',
    '-c',
    '(trap "" TERM; echo ready; sleep 100; sleep 100) & wait',
  ]);
  await alice.said('ready');
  alice.process.kill('SIGTERM');
  // The command itself has ended when the guard says so in the lock's events; a second signal any time later.
  const again = setInterval(() => alice.process.kill('SIGTERM'), 50);
  assert.equal(await alice.ended, 'SIGTERM');
  clearInterval(again);
});

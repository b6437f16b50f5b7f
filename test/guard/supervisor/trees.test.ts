/**
 * Random trees of processes on the real kernel: "all gone" means gone. Each process holds the command's standard output, whatever else it leaves, so that
 * the kernel itself says by its end whether one is left. TREES and TREES_SEED make it a long run.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { randomOf } from '../../simulation/random.ts';
import { compile, type SuperviseOptions, supervise } from './supervised.ts';

const COUNT = Number(process.env.TREES ?? 200);
const FIRST = Number(process.env.TREES_SEED ?? 1);
/** Far more than the end of a pipe takes to arrive, far less than what is missed goes on for. */
const SOON_MS = 1000;

const tree = compile(
  'tree',
  `#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>
static char *self;
static unsigned seed;
static unsigned below(unsigned n) { return rand_r(&seed) % n; }
static void live(int budget);
static void *thread(void *budget) { live((int)(long)budget); _exit(0); }
static void again(int budget) {
  char a[16], b[16];
  snprintf(a, sizeof a, "%u", rand_r(&seed));
  snprintf(b, sizeof b, "%d", budget);
  execl(self, self, a, b, (char *)0);
  _exit(9);
}
static void live(int budget) {
  for (int steps = 12; steps > 0; steps--) {
    switch (below(10)) {
      case 0: case 1: case 2:
        if (budget < 2) break;
        budget /= 2;
        if (fork() == 0) { seed ^= 0x9e3779b9u * getpid(); steps = 12; }
        break;
      case 3: setsid(); break;
      case 4: usleep(below(3000)); break;
      case 5: signal(SIGTERM, SIG_IGN); break;
      case 6: if (below(3) == 0) again(budget); break;
      case 7: if (below(4) == 0) _exit(0); break;
      case 8:
        if (below(4) == 0) {
          pthread_t t;
          if (pthread_create(&t, 0, thread, (void *)(long)budget) == 0) pthread_exit(0);
        }
        break;
      case 9:
        if (below(4) == 0 && getuid() == 0) setresuid(65534, 65534, 65534);
        else if (below(4) == 0) prctl(PR_SET_DUMPABLE, 0);
        else if (below(4) == 0) clearenv();
        break;
    }
  }
  if (below(2)) usleep(below(20000));
  else sleep(8);
  _exit(0);
}
int main(int c, char **v) {
  self = v[0];
  seed = atoi(v[1]);
  live(atoi(v[2]));
}`,
);

async function play(seed: number, options: SuperviseOptions): Promise<void> {
  const random = randomOf(seed, 'tree');
  const alice = supervise([tree, String(seed), '40'], options);
  const closed = once(alice.process.stdout ?? assert.fail(), 'end');
  const started = await alice.run({ graceMs: random.pick([0, 5, 30]) });
  assert.equal(started.kind, 'started');
  const told = sleep(random.between(0, 30)).then(() => alice.send({ kind: 'terminate', graceMs: random.pick([0, 10]) }));
  await alice.next('allGone');
  const late = sleep(SOON_MS, 'late' as const);
  assert.notEqual(await Promise.race([closed, late]), 'late', `tree ${seed}: something lives although all is gone`);
  await told;
  alice.send({ kind: 'end', callerSees: 'exitCodeOfGuard' });
  assert.equal(await alice.ended, 0);
}

async function playAll(count: number, options: SuperviseOptions): Promise<void> {
  for (let seed = FIRST; seed < FIRST + count; seed += 8) {
    const some = Array.from({ length: Math.min(8, FIRST + count - seed) }, (_, i) => seed + i);
    await Promise.all(some.map((each) => play(each, options)));
  }
}

test(`${COUNT} random trees of processes: when all is said to be gone, nothing is left`, () => playAll(COUNT, {}));

/** Below it there are three hundred process ids. It keeps nothing of the command open itself. */
const inNamespace = () =>
  compile(
    'namespace',
    `#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
int main(int c, char **v) {
  int status;
  if (unshare(CLONE_NEWPID | CLONE_NEWNS)) return 90;
  pid_t pid = fork();
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (mount(0, "/", 0, MS_REC | MS_PRIVATE, 0) || mount("proc", "/proc", "proc", 0, 0)) _exit(91);
    int most = open("/proc/sys/kernel/pid_max", O_WRONLY);
    if (write(most, "301", 3) != 3) _exit(92);
    close(most);
    execvp(v[1], v + 1);
    _exit(93);
  }
  for (int fd = 0; fd < 10; fd++) close(fd);
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 94;
}`,
  );

test(
  'the same where process ids are used again after three hundred',
  {
    skip: process.getuid?.() !== 0 && !process.env.CI && 'a process namespace takes root',
  },
  () => playAll(COUNT / 4, { around: [inNamespace()] }),
);

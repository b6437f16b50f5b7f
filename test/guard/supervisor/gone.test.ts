/** Whatever a command leaves behind is found, and nothing of it outlives its deadline or its guard. */
import assert from 'node:assert/strict';
import { chmodSync, copyFileSync, rmSync } from 'node:fs';
import { constants } from 'node:os';
import { test } from 'node:test';
import { buildSupervisor, compile, isAlive, SUPERVISOR, type Supervised, supervise } from './supervised.ts';

const { SIGKILL } = constants.signals;
const end = { kind: 'end', callerSees: 'endOfCommand' } as const;

/** A daemon: parent, group, session and environment are left, then it lives for a while. Its pid is its only output. */
const hop = compile(
  'hop',
  `#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <signal.h>
#include <fcntl.h>
int main(int c, char **v) {
  if (fork()) return 0;
  setsid();
  clearenv();
  usleep(atoi(v[1]));
  if (fork()) _exit(0);
  signal(SIGTERM, SIG_IGN);
  printf("%d\\n", getpid());
  fflush(stdout);
  usleep(atoi(v[2]));
  return 0;
}`,
);

/** Each process forks another one and ends, ignoring SIGTERM, in a session of its own; not for ever, in case that nothing stops them. */
const chain = compile(
  'chain',
  `#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>
int main(void) {
  time_t last = time(0) + 15;
  signal(SIGTERM, SIG_IGN);
  for (int i = 0; i < 3; i++) if (!fork()) break;
  puts("runs");
  fflush(stdout);
  while (time(0) < last) {
    usleep(200);
    if (fork()) _exit(0);
    setsid();
  }
}`,
);

async function gone(pid: number, supervised: Supervised): Promise<void> {
  await supervised.next('allGone');
  assert.ok(!isAlive(pid));
}

test('a daemon that has left parents, group, session and environment is never missed', async () => {
  for (let round = 0; round < 20; round++) {
    await Promise.all(
      [0, 100, 300, 600, 1000, 2000, 3000, 4000, 6000, 8000].map(async (delay) => {
        const alice = supervise([hop, String(delay), '30000']);
        await alice.run({ orphans: 'wait' });
        const exited = await alice.next('exited');
        assert.ok(exited.left > 0, `missed after ${delay} microseconds`);
        await alice.said('\n');
        await gone(Number(alice.output()), alice);
        alice.send(end);
        await alice.ended;
      }),
    );
  }
});

test('a daemon that ignores SIGTERM is killed after the grace', async () => {
  const alice = supervise([hop, '0', '100000000']);
  await alice.run({ graceMs: 50, orphans: 'wait' });
  await alice.said('\n');
  assert.ok((await alice.next('exited')).left > 0);
  alice.send({ kind: 'orphans', policy: 'stop' });
  assert.deepEqual(await alice.next('terminating'), { kind: 'terminating', reason: 'leftBehind' });
  await alice.next('allGone');
  assert.ok(!isAlive(Number(alice.output())));
  alice.send(end);
  await alice.ended;
});

test('processes that are left behind are waited for, until the guard changes its mind', async () => {
  const alice = supervise([hop, '0', '100000000']);
  await alice.run({ orphans: 'wait', graceMs: 0 });
  await alice.next('exited');
  alice.send({ kind: 'clock' });
  await alice.next('clock');
  assert.ok(!alice.messages.some(({ kind }) => kind === 'terminating' || kind === 'allGone'));
  alice.send({ kind: 'orphans', policy: 'stop' });
  await alice.next('allGone');
  alice.send(end);
  await alice.ended;
});

for (const [name, flags] of [
  ['', undefined],
  [', where the kernel does not tell the children of a process', '-DWITHOUT_PROC=1'],
] as const) {
  test(`chains of processes that ignore SIGTERM and fork faster than a look are killed${name}`, async () => {
    const supervisor = flags && buildSupervisor(`supervisor${flags}`, '-O2', flags);
    const alice = supervise([chain], supervisor ? { supervisor } : {});
    await alice.run({ graceMs: 20 });
    await alice.said('runs');
    alice.send({ kind: 'terminate', graceMs: 20 });
    await alice.next('allGone');
    alice.send(end);
    assert.equal(await alice.ended, 0);
  });
}

test('where orphans are not adopted, the group of the command is waited for and killed', async () => {
  const alice = supervise(['sh', '-c', 'sh -c "trap \'\' TERM; echo runs; exec sleep 1000" & read line'], {
    supervisor: buildSupervisor('supervisor-without-subreaper', '-O2', '-DWITHOUT_SUBREAPER'),
    around: ['setsid', '-w'],
    stdin: 'pipe',
  });
  assert.equal((await alice.next('hello')).findsAll, false);
  await alice.run({ graceMs: 10, orphans: 'wait' });
  await alice.said('runs');
  alice.process.stdin?.end('x\n');
  assert.ok((await alice.next('exited')).left > 0);
  alice.send({ kind: 'clock' });
  await alice.next('clock');
  assert.ok(!alice.messages.some(({ kind }) => kind === 'allGone'));
  alice.send({ kind: 'terminate', graceMs: 10 });
  await alice.next('allGone');
  alice.send(end);
  assert.equal(await alice.ended, 0);
});

test('without any table of processes, those that are left behind are killed as well', async () => {
  const alice = supervise([hop, '0', '100000000'], {
    supervisor: buildSupervisor('supervisor-without-proc', '-O2', '-DWITHOUT_PROC=2'),
  });
  await alice.run({ graceMs: 0 });
  await alice.next('allGone');
  alice.send(end);
  assert.equal(await alice.ended, 0);
});

test('a process whose main thread has ended is not gone', async () => {
  const headless = compile(
    'headless',
    `#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>
void *work(void *_) { puts("works"); fflush(stdout); for (;;) pause(); }
int main(void) { pthread_t t; signal(SIGTERM, SIG_IGN); pthread_create(&t, 0, work, 0); pthread_exit(0); }`,
  );
  const alice = supervise([headless]);
  await alice.run();
  await alice.said('works');
  alice.send({ kind: 'clock' });
  await alice.next('clock');
  assert.ok(!alice.messages.some(({ kind }) => kind === 'exited' || kind === 'allGone'));
  alice.send({ kind: 'terminate', graceMs: 10 });
  assert.equal((await alice.next('killed')).signal, SIGKILL);
  await alice.next('allGone');
  alice.send(end);
  await alice.ended;
});

test('children that another thread has forked are found', async () => {
  const threads = compile(
    'threads',
    `#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>
void *work(void *_) { if (!fork()) { setsid(); signal(SIGTERM, SIG_DFL); printf("works %d\\n", getpid()); fflush(stdout); for (;;) pause(); } for (;;) pause(); }
int main(void) { pthread_t t; signal(SIGTERM, SIG_IGN); pthread_create(&t, 0, work, 0); for (;;) pause(); }`,
  );
  const alice = supervise([threads]);
  await alice.run();
  await alice.said('works');
  // The parent lives on: it is by the look alone that the child is found.
  alice.send({ kind: 'terminate', graceMs: 1_000_000 });
  const child = Number(/works (\d+)/.exec(alice.output())?.[1]);
  while (isAlive(child)) await new Promise((resolve) => setImmediate(resolve));
  alice.send({ kind: 'terminate', graceMs: 0 });
  await alice.next('allGone');
  alice.send(end);
  await alice.ended;
});

const root = process.getuid?.() === 0;
test('what can not be killed is reported with its user, and is waited for', {
  skip: !root && 'needs root, to make a setuid program',
}, async () => {
  const held = compile(
    'held',
    `#include <stdio.h>\n#include <unistd.h>\nint main(void) { setresuid(0, 0, 0); puts("runs"); fflush(stdout); char c; read(0, &c, 1); return 5; }`,
  );
  const setuid = '/var/tmp/supervisor-setuid-test';
  copyFileSync(held, setuid);
  chmodSync(setuid, 0o4755);
  const supervisor = '/var/tmp/supervisor-ordinary-test';
  copyFileSync(SUPERVISOR, supervisor);
  chmodSync(supervisor, 0o755);
  try {
    const around = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--'];
    const alice = supervise([setuid], { around, supervisor, stdin: 'pipe', cwd: '/' });
    const started = await alice.run();
    assert.ok(started.kind === 'started', JSON.stringify(started));
    await alice.said('runs');
    alice.send({ kind: 'terminate', graceMs: 0 });
    assert.deepEqual(await alice.next('cannotKill'), { kind: 'cannotKill', pid: started.pid, uid: 0 });
    for (let asked = 0; asked < 5; asked++) {
      alice.send({ kind: 'clock' });
      await alice.next('clock');
    }
    assert.ok(isAlive(started.pid));
    assert.ok(!alice.messages.some(({ kind }) => kind === 'allGone' || kind === 'exited'));
    alice.process.stdin?.end('x');
    assert.equal((await alice.next('exited')).code, 5);
    await alice.next('allGone');
    assert.equal(alice.messages.filter(({ kind }) => kind === 'cannotKill').length, 1);
    alice.send(end);
    await alice.ended;
  } finally {
    rmSync(setuid);
    rmSync(supervisor);
  }
});

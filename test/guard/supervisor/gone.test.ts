/** Whatever a command leaves behind is found, and nothing of it outlives its deadline or its guard. */
import assert from 'node:assert/strict';
import { chmodSync, copyFileSync, rmSync } from 'node:fs';
import { constants } from 'node:os';
import { test } from 'node:test';
import { buildSupervisor, compile, isAlive, SUPERVISOR, type Supervised, supervise } from './supervised.ts';

const { SIGKILL, SIGTERM } = constants.signals;
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

const stubborn = ['sh', '-c', 'trap "" TERM; echo runs $$; while :; do sleep 1000; done'];

test('terminate is SIGTERM, then SIGKILL after the grace', async () => {
  const alice = supervise(stubborn);
  await alice.run();
  await alice.said('runs');
  alice.send({ kind: 'terminate', graceMs: 30 });
  assert.deepEqual(await alice.next('terminating'), { kind: 'terminating', reason: 'asked' });
  assert.equal((await alice.next('killed')).signal, SIGKILL);
  alice.send(end);
  await alice.ended;

  const bob = supervise(['sh', '-c', 'echo runs; exec sleep 1000']);
  await bob.run();
  await bob.said('runs');
  bob.send({ kind: 'terminate', graceMs: 1_000_000 });
  assert.deepEqual(await bob.next('killed'), { kind: 'killed', signal: SIGTERM, left: 0 });
  bob.send(end);
  await bob.ended;
});

test('a second terminate can shorten the grace, and not lengthen it', async () => {
  const alice = supervise(stubborn);
  await alice.run();
  await alice.said('runs');
  alice.send(
    { kind: 'terminate', graceMs: 1_000_000 },
    { kind: 'terminate', graceMs: 2_000_000 },
    { kind: 'terminate', graceMs: 10 },
  );
  assert.equal((await alice.next('killed')).signal, SIGKILL);
  alice.send(end);
  await alice.ended;
});

test('a stopped command is continued, so that it can end', async () => {
  const alice = supervise(['sh', '-c', 'trap "echo ends; exit 3" TERM; kill -STOP $$; sleep 1000']);
  await alice.run();
  await alice.next('stopped');
  alice.send({ kind: 'terminate', graceMs: 1_000_000 });
  await alice.said('ends');
  assert.equal((await alice.next('exited')).code, 3);
  await alice.next('allGone');
  alice.send(end);
  await alice.ended;
});

test('the deadline is kept although the guard says and reads nothing', async () => {
  const alice = supervise(stubborn);
  const { nowMs } = await alice.next('hello');
  await alice.run({ terminateAtMs: nowMs + 300, killAtMs: nowMs + 400, graceMs: 1_000_000 });
  await alice.said('runs');
  assert.deepEqual(await alice.next('terminating'), { kind: 'terminating', reason: 'deadline' });
  assert.equal((await alice.next('killed')).signal, SIGKILL);
  alice.send({ kind: 'clock' });
  const { nowMs: after } = await alice.next('clock');
  assert.ok(after - nowMs >= 400, 'not before the time to kill');
  alice.send(end);
  await alice.ended;
});

test('each renewal moves the deadline', async () => {
  const alice = supervise(stubborn);
  const { nowMs } = await alice.next('hello');
  await alice.run({ terminateAtMs: nowMs + 250, killAtMs: nowMs + 250, graceMs: 0 });
  await alice.said('runs');
  alice.send({ kind: 'deadline', terminateAtMs: nowMs + 1_000_000, killAtMs: nowMs + 1_000_000 });
  for (let now = nowMs; now < nowMs + 300; ) {
    alice.send({ kind: 'clock' });
    now = (await alice.next('clock')).nowMs;
  }
  assert.ok(!alice.messages.some(({ kind }) => kind === 'terminating'));
  alice.send({ kind: 'deadline', terminateAtMs: 0, killAtMs: 0 });
  assert.equal((await alice.next('killed')).signal, SIGKILL);
  alice.send(end);
  await alice.ended;
});

test('a guard that reads nothing does not keep the supervisor from its deadline', async () => {
  const alice = supervise(stubborn, { stderr: 'pipe' });
  const { nowMs } = await alice.next('hello');
  await alice.run({ terminateAtMs: nowMs + 1500, killAtMs: nowMs + 1500 });
  await alice.said('runs');
  const pid = Number(/runs (\d+)/.exec(alice.output())?.[1]);
  alice.socket.pause();
  // Each is answered: far more than both buffers hold.
  const { SIGCONT } = constants.signals;
  const flood = Array.from(
    { length: 50_000 },
    () => [{ kind: 'clock' }, { kind: 'signal', signal: SIGCONT, unlessGroupHadIt: false }] as const,
  );
  alice.send(...flood.flat());
  while (isAlive(pid)) await new Promise((resolve) => setImmediate(resolve));
  alice.socket.resume();
  await alice.next('killed');
  await alice.next('allGone');
  alice.send(end);
  await alice.ended;
});

test('when the guard is gone, so is the command', async () => {
  const alice = supervise(stubborn, { stderr: 'pipe' });
  await alice.run({ graceMs: 20 });
  await alice.said('runs');
  let said = '';
  alice.process.stderr?.on('data', (bytes) => {
    said += bytes;
  });
  alice.socket.destroy();
  assert.equal(await alice.ended, 0);
  assert.ok(!isAlive(Number(/runs (\d+)/.exec(alice.output())?.[1])));
  assert.match(said, /the guard has ended unexpectedly/);
});

test('the grace after the death of the guard ends with the time to kill', async () => {
  const alice = supervise(stubborn, { stderr: 'pipe' });
  const { nowMs } = await alice.next('hello');
  await alice.run({ graceMs: 1_000_000, terminateAtMs: nowMs + 600, killAtMs: nowMs + 600 });
  await alice.said('runs');
  alice.socket.destroy();
  assert.equal(await alice.ended, 0);
});

test('when the supervisor is killed, the first process of the command dies with it', async () => {
  const alice = supervise(['sh', '-c', 'echo runs; exec sleep 1000']);
  const started = await alice.run();
  assert.ok(started.kind === 'started');
  await alice.said('runs');
  alice.process.kill('SIGKILL');
  assert.equal(await alice.ended, 'SIGKILL');
  while (isAlive(started.pid)) await new Promise((resolve) => setImmediate(resolve));
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

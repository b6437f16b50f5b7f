/**
 * What people use tini for, held against the real one: orphans are reaped, signals passed on, exit codes kept, a group signalled as a whole, and nothing
 * outlives whoever was killed. Each in a process namespace of its own, as in a container.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readlinkSync } from 'node:fs';
import { constants } from 'node:os';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { isRunning, tempFolder } from '../harness/guards.ts';
import { until } from '../harness/until.ts';
import { without } from '../harness/without.ts';
import { type Running, run, start } from './standalone.ts';

const namespace = ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child'];
const mayUnshare = process.getuid?.() === 0 || Boolean(process.env.CI);
const rooted = { skip: mayUnshare ? without('tini') : 'a process namespace takes root' };

/** The guard as process 1, the real tini, and the guard below tini. */
const INITS: Record<string, () => string[]> = {
  'the guard': () => run(),
  tini: () => ['tini', '--'],
  'the guard below tini': () => ['tini', '--', ...run()],
};

const inNamespace = (init: string[], argv: string[]): Running => start([...namespace, ...init, ...argv]);

/** The process id, outside, of what a process has started first. */
const childOf = (pid: number): number =>
  Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').split(' ').filter(Boolean)[0] ?? 0);

for (const [name, init] of Object.entries(INITS)) {
  test(`${name}: orphans are reaped while the command runs`, rooted, async () => {
    const orphans = `for i in 1 2 3 4 5; do sh -c 'sh -c "exit 3" & exit' ; done; until ! grep -hs '^State:.Z' /proc/[0-9]*/status; do sleep 0.01; done; exit 6`;
    assert.equal(await inNamespace(init(), ['sh', '-c', orphans]).ended, 6);
  });

  test(`${name}: every exit code is kept, and an end by a signal is 128 and its number`, rooted, async () => {
    for (const code of [0, 1, 2, 63, 126, 127, 128, 200, 255])
      assert.equal(await inNamespace(init(), ['sh', '-c', `exit ${code}`]).ended, code);
    for (const signal of ['KILL', 'TERM', 'HUP', 'USR2', 'ABRT'] as const)
      assert.equal(
        await inNamespace(init(), ['sh', '-c', `ulimit -c 0; kill -${signal} $$`]).ended,
        128 + constants.signals[`SIG${signal}`],
      );
  });

  test(`${name}: signals to process 1 reach the command`, rooted, async () => {
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGWINCH'] as const) {
      const short = signal.slice(3);
      const alice = inNamespace(init(), [
        'sh',
        '-c',
        `trap 'echo caught ${short}; exit 7' ${short}; echo ready; while :; do sleep 0.01; done`,
      ]);
      await alice.said('ready');
      process.kill(childOf(alice.process.pid ?? 0), signal);
      await alice.said(`caught ${short}`);
      assert.equal(await alice.ended, 7);
    }
  });

  test(`${name}: a command that ignores nothing is ended by SIGTERM, as if it were no process 1`, rooted, async () => {
    const alice = inNamespace(init(), ['sh', '-c', 'echo ready; exec sleep 100']);
    await alice.said('ready');
    process.kill(childOf(alice.process.pid ?? 0), 'SIGTERM');
    assert.equal(await alice.ended, 128 + 15);
  });
}

test('a signal reaches the whole group of the command, as with tini -g', rooted, async () => {
  for (const init of [run(), ['tini', '-g', '--']]) {
    const script = `trap 'echo parent' USR1; sh -c 'trap "echo child; exit" USR1; echo ready; while :; do sleep 0.01; done'; exit 4`;
    const alice = inNamespace(init, ['sh', '-c', script]);
    await alice.said('ready');
    process.kill(childOf(alice.process.pid ?? 0), 'SIGUSR1');
    await alice.said('child');
    await alice.said('parent');
    assert.equal(await alice.ended, 4);
  }
});

/** Writes its process id and that of a daemon that has left it, and lasts. */
const family = (file: string) => [
  'sh',
  '-c',
  `echo $$ >>${file}; setsid sh -c 'echo $$ >>${file}; exec sleep 100' </dev/null >/dev/null 2>&1 & until [ $(wc -l <${file}) = 2 ]; do sleep 0.01; done; echo ready; sleep 100`,
];
const pidsIn = (file: string) => readFileSync(file, 'utf8').trim().split('\n').map(Number);

/** Who is killed, by what it is to the process that was started. */
const VICTIMS: Record<string, (first: number) => number> = {
  'the process that was started': (first) => first,
  'its supervisor': (first) => childrenOf(first, 'k8s-lease-lock'),
  'its guard': (first) => childrenOf(first, 'guard'),
};

function childrenOf(pid: number, executable: string): number {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').split(' ').filter(Boolean);
  const found = children.find((child) => executableOf(child) === executable);
  assert.ok(found, `${executable} is below ${pid}`);
  return Number(found);
}

const executableOf = (pid: string) => basename(readlinkSync(`/proc/${pid}/exe`));

for (const [who, find] of Object.entries(VICTIMS)) {
  test(`when ${who} is killed, nothing of the command is left, a daemon included`, async (t) => {
    const file = join(tempFolder(t), 'pids');
    const alice = start([...run(), ...family(file)]);
    await alice.said('ready');
    const first = alice.process.pid ?? 0;
    const all = [first, childrenOf(first, 'k8s-lease-lock'), childrenOf(first, 'guard'), ...pidsIn(file)];
    process.kill(find(first), 'SIGKILL');
    await until(() => !all.some(isRunning), 'all of it ends');
  });
}

test('a guard that a shell has left in the background goes on without it; killed, it leaves nothing', async (t) => {
  const file = join(tempFolder(t), 'pids');
  const alice = start(['sh', '-c', '"$@" & echo $! left', 'sh', ...run(), ...family(file)]);
  await alice.said('left');
  await alice.said('ready');
  const [first = 0] = alice.output().split(' ').map(Number);
  assert.ok(isRunning(first));
  process.kill(childrenOf(first, 'guard'), 'SIGKILL');
  await until(() => ![first, ...pidsIn(file)].some(isRunning), 'all of it ends');
});

test('started in a namespace that is there already, as by kubectl exec, and killed, it leaves nothing', rooted, async (t) => {
  const file = join(tempFolder(t), 'pids');
  const pod = start([...namespace, 'tini', '--', 'sh', '-c', 'echo up; sleep 100']);
  await pod.said('up');
  const init = childOf(pod.process.pid ?? 0);
  const alice = start(['nsenter', '-t', String(init), '-p', '-m', ...run(), ...family(file)]);
  await alice.said('ready');
  process.kill(childrenOf(childOf(alice.process.pid ?? 0), 'guard'), 'SIGKILL');
  await alice.ended;
  // By the numbers that the namespace has for them.
  const look = start([
    'nsenter',
    '-t',
    String(init),
    '-p',
    '-m',
    'sh',
    '-c',
    `for pid in $(cat ${file}); do kill -0 $pid && echo alive; done; true`,
  ]);
  await look.ended;
  assert.doesNotMatch(look.output(), /^alive/m);
  pod.process.kill('SIGKILL');
});

test('a caller that is killed before the guard has begun leaves neither', async () => {
  const argv = run();
  const alice = start([...argv, 'sh', '-c', 'echo ran; sleep 100']);
  const first = alice.process.pid ?? 0;
  await until(() => existsSync(`/proc/${first}/task/${first}/children`) && childOf(first) > 0, 'it has forked');
  const children = readFileSync(`/proc/${first}/task/${first}/children`, 'latin1').split(' ').filter(Boolean).map(Number);
  alice.process.kill('SIGKILL');
  await until(() => !children.some(isRunning), 'its children end');
  assert.doesNotMatch(alice.output(), /ran/);
});

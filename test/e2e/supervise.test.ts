/** What becomes of a command and all that it starts, whatever happens to its guard: the built bundle, on the embedded server. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { EXIT } from '../../image/exit-codes.ts';
import { BUNDLE, type Guard, guard, isRunning, reach, tempFolder } from '../harness/guards.ts';
import { embeddedTarget } from '../harness/targets.ts';
import { until } from '../harness/until.ts';

const target = await embeddedTarget();
after(() => target.close());
const namespace = await target.namespace('supervise');
const SHORT = ['--lease-duration', '4s', '--kill-grace', '500ms'];

let locks = 0;
const lockName = () => `lock-${++locks}`;
const run = (t: TestContext, name: string, args: string[]): Guard =>
  guard(t, ['run', ...reach(target), '-n', namespace, '--name', name, ...args]);
const holderOf = async (name: string) => {
  const { body } = await target.request('GET', `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/${name}`);
  return body.spec.holderIdentity;
};

/** Children of a guard that run the bundle: its watchdog. */
function watchdogOf({ pid }: Guard): number {
  const found = globSync('/proc/[0-9]*/stat').flatMap((path) => {
    try {
      const [, child = '', , parent] = /^(\d+) \(.*\) (\S) (\d+)/s.exec(readFileSync(path, 'latin1')) ?? [];
      const arguments_ = readFileSync(`/proc/${child}/cmdline`, 'latin1');
      return Number(parent) === pid && arguments_.includes('watchdog') ? [Number(child)] : [];
    } catch {
      return [];
    }
  });
  assert.equal(found.length, 1, `the guard ${pid} has ${found.length} watchdogs`);
  return found[0] ?? 0;
}

/** Writes its own process id and those of what it starts, one a line, and lasts. */
const family = (file: string, more: string) => ['sh', '-c', `echo $$ >>${file}; ${more} echo ready; sleep 60`];
const pidsIn = (file: string) => readFileSync(file, 'utf8').trim().split('\n').map(Number);

test('a guard that is killed takes its command with it, long before its lock can pass on', async (t) => {
  const file = join(tempFolder(t), 'pids');
  const alice = run(t, lockName(), ['--', ...family(file, `sh -c 'echo $$ >>${file}; exec sleep 60' &`)]);
  await alice.prints(/ready/);
  const watchdog = watchdogOf(alice);
  alice.kill('SIGKILL');
  await until(() => pidsIn(file).every((pid) => !isRunning(pid)), 'the command ends');
  await until(() => !isRunning(watchdog), 'the watchdog ends with it');
  assert.match(alice.stderr, /watchdog: stopping the command, since its guard has died/);
});

test('a guard that is stopped past its deadline finds its command stopped, and says that the lock is lost', async (t) => {
  const file = join(tempFolder(t), 'pids');
  const name = lockName();
  const alice = run(t, name, [...SHORT, '--', ...family(file, '')]);
  await alice.prints(/ready/);
  alice.kill('SIGSTOP');
  const bob = run(t, name, [
    ...SHORT,
    '--',
    'sh',
    '-c',
    `for pid in $(cat ${file}); do grep -s '^State:.[^ZX]' /proc/$pid/status && echo alive; done; echo ran`,
  ]);
  const { stdout } = await bob.finished;
  assert.equal(stdout, 'ran\n', 'nothing of alice lives when bob starts');
  alice.kill('SIGCONT');
  const { code, stderr } = await alice.finished;
  assert.equal(code, EXIT.lost.code);
  assert.match(stderr, /watchdog: stopping the command, since its guard has been silent for too long/);
  assert.match(stderr, /lost Lease \S+: (it could not be renewed|it is held by|another client)/);
});

test('a guard that dies between starting its command and knowing it does not leave it running', async (t) => {
  const file = join(tempFolder(t), 'pids');
  // Kills the guard in the very call that starts the command, and not in the one before, which starts the watchdog.
  const preload = `import child from 'node:child_process'; import { syncBuiltinESMExports } from 'node:module';
    const { spawn } = child;
    child.spawn = (file, ...rest) => { const made = spawn(file, ...rest); if (file === 'sh') process.kill(process.pid, 'SIGKILL'); return made; };
    syncBuiltinESMExports();`;
  const env = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(preload)}` };
  const args = ['run', ...reach(target), '-n', namespace, '--name', lockName(), '--', ...family(file, '')];
  const alice = guard(t, args, { env });
  assert.equal((await alice.finished).signal, 'SIGKILL');
  // Its watchdog shares its stderr, which is closed once both have ended.
  assert.match(alice.stderr, /watchdog: stopping the command, since its guard has died/);
  assert.deepEqual(existsSync(file) ? pidsIn(file).filter(isRunning) : [], []);
});

test('a watchdog that dies is replaced, and its successor does its work', async (t) => {
  const file = join(tempFolder(t), 'pids');
  const alice = run(t, lockName(), ['--', ...family(file, '')]);
  await alice.prints(/ready/);
  const first = watchdogOf(alice);
  process.kill(first, 'SIGKILL');
  await alice.says(/the watchdog has ended: starting another/);
  await until(() => !isRunning(first) && safely(() => watchdogOf(alice)) !== undefined, 'another starts');
  alice.kill('SIGKILL');
  await until(() => pidsIn(file).every((pid) => !isRunning(pid)), 'the command ends');
});

function safely<T>(attempt: () => T): T | undefined {
  try {
    return attempt();
  } catch {
    return undefined;
  }
}

test('no watchdog is left when a guard has done its work', async (t) => {
  const alice = run(t, lockName(), ['--', 'sh', '-c', 'echo ready; cat']);
  await alice.prints(/ready/);
  const watchdog = watchdogOf(alice);
  alice.input('');
  assert.equal((await alice.finished).code, 0);
  await until(() => !isRunning(watchdog), 'the watchdog ends');
});

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
  assert.match((await holderOf(name)) ?? '', /./);
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
  assert.equal((await alice.finished).code, 128 + 15);
  assert.ok(performance.now() - startedAt < 20_000);
});

test('with --on-lost warn the command goes on without its lock, and is told so', async (t) => {
  const name = lockName();
  const alice = run(t, name, ['--on-lost', 'warn', '--', 'sh', '-c', 'echo ready; cat; exit 5']);
  await alice.prints(/ready/);
  const path = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/${name}`;
  await target.request('PATCH', path, { spec: { holderIdentity: 'thief' } }, { contentType: 'application/merge-patch+json' });
  await alice.says(/the command goes on WITHOUT the lock/);
  alice.input('');
  assert.equal((await alice.finished).code, 5);
  assert.equal(await holderOf(name), 'thief');
});

test('a full stderr that nobody reads does not keep the guard from renewing', async (t) => {
  const name = lockName();
  const args = [
    'run',
    ...reach(target),
    '-n',
    namespace,
    '--name',
    name,
    ...SHORT,
    '-v',
    '--',
    'sh',
    '-c',
    'head -c 200000 /dev/zero >&2 & echo ready; cat',
  ];
  const child = spawn(process.execPath, [BUNDLE, ...args], { stdio: ['pipe', 'pipe', 'pipe'], env: { PATH: process.env.PATH } });
  t.after(() => child.kill('SIGKILL'));
  await new Promise((resolve) => child.stdout.once('data', resolve));
  const renewed = async () =>
    (await target.request('GET', `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/${name}`)).body.spec.renewTime;
  const first = await renewed();
  const seen = new Set([first]);
  await until(async () => seen.add(await renewed()).size >= 7, 'it renews for longer than its duration');
  assert.equal(child.exitCode, null);
});

test('/healthz says whether the lock is held and in time, /metrics what has happened', async (t) => {
  const name = lockName();
  const first = run(t, name, ['--', 'sh', '-c', 'echo ready; cat']);
  await first.prints(/ready/);
  const alice = run(t, name, [...SHORT, '-v', '--status-port', '0', '--', 'sh', '-c', 'echo ready; cat']);
  await alice.says(/metrics on port \d+/);
  const [, port = ''] = /metrics on port (\d+)/.exec(alice.stderr) ?? [];
  const get = async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`);
    return { status: response.status, text: await response.text() };
  };
  await alice.says(/next in queue/);
  assert.equal((await get('/healthz')).status, 503);
  const waiting = (await get('/metrics')).text;
  for (const line of [/^k8s_lease_lock_waiting 1$/m, /^k8s_lease_lock_queue_length 1$/m, /^k8s_lease_lock_held 0$/m])
    assert.match(waiting, line);
  first.input('');
  await alice.prints(/ready/);
  assert.equal((await get('/healthz')).status, 200);
  await alice.says(/renewed/);
  const { text } = await get('/metrics');
  for (const line of [
    /^k8s_lease_lock_held 1$/m,
    /^k8s_lease_lock_waiting 0$/m,
    /^k8s_lease_lock_renewals_total [1-9]/m,
    /^k8s_lease_lock_transitions 2$/m,
    /^k8s_lease_lock_seconds_to_deadline \d/m,
  ]) {
    assert.match(text, line);
  }
  alice.input('');
  assert.equal((await alice.finished).code, 0);
});

test('a health port that is taken is refused before anything is locked', async (t) => {
  const { port } = new URL(target.url);
  const name = lockName();
  const { code, stderr } = await run(t, name, ['--status-port', port, '--', 'true']).finished;
  assert.equal(code, EXIT.configuration.code);
  assert.match(stderr, /cannot listen on --status-port \d+: EADDRINUSE/);
});

/** Runs the guard as the first process of a process namespace, as a container would. */
function asInit(t: TestContext, name: string, args: string[], init: string[] = []) {
  if (process.getuid?.() !== 0 && process.env.CI) throw new Error('a process namespace takes root');
  const guarded = [...init, process.execPath, BUNDLE, 'run', ...reach(target), '-n', namespace, '--name', name, ...args];
  const child = spawn('unshare', ['--pid', '--fork', '--mount-proc', '--kill-child', ...guarded], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH },
  });
  t.after(() => child.kill('SIGKILL'));
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  return {
    output: () => output,
    ended: new Promise<number | null>((resolve) => child.once('close', resolve)),
    input: (text: string) => child.stdin.end(text),
  };
}

test('as process 1 it needs no watchdog, and the dead that nobody reaps hold nothing up', async (t) => {
  if (process.getuid?.() !== 0 && !process.env.CI) return t.skip('a process namespace takes root');
  const name = lockName();
  const orphans = `for i in 1 2 3; do sh -c 'sleep 0.2 &'; done; sleep 0.6`;
  const report = `grep -l 'watch[d]og' /proc/[0-9]*/cmdline 2>/dev/null; grep -h ^State /proc/[0-9]*/status | grep -c zombie`;
  const alice = asInit(t, name, [...SHORT, '--', 'sh', '-c', `${orphans}; ${report}; exit 6`]);
  assert.equal(await alice.ended, 6, alice.output());
  assert.match(alice.output(), /^[1-9]\d*$/m, 'there are dead that nobody has reaped');
  assert.doesNotMatch(alice.output(), /cmdline/, 'there is no watchdog');
  assert.match(alice.output(), /released/);
  assert.equal(await holderOf(name), '');
});

test('below tini the dead are reaped, and there is a watchdog: tini may not be its parent for long', async (t) => {
  const isThere = spawnSync('tini', ['--version']).status === 0;
  if ((process.getuid?.() !== 0 || !isThere) && !process.env.CI) return t.skip('it takes root, and tini');
  const name = lockName();
  const orphans = `for i in 1 2 3; do sh -c 'sleep 0.2 &'; done; sleep 0.6`;
  const report = `grep -l 'watch[d]og' /proc/[0-9]*/cmdline 2>/dev/null; echo dead: $(grep -h ^State /proc/[0-9]*/status | grep -c zombie)`;
  const alice = asInit(t, name, [...SHORT, '--', 'sh', '-c', `${orphans}; ${report}; exit 6`], ['tini', '--']);
  assert.equal(await alice.ended, 6, alice.output());
  assert.match(alice.output(), /^dead: 0$/m);
  assert.match(alice.output(), /cmdline/, 'there is a watchdog');
  assert.equal(await holderOf(name), '');
});

/** Starts the guard in a namespace that is there already, as `kubectl exec` and `nsenter` do: its parent is then 0. */
test('a guard that was exec’d into a container and is killed does not leave its command running', async (t) => {
  if (process.getuid?.() !== 0 && !process.env.CI) return t.skip('a process namespace takes root');
  const folder = tempFolder(t);
  const outer = spawn('unshare', ['--pid', '--fork', '--mount-proc', '--kill-child', 'sh', '-c', 'echo up; sleep 600'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => outer.kill('SIGKILL'));
  await once(outer.stdout, 'data');
  const [init] = readFileSync(`/proc/${outer.pid}/task/${outer.pid}/children`, 'latin1').trim().split(' ');
  const command = `echo $$ >${folder}/pid; readlink /proc/self >${folder}/self; exec sleep 300`;
  const line = [BUNDLE, 'run', ...reach(target), '-n', namespace, '--name', lockName(), ...SHORT, '--', 'sh', '-c', command];
  const inner = spawn('nsenter', ['-t', String(init), '-p', '-m', process.execPath, ...line], {
    stdio: ['ignore', 'ignore', 'ignore'],
    env: { PATH: process.env.PATH },
  });
  t.after(() => inner.kill('SIGKILL'));
  await until(() => existsSync(join(folder, 'self')), 'the command runs');
  const insideOf = (pid: string) => /^NSpid:\s+.*\s(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
  const inside = readFileSync(join(folder, 'pid'), 'utf8').trim();
  const find = () =>
    globSync('/proc/[0-9]*')
      .map((path) => path.slice(6))
      .find((pid) => {
        const text = safely(() => readFileSync(`/proc/${pid}/cmdline`, 'latin1'));
        return text?.startsWith('sleep') === true && safely(() => insideOf(pid)) === inside;
      });
  await until(() => find() !== undefined, 'the command has become what it runs');
  const pid = Number(find());
  // nsenter forks: the guard is its child.
  const [guardPid] = readFileSync(`/proc/${inner.pid}/task/${inner.pid}/children`, 'latin1').trim().split(' ');
  process.kill(Number(guardPid), 'SIGKILL');
  await until(() => !isRunning(pid), 'the command is stopped by the watchdog');
});

/** A shell under a terminal, made by script(1): what is written to it is typed. */
function terminal(t: TestContext, name: string) {
  const folder = tempFolder(t);
  const program = join(folder, 'lock');
  const where = reach(target).join(' ');
  writeFileSync(program, `#!/bin/sh\nexec ${process.execPath} ${BUNDLE} run ${where} -n ${namespace} --name ${name} "$@"\n`, {
    mode: 0o755,
  });
  const child = spawn('script', ['-qe', '/dev/null', '-c', 'bash --norc --noprofile -i'], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { PATH: `${folder}:${process.env.PATH}`, PS1: '$ ', TERM: 'dumb' },
  });
  t.after(() => child.kill('SIGKILL'));
  let screen = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    screen += text;
  });
  return {
    type: (text: string) => child.stdin.write(text),
    /** Waits for what has appeared since the last call. */
    async shows(pattern: RegExp) {
      await until(() => pattern.test(screen), `the screen shows ${pattern}: ${JSON.stringify(screen)}`);
      screen = screen.slice((screen.match(pattern)?.index ?? 0) + 1);
    },
  };
}

test('under a terminal Ctrl-C reaches the command once, and its exit code is kept', async (t) => {
  const { type, shows } = terminal(t, lockName());
  type(`lock -q -- bash -c 'n=0; trap "n=\\$((n+1))" INT; echo rea""dy; sleep 1; sleep 1; echo got $n; exit 9'; echo code $?\n`);
  await shows(/ready/);
  type('\x03');
  await shows(/got 1/);
  await shows(/code 9/);
});

test('under a terminal the command owns the foreground: it reads what is typed, and knows the window', async (t) => {
  const { type, shows } = terminal(t, lockName());
  type('stty cols 77 rows 33\n');
  type(`lock -q -- bash -c 'stty size; read -p "na""me: " name </dev/tty; echo hello $name'\n`);
  await shows(/33 77/);
  await shows(/name: /);
  type('alice\n');
  await shows(/hello alice/);
});

test('under a terminal Ctrl-Z stops guard and command, and fg lets them go on', async (t) => {
  const { type, shows } = terminal(t, lockName());
  type(`lock -- bash -c 'echo rea""dy; read line; echo got $line'; echo co""de $?\n`);
  await shows(/ready/);
  type('\x1a');
  await shows(/Stopped/);
  type('fg\n');
  await shows(/lock -- /);
  type('on\n');
  await shows(/got on/);
  await shows(/released/);
});

test('a process that carries the name of the holder in a variable of its own is none of the command', async (t) => {
  const target = await embeddedTarget();
  t.after(() => target.close());
  const alice = guard(t, ['run', ...reach(target), '--name', 'mark', '--', 'sh', '-c', 'echo "as $LEASE_LOCK_HOLDER"; read end']);
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

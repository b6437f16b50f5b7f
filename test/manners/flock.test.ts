/**
 * What people know from flock(1), held against the guard: each line of the table is run under the real flock and under `run`, and both have to do
 * the same, or differ in the one way that the table states.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { BUNDLE, reach, tempFolder } from '../harness/guards.ts';
import { embeddedTarget } from '../harness/targets.ts';

const target = await embeddedTarget();
after(() => target.close());
const namespace = await target.namespace('manners');

interface Outcome {
  code: number | null;
  stdout: string;
  stderr: string;
}

interface Case {
  command: string[];
  stdin?: string;
  env?: Record<string, string>;
  cwd?: string;
  /** Wrapped around the whole call, as a shell that starts it would: a umask, an open descriptor. */
  around?: string;
  /** Options of flock, and those of `run` that mean the same. */
  options?: [flock: string[], run: string[]];
}

let calls = 0;

async function call(argv: string[], { stdin = '', env = {}, cwd, around }: Case): Promise<Outcome> {
  // A shell around it tells an end by a signal as every shell does.
  const [file = '', ...args] = ['sh', '-c', `${around ?? ''} "$@"; exit $?`, 'sh', ...argv];
  const child = spawn(file, args, {
    env: { PATH: process.env.PATH, ...env },
    ...(cwd && { cwd }),
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const outcome: Outcome = { code: null, stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      outcome[name] += text;
    });
  }
  child.stdin.on('error', () => {}); // Who does not read may end before all of it is written.
  child.stdin.end(stdin);
  [outcome.code] = await once(child, 'close');
  return outcome;
}

/** The same under both. `lock` names the lock, for cases that need one in common. */
async function both(t: TestContext, given: Case, lock = `lock-${++calls}`): Promise<{ flock: Outcome; run: Outcome }> {
  const file = join(tempFolder(t), 'lock');
  const [flockOptions, runOptions] = given.options ?? [[], []];
  const run = [process.execPath, BUNDLE, 'run', '-q', ...reach(target), '-n', namespace, '--name', lock, ...runOptions, '--'];
  const [first, second] = await Promise.all([
    call(['flock', ...flockOptions, file, ...given.command], given),
    call([...run, ...given.command], given),
  ]);
  return { flock: first, run: second };
}

async function assertSame(t: TestContext, given: Case): Promise<Outcome> {
  const { flock, run } = await both(t, given);
  assert.deepEqual(run, flock);
  return run;
}

/** Some at a time: each is a guard and a watchdog. */
async function inBatches<T>(all: T[], size: number, each: (one: T) => Promise<void>): Promise<void> {
  for (let i = 0; i < all.length; i += size) await Promise.all(all.slice(i, i + size).map(each));
}

test('exit codes 0 to 255', async (t) => {
  await inBatches(
    Array.from({ length: 256 }, (_, code) => code),
    4,
    async (code) => {
      assert.equal((await assertSame(t, { command: ['sh', '-c', `exit ${code}`] })).code, code);
    },
  );
});

test('a command that any signal ends is reported as ended by that signal: as if it had been started directly', async (t) => {
  const harmless = ['SIGCHLD', 'SIGCONT', 'SIGURG', 'SIGWINCH', 'SIGSTOP', 'SIGTSTP', 'SIGTTIN', 'SIGTTOU'];
  const fatal = Object.entries(constants.signals).filter(([name, number]) => !harmless.includes(name) && number <= 31);
  assert.ok(fatal.length >= 22);
  await inBatches(fatal, 4, async ([name, number]) => {
    const given = { command: ['sh', '-c', `ulimit -c 0; kill -${number} $$; sleep 5`] };
    const { run, flock } = await both(t, given);
    const direct = await call(given.command, given);
    assert.deepEqual([run.code, flock.code, direct.code], [128 + number, 128 + number, 128 + number], name);
    // A shell names the signals that end what it has started; flock has made a number of it. Node would dump a core of its own for some.
    if (run.stderr !== '') assert.equal(run.stderr, direct.stderr, name);
    if (['SIGTERM', 'SIGHUP', 'SIGKILL', 'SIGUSR1'].includes(name)) assert.notEqual(run.stderr, '', name);
  });
});

test('arguments with spaces, quotes, newlines, nothing, and what looks like options', async (t) => {
  const args = ['a b', '', '"q"', "it's", 'new\nline', '$HOME', '*', '\\', '--', '-c', '--name', '-n', 'ü€'];
  const { stdout } = await assertSame(t, { command: ['printf', '<%s>', ...args] });
  assert.equal(stdout, args.map((arg) => `<${arg}>`).join(''));
});

test('standard input to its end, output and errors apart', async (t) => {
  const stdin = `${'line\n'.repeat(20_000)}end`;
  const { stdout, stderr } = await assertSame(t, { command: ['sh', '-c', 'cat; echo trouble >&2'], stdin });
  assert.deepEqual([stdout, stderr], [stdin, 'trouble\n']);
});

test('environment, but for what the lock adds', async (t) => {
  const env = {
    A: '1',
    EMPTY: '',
    MANY: 'a=b=c',
    NODE_OPTIONS: '--no-deprecation',
    K8S_LEASE_LOCK_REASON: 'x',
    LD_BIND_NOW: '1',
  };
  const { stdout } = await assertSame(t, {
    command: ['sh', '-c', 'env | grep -v -e ^LEASE_LOCK_ -e ^_= -e ^PWD= -e ^OLDPWD= -e ^SHLVL= | sort'],
    env,
  });
  for (const [name, value] of Object.entries(env)) assert.match(stdout, new RegExp(`^${name}=${value}$`, 'm'));
});

test('working directory', async (t) => {
  const cwd = join(tempFolder(t), 'a b');
  mkdirSync(cwd);
  assert.equal((await assertSame(t, { command: ['pwd'], cwd })).stdout, `${cwd}\n`);
});

test('the soft limit of open files, which Node raises', async (t) => {
  assert.equal((await assertSame(t, { command: ['sh', '-c', 'ulimit -Sn'], around: 'ulimit -Sn 300;' })).stdout, '300\n');
});

test('umask', async (t) => {
  assert.match((await assertSame(t, { command: ['sh', '-c', 'umask'], around: 'umask 0137;' })).stdout, /0137/);
});

test('descriptors that the caller has opened', async (t) => {
  const folder = tempFolder(t);
  writeFileSync(join(folder, 'in'), 'from three\n');
  const around = `exec 3<${folder}/in 7>>${folder}/out;`;
  const { stdout } = await assertSame(t, {
    command: ['sh', '-c', 'cat <&3; echo to seven >&7; ls /proc/self/fd/7 >/dev/null'],
    around,
  });
  assert.equal(stdout, 'from three\n');
  assert.equal(execFileSync('cat', [join(folder, 'out')], { encoding: 'utf8' }), 'to seven\nto seven\n');
});

test('a busy lock: at once, and after a time; the exit code can be chosen', async (t) => {
  const folder = tempFolder(t);
  const file = join(folder, 'lock');
  const run = (...args: string[]) => [
    process.execPath,
    BUNDLE,
    'run',
    '-q',
    ...reach(target),
    '-n',
    namespace,
    '--name',
    'busy',
    ...args,
  ];
  const hold = async (argv: string[]) => {
    const child = spawn(argv[0] ?? '', [...argv.slice(1), 'sh', '-c', 'echo held; cat'], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { PATH: process.env.PATH },
    });
    t.after(() => child.kill('SIGKILL'));
    await once(child.stdout, 'data');
    return child;
  };
  const holders = [await hold(['flock', file]), await hold([...run(), '--'])];
  const codes = async (flock: string[], options: string[]) => {
    const outcomes = await Promise.all([
      call(['flock', ...flock, file, 'echo', 'ran'], { command: [] }),
      call([...run(...options), '--', 'echo', 'ran'], { command: [] }),
    ]);
    for (const { stdout } of outcomes) assert.equal(stdout, '');
    return outcomes.map(({ code }) => code);
  };
  // flock's 1 could be the command's own: ours is one that commands don't use.
  assert.deepEqual(await codes(['-n'], ['--on-busy', 'fail']), [1, 75]);
  assert.deepEqual(await codes(['-w', '0.3'], ['--timeout', '300ms']), [1, 75]);
  assert.deepEqual(await codes(['-n', '-E', '42'], ['--on-busy', 'fail', '-E', '42']), [42, 42]);
  assert.deepEqual(await codes(['-w', '0.3', '-E', '0'], ['--timeout', '300ms', '-E', '0']), [0, 0]);
  for (const holder of holders) holder.stdin.end();
});

test('a command that is not there, and one that can not be run: a shell’s codes, where flock has one of its own for both', async (t) => {
  const folder = tempFolder(t);
  writeFileSync(join(folder, 'plain'), 'text', { mode: 0o644 });
  const missing = await both(t, { command: [join(folder, 'missing')] });
  assert.deepEqual([missing.flock.code, missing.run.code], [69, 127]);
  const plain = await both(t, { command: [join(folder, 'plain')] });
  assert.deepEqual([plain.flock.code, plain.run.code], [69, 126]);
  for (const { run } of [missing, plain]) assert.match(run.stderr, /command not found|cannot be executed/);
});

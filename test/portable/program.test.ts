/** The built program and the library on the system that this runs on, against the server that the program brings along. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createLock } from '../../src/library/index.ts';

const PROGRAM = fileURLToPath(new URL('../../dist/cli/bin.js', import.meta.url));
const HAS_SUPERVISOR = process.platform === 'linux' || process.platform === 'darwin';

interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

let server: ChildProcess;
let url = '';

function start(args: string[]): { child: ChildProcess; ended: Promise<Ended>; said(): string } {
  const { K8S_LEASE_LOCK_NAMESPACE: _, ...env } = process.env;
  const child = spawn(process.execPath, [PROGRAM, ...args], {
    env: { ...env, ...(url !== '' && { K8S_LEASE_LOCK_SERVER: url }) },
  });
  const told = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const)
    child[name]?.setEncoding('utf8').on('data', (text: string) => {
      told[name] += text;
    });
  const ended = new Promise<Ended>((resolve) => child.on('close', (code) => resolve({ code, ...told })));
  return { child, ended, said: () => told.stderr };
}

const run = (...args: string[]): Promise<Ended> => start(args).ended;

before(async () => {
  const { child, said } = start(['serve', '--port', '0']);
  server = child;
  await new Promise<void>((resolve, reject) => {
    child.stderr?.on('data', () => said().includes('serving Leases at ') && resolve());
    child.on('close', () => reject(new Error(said())));
  });
  url = /serving Leases at (\S+?),/.exec(said())?.[1] ?? '';
});
after(() => server.kill());

test('a lock is acquired, refused to another, shown, and released', async () => {
  const lock = ['--name', 'deploy', '-n', 'ci', '--holder', 'pipeline-4711'];
  const acquired = await run('acquire', ...lock, '--lease-duration', '1h', '-o', 'json');
  assert.equal(acquired.code, 0, acquired.stderr);
  assert.match(JSON.parse(acquired.stdout).holder, /^pipeline-4711/);
  const busy = await run(
    'acquire',
    '--name',
    'deploy',
    '-n',
    'ci',
    '--holder',
    'other',
    '--lease-duration',
    '1h',
    '--on-busy',
    'fail',
  );
  assert.equal(busy.code, 75, busy.stderr);
  assert.match((await run('status', 'deploy', '-n', 'ci')).stdout, /^Holder: +pipeline-4711/m);
  assert.equal((await run('release', ...lock)).code, 0);
  assert.match((await run('status', 'deploy', '-n', 'ci')).stdout, /^State: +Free/m);
});

test('a command runs under a lock, or is refused where there is no supervisor', async () => {
  const { code, stdout, stderr } = await run('run', '--name', 'command', '-n', 'ci', '--', process.execPath, '-p', '6*7');
  if (HAS_SUPERVISOR) assert.deepEqual([code, stdout], [0, '42\n'], stderr);
  else assert.match(stderr, /commands cannot be run under a lock on \S+: use one of linux-x64/);
});

test('the library works under a lock, and releases it', async () => {
  const lock = createLock({ name: 'library', namespace: 'ci', server: url });
  const token = await lock.withLock(async (held) => {
    held.signal.throwIfAborted();
    return held.token;
  });
  assert.match(token, /^\d+$/);
  assert.match((await run('status', 'library', '-n', 'ci')).stdout, /^State: +Free/m);
});

/** A guard while it runs: its status server, its log, and --on-lost warn. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import { EXIT } from '../../image/exit-codes.ts';
import { PROGRAM, tempFolder } from '../harness/guards.ts';
import { until } from '../harness/until.ts';
import { holderOf, leasePath, lockName, run, runArguments, SHORT, target } from './embedded.ts';

test('with --on-lost warn the command goes on without its lock, and is told so', async (t) => {
  const name = lockName();
  const alice = run(t, name, ['--on-lost', 'warn', '--', 'sh', '-c', 'echo ready; cat; exit 5']);
  await alice.prints(/ready/);
  await target.request(
    'PATCH',
    leasePath(name),
    { spec: { holderIdentity: 'thief' } },
    { contentType: 'application/merge-patch+json' },
  );
  await alice.says(/the command goes on WITHOUT the lock/);
  alice.input('');
  assert.equal((await alice.finished).code, 5);
  assert.equal(await holderOf(name), 'thief');
});

test('a full stderr that nobody reads does not keep the guard from renewing', async (t) => {
  const name = lockName();
  const args = runArguments(name, [...SHORT, '-v', '--', 'sh', '-c', 'head -c 5000000 /dev/zero >&2 & echo ready; cat']);
  const [file, ...before] = PROGRAM;
  const child = spawn(file, [...before, ...args], { stdio: ['pipe', 'pipe', 'pipe'], env: { PATH: process.env.PATH } });
  t.after(() => child.kill('SIGKILL'));
  await new Promise((resolve) => child.stdout.once('data', resolve));
  const renewed = async () => (await target.request('GET', leasePath(name))).body.spec.renewTime;
  const first = await renewed();
  const seen = new Set([first]);
  await until(async () => seen.add(await renewed()).size >= 7, 'it renews for longer than its duration');
  assert.equal(child.exitCode, null);
});

test('a full stderr that nobody reads does not keep the guard from ending', async (t) => {
  const name = lockName();
  const fifo = join(tempFolder(t), 'fifo');
  const script = 'mkfifo "$0"; exec 9<>"$0"; head -c 65536 /dev/zero >&9; exec "$@" 2>"$0"';
  const line = [...PROGRAM, ...runArguments(name, ['--', 'sh', '-c', 'exit 3'])];
  const child = spawn('sh', ['-c', script, fifo, ...line], { stdio: 'ignore', env: { PATH: process.env.PATH } });
  t.after(() => child.kill('SIGKILL'));
  const [code] = await once(child, 'exit');
  assert.equal(code, 3);
  assert.equal(await holderOf(name), '', 'released');
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
  const metrics = async () => (await get('/metrics')).text.replaceAll(/\{lock="lock-\d+",lock_namespace="\S+"\}/g, '');
  const waiting = await metrics();
  for (const line of [/^k8s_lease_lock_waiting 1$/m, /^k8s_lease_lock_queue_length 1$/m, /^k8s_lease_lock_held 0$/m])
    assert.match(waiting, line);
  first.input('');
  await alice.prints(/ready/);
  assert.equal((await get('/healthz')).status, 200);
  await alice.says(/renewed/);
  const text = await metrics();
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

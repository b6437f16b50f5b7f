/**
 * Nobody reads what a guard says: its standard error is a pipe that is full, and the one thread that its Node has for files is given. The lock is renewed
 * all the same, with a token that is read again from its file each time; a loss stops the command, and the end comes in time.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, existsSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { EXIT } from '../../image/exit-codes.ts';
import { PROGRAM, reach, tempFolder } from '../harness/guards.ts';
import { real, realCluster } from '../harness/real.ts';
import { until } from '../harness/until.ts';

/** A pipe that is full, as a file descriptor to write to; its reader is there, and does not read. */
function fullPipe(t: TestContext): number {
  const path = join(tempFolder(t), 'pipe');
  execFileSync('mkfifo', [path]);
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const filler = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
  try {
    for (;;) writeSync(filler, 'x'.repeat(4096));
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, 'EAGAIN');
  }
  const writer = openSync(path, constants.O_WRONLY);
  for (const fd of [reader, filler, writer]) t.after(() => closeSync(fd));
  return writer;
}

/** A guard that nobody listens to, with one thread; its command ends only when it is stopped, and writes down that it was. */
async function unheard(t: TestContext, ...options: string[]) {
  const cluster = await realCluster();
  const namespace = await cluster.namespace('unread');
  const path = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/deploy`;
  const marks = join(tempFolder(t), 'marks');
  const [file, ...before] = PROGRAM;
  const where = ['run', ...reach({ ...cluster, tokenFile: cluster.adminTokenFile }), '-n', namespace, '--name', 'deploy'];
  const command = `exec 2>/dev/null; trap 'echo stopped >>${marks}; exit 3' TERM; echo "started $UV_THREADPOOL_SIZE" >>${marks}; while :; do sleep 0.1; done`;
  const child = spawn(
    file,
    [...before, ...where, '-v', '--lease-duration', '3s', '--kill-grace', '500ms', ...options, '--', 'sh', '-c', command],
    {
      env: { PATH: process.env.PATH ?? '', HOME: '/nonexistent', UV_THREADPOOL_SIZE: '1' },
      stdio: ['ignore', 'ignore', fullPipe(t)],
    },
  );
  t.after(() => child.kill('SIGKILL'));
  const ended = once(child, 'exit').then(([code, signal]) => ({ code, signal }));
  const lease = async () => (await cluster.request('GET', path)).body;
  const said = () => (existsSync(marks) ? readFileSync(marks, 'utf8') : '');
  await until(() => said() !== '', 'the command has started');
  return { cluster, path, lease, said, ended, kill: (signal: NodeJS.Signals) => child.kill(signal) };
}

real('what nobody reads does not keep a guard from renewing, from releasing, and from ending', async (t) => {
  const { lease, said, ended, kill } = await unheard(t);
  assert.equal(said(), 'started 1\n', 'the environment of the command is as it was given');
  const renewed = new Set<string>();
  const again = async () => renewed.add((await lease()).spec.renewTime ?? '').size > 8;
  await until(again, 'it is renewed again and again: for twice as long as the lease lasts');
  assert.equal(said(), 'started 1\n');
  const began = performance.now();
  kill('SIGTERM');
  const { code, signal } = await ended;
  assert.ok(performance.now() - began < 5000, 'the end does not wait for a reader');
  assert.deepEqual([said(), (await lease()).spec.holderIdentity], ['started 1\nstopped\n', ''], `${code} ${signal}`);
});

real('what nobody reads does not keep a guard from stopping its command', async (t) => {
  const { cluster, path, lease, said, ended } = await unheard(t);
  const found = await lease();
  await cluster.request('PUT', path, { ...found, spec: { ...found.spec, holderIdentity: 'thief' } });
  const { code } = await ended;
  assert.deepEqual([code, said()], [EXIT.lost.code, 'started 1\nstopped\n']);
});

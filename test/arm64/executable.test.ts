/** The standalone executable for arm64 runs a command under a lock of a real API server; see all.ts for how it comes to run here. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { reach } from '../harness/guards.ts';
import { targets } from '../harness/targets.ts';

const program = fileURLToPath(new URL('../../build/executable/k8s-lease-lock-linux-arm64/k8s-lease-lock', import.meta.url));

for (const target of await targets()) {
  after(() => target.close());

  test(`a command under a lock, on the ${target.name} API server: its output, its exit code, and an end by a signal`, async () => {
    const namespace = await target.namespace('arm64');
    const run = async (...command: string[]) => {
      const args = ['run', ...reach(target), '-n', namespace, '--name', 'lock', '--', ...command];
      const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
      const said = { stdout: '', stderr: '' };
      for (const name of ['stdout', 'stderr'] as const)
        child[name].on('data', (bytes) => {
          said[name] += bytes;
        });
      const [code, signal] = await once(child, 'close');
      return { end: code ?? signal, ...said };
    };
    assert.equal((await run('true')).end, 0);
    const { end, stdout, stderr } = await run('sh', '-c', 'echo $LEASE_LOCK_NAME; exit 7');
    assert.deepEqual([end, stdout], [7, 'lock\n'], stderr);
    assert.match(stderr, /released/);
    assert.equal((await run('sh', '-c', 'kill -TERM $$')).end, 'SIGTERM');
  });
}

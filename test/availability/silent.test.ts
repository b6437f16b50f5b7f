/**
 * A watch that is open and says nothing any more, as behind a proxy whose other side is gone. Whoever is first in line reads now and then, all others by the
 * floor of the poll, about once a minute: so the lock comes to them late, and it comes.
 */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { faultProxy } from '../harness/fault-proxy.ts';
import { guard, reach } from '../harness/guards.ts';
import { real, realCluster } from '../harness/real.ts';
import { until } from '../harness/until.ts';

/** The poll, a fifth more, and what it takes until it has its turn. */
const FLOOR_MS = 90_000;

async function three(t: TestContext) {
  const cluster = await realCluster();
  const { url, ca, caFile, adminTokenFile: tokenFile } = cluster;
  const proxy = await faultProxy({ url, ca });
  t.after(() => proxy.close());
  const namespace = await cluster.namespace('silent');
  const run = (server: string, work: string) => {
    const lock = ['-n', namespace, '--name', 'deploy', '--lease-duration', '300s'];
    return guard(t, ['run', ...reach({ url: server, caFile, tokenFile }), ...lock, '--', 'sh', '-c', work]);
  };
  const alice = run(url, 'echo holds; read _');
  await alice.prints(/holds/);
  return { proxy, alice, run, direct: url };
}

real('the first in line has a silent watch: it learns by reading', async (t) => {
  const { proxy, alice, run } = await three(t);
  const bob = run(proxy.url, 'echo ran');
  await bob.says(/next in queue/);
  await until(() => proxy.openWatches() === 1, 'it watches');
  proxy.muteWatches();
  alice.input('\n');
  const { code, stdout, stderr } = await bob.finished;
  assert.deepEqual([code, stdout], [0, 'ran\n'], stderr);
});

real('another one has a silent watch: the floor of the poll finds it', async (t) => {
  const { proxy, alice, run, direct } = await three(t);
  const bob = run(direct, 'echo ran');
  await bob.says(/next in queue/);
  const carol = run(proxy.url, 'echo ran');
  await carol.says(/waiting for Lease/);
  await until(() => proxy.openWatches() === 1, 'it watches');
  proxy.muteWatches();
  alice.input('\n');
  await bob.finished;
  const began = performance.now();
  const { code, stdout, stderr } = await carol.finished;
  assert.deepEqual([code, stdout], [0, 'ran\n'], stderr);
  assert.ok(performance.now() - began < FLOOR_MS, `${performance.now() - began} ms`);
});

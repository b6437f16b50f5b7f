/** One Lease with client-go's own leader election, built from its Go module, on the real API server. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { leaderElector } from '../cluster/binaries.ts';
import { guard } from '../harness/guards.ts';
import { missing, real, realCluster } from '../harness/real.ts';
import { until } from '../harness/until.ts';

const elector = await leaderElector();
if (process.env.CI && typeof elector !== 'string') throw new Error('client-go can not be tested here, and CI has to');
const elected = typeof elector === 'string' ? real : test.skip;
const cluster = missing ? null : await realCluster();

function leader(t: TestContext, namespace: string, id: string) {
  const kubeconfig = cluster?.kubeconfig ?? '';
  const args = ['-kubeconfig', kubeconfig, '-namespace', namespace, '-name', 'deploy', '-id', id];
  const child = spawn(String(elector), args, { stdio: ['ignore', 'pipe', 'ignore'] });
  const lines = createInterface({ input: child.stdout });
  t.after(() => child.kill('SIGKILL'));
  return { kill: (signal: NodeJS.Signals) => child.kill(signal), leading: once(lines, 'line'), ended: once(child, 'exit') };
}

async function setup(t: TestContext) {
  if (!cluster) throw new Error('no cluster');
  const namespace = await cluster.namespace('leader');
  const run = (...args: string[]) =>
    guard(t, ['run', '--kubeconfig', cluster.kubeconfig, '-n', namespace, '--name', 'deploy', ...args]);
  const holder = async () => {
    const { body } = await cluster.request('GET', `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/deploy`);
    return body.spec.holderIdentity;
  };
  return { namespace, run, holder };
}

elected('a leader of client-go is waited for while it leads, and followed when it steps down', async (t) => {
  const { namespace, run, holder } = await setup(t);
  const other = leader(t, namespace, 'other');
  await other.leading;
  const bob = run('--', 'echo', 'ran');
  await bob.says(/held by other/);
  // Three of its lease durations and more, in which a client that judged by its own clock or by renewTime would have robbed it.
  const busy = await run('--timeout', '13s', '--', 'echo', 'ran').finished;
  assert.deepEqual([busy.code, busy.stdout], [75, ''], busy.stderr);
  assert.equal(await holder(), 'other');
  other.kill('SIGTERM');
  const { code, stderr } = await bob.finished;
  assert.equal(code, 0, stderr);
});

elected('a leader of client-go that was killed is followed after its own lease duration', async (t) => {
  const { namespace, run } = await setup(t);
  const other = leader(t, namespace, 'other');
  await other.leading;
  const bob = run('--', 'true');
  await bob.says(/held by other/);
  other.kill('SIGKILL');
  assert.equal((await bob.finished).code, 0);
});

elected('client-go waits for a guard that holds, and leads once the lock is released', async (t) => {
  const { namespace, run, holder } = await setup(t);
  const alice = run('--lease-duration', '4s', '--kill-grace', '500ms', '-v', '--', 'sh', '-c', 'echo ready; cat');
  await alice.prints(/ready/);
  const other = leader(t, namespace, 'other');
  await until(() => (alice.stderr.match(/renewed Lease/g)?.length ?? 0) >= 10, 'it renews for longer than its duration');
  assert.notEqual(await holder(), 'other');
  alice.input('');
  assert.equal((await alice.finished).code, 0);
  await other.leading;
  assert.equal(await holder(), 'other');
});

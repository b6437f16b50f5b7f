/** The workloads that the documents show are accepted by a real API server, and all of them use one lock. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { promisify } from 'node:util';
import type { Cluster } from '../harness/cluster.ts';
import { guard, tempFolder } from '../harness/guards.ts';
import { real, realCluster } from '../harness/real.ts';
import { until } from '../harness/until.ts';
import { read } from './documents.ts';
import { guardIn, injected, type PodSpec, placed, workloads } from './workloads.ts';

real(
  'the workloads in README, docs/ and examples/ are accepted by a real API server, and so is what inject makes of them',
  async (t) => {
    const cluster = await realCluster();
    const namespace = await cluster.namespace('image');
    const names = { ci: namespace, locks: await cluster.namespace('locks') };
    await cluster.serviceAccountToken({ namespace, name: 'default' });
    assert.ok(workloads().length >= 10);
    const folder = tempFolder(t);
    const kubeconfig = cluster.kubeconfigFor(cluster.adminToken, namespace);
    const create = async (text: string) => {
      const file = join(folder, 'workload.yaml');
      writeFileSync(file, placed(text, names));
      const line = ['--kubeconfig', kubeconfig, 'create', '--validate=strict', '-f', file];
      return (await promisify(execFile)(cluster.kubectl, [...line, '--dry-run=server'])).stdout;
    };
    for (const { text } of workloads()) {
      assert.match(await create(text), /created/, text);
      const guarded = await injected(text, folder);
      assert.equal(guarded !== text, /^ +lease-lock\.nullplatform\.com\/name:/m.test(text), text);
      assert.match(await create(guarded), /created/, guarded);
    }
  },
);

real('the workloads in README, docs/image.md, docs/sidecar.md and examples/ share one lock across namespaces', async (t) => {
  const cluster = await realCluster();
  const locks = await cluster.namespace('locks');
  const teams = [await cluster.namespace('team-a'), await cluster.namespace('team-b')];
  const folder = tempFolder(t);
  const shared = workloads().filter(({ from, text }) => from !== 'docs/inject.md' && /^kind: (Pod|Job|CronJob)$/m.test(text));
  assert.ok(shared.length >= 9);
  for (const ci of teams) {
    const kubeconfig = cluster.kubeconfigFor(await cluster.serviceAccountToken({ namespace: ci, name: 'default' }), ci);
    const lock = placed(read('examples/kubernetes/lock.yaml'), { ci, locks });
    await apply({ cluster, kubeconfig: cluster.kubeconfig, folder }, lock);
    for (const { from, text } of shared) {
      const manifest = await injected(placed(text, { ci, locks }), folder);
      const spec = await podSpecOf({ cluster, kubeconfig: cluster.kubeconfigFor(cluster.adminToken, ci), folder }, manifest);
      const taken = await takenBy(t, spec, { kubeconfig, folder, held: () => held(cluster, [locks, ...teams]) });
      assert.deepEqual(taken.locks, [`${locks}/nightly`], `${from} in ${ci}: ${taken.said}`);
    }
  }
});

interface Kubectl {
  cluster: Cluster;
  kubeconfig: string;
  folder: string;
}

async function apply({ cluster, kubeconfig, folder }: Kubectl, text: string, ...options: string[]): Promise<string> {
  const file = join(folder, 'manifest.yaml');
  writeFileSync(file, text);
  const line = ['--kubeconfig', kubeconfig, 'apply', '--server-side', '-f', file, ...options];
  return (await promisify(execFile)(cluster.kubectl, line)).stdout;
}

async function podSpecOf(kubectl: Kubectl, manifest: string): Promise<PodSpec> {
  const { spec } = JSON.parse(await apply(kubectl, manifest, '--dry-run=server', '-o', 'json'));
  return (spec.jobTemplate?.spec.template ?? spec.template ?? { spec }).spec;
}

async function held({ request }: Cluster, namespaces: string[]): Promise<string[]> {
  const lists = namespaces.map(async (namespace) => {
    const { body } = await request('GET', `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`);
    return body.items.filter(({ spec }) => spec.holderIdentity).map(({ metadata }) => `${namespace}/${metadata.name}`);
  });
  return (await Promise.all(lists)).flat();
}

/** Runs the guard of that Pod until it holds something, or has ended, and returns what is held by then. */
async function takenBy(
  t: TestContext,
  spec: PodSpec,
  { kubeconfig, folder, held }: { kubeconfig: string; folder: string; held(): Promise<string[]> },
): Promise<{ locks: string[]; said: string }> {
  const { args, env } = guardIn(spec);
  const files = args[0] === 'hold' && { K8S_LEASE_LOCK_DIR: folder, K8S_LEASE_LOCK_STATUS_PORT: '0' };
  const pod = guard(t, args, { env: { ...env, ...files, KUBECONFIG: kubeconfig } });
  let ended = false;
  void pod.finished.then(() => {
    ended = true;
  });
  let locks: string[] = [];
  await until(async () => {
    locks = await held();
    return locks.length > 0 || ended;
  }, 'the guard holds its lock');
  pod.kill('SIGTERM');
  await pod.finished;
  return { locks, said: pod.stderr };
}

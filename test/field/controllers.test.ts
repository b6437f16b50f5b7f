/**
 * Controllers that write what they know over a Lease that is held: a restore from a backup, a chart or an application that carries the Lease. Whatever
 * they write, never do two run, and a holder loses its lock only if it was taken from it. Their writes are those of the real kubectl.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import type { TestContext } from 'node:test';
import { EXIT } from '../../image/exit-codes.ts';
import { type Guard, guard } from '../harness/guards.ts';
import { real, realCluster } from '../harness/real.ts';
import { until } from '../harness/until.ts';

const OURS = 'lease-lock.nullplatform.com';

type Place = Awaited<ReturnType<typeof place>>;

function pipe([program = '', ...args]: string[], object: object): void {
  const { status, stderr } = spawnSync(program, [...args, '-f', '-'], { input: JSON.stringify(object), encoding: 'utf8' });
  assert.equal(status, 0, stderr);
}

async function place(t: TestContext, name = 'deploy') {
  const { kubeconfig, kubectl: program, namespace, request } = await realCluster();
  const ns = await namespace('controllers');
  const path = `/apis/coordination.k8s.io/v1/namespaces/${ns}/leases/${name}`;
  const kubectl = (args: string[], input: object) => pipe([program, '--kubeconfig', kubeconfig, '-n', ns, ...args], input);
  const lease = async () => (await request('GET', path)).body;
  const run = (holder: string, command: string[], ...more: string[]) =>
    guard(t, [
      ...['run', '--kubeconfig', kubeconfig, '-n', ns, '--name', name, '--holder', holder, '--lease-duration', '6s'],
      ...['--kill-grace', '500ms', ...more, '--', ...command],
    ]);
  const holding = async (holder: string, first = ':') => {
    const running = run(holder, ['sh', '-c', `${first}; echo running as $$; read _; echo done`]);
    await running.prints(/running as \d+/);
    return running;
  };
  /** Its command says whether that of the holder still runs. */
  const waiting = async (holder: string, before?: Guard) => {
    const pid = /running as (\d+)/.exec(before?.stdout ?? '')?.[1] ?? 'nobody';
    const command = ['sh', '-c', `if kill -0 ${pid} 2>/dev/null; then echo beside; else echo ran; fi`];
    const queued = run(holder, command, '--timeout', '60s');
    await queued.says(/waiting for Lease/);
    return queued;
  };
  const manifest = (metadata: object = {}, spec: object = {}) => ({
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name, namespace: ns, ...metadata },
    spec,
  });
  const renewed = async () => {
    const { metadata } = await lease();
    await until(async () => Number((await lease()).metadata.resourceVersion) > Number(metadata.resourceVersion), 'a renewal');
  };
  /** Deleted, and created from the backup before the holder has put it back: that can only be tried. */
  const restore = async (saved: object) => {
    for (let attempt = 0; attempt < 50; attempt++) {
      await request('DELETE', path);
      const { status } = await request('POST', path.replace(/\/[^/]*$/, ''), saved);
      if (status === 201) return;
      await until(async () => (await request('GET', path)).status === 200, 'the holder has put it back');
    }
    throw new Error('the holder was always faster');
  };
  return { kubectl, lease, holding, waiting, manifest, renewed, run, restore };
}

/** They end as they should, one after the other. */
async function oneAfterTheOther(alice: Guard, bob: Guard, code: number): Promise<void> {
  const first = await alice.finished;
  assert.equal(first.code, code, first.stderr);
  const second = await bob.finished;
  assert.deepEqual([second.code, second.stdout], [0, 'ran\n'], second.stderr);
}

const kept: Record<string, (p: Place) => void> = {
  'Argo CD: labels and the annotation of tracking, by kubectl apply on the client': ({ kubectl, manifest }) =>
    kubectl(['apply'], manifest({ labels: { 'app.kubernetes.io/instance': 'shop' } })),
  'Argo CD: the same by server-side apply': ({ kubectl, manifest }) =>
    kubectl(
      ['apply', '--server-side', '--force-conflicts', '--field-manager=argocd-controller'],
      manifest({ annotations: { 'argocd.argoproj.io/tracking-id': 'shop:coordination.k8s.io/Lease:ci/deploy' } }),
    ),
  'Helm: the labels of a release, by server-side apply': ({ kubectl, manifest }) =>
    kubectl(
      ['apply', '--server-side', '--force-conflicts', '--field-manager=helm'],
      manifest({ labels: { 'app.kubernetes.io/managed-by': 'Helm', 'helm.sh/chart': 'shop-1.0.0' } }),
    ),
};
for (const [what, write] of Object.entries(kept))
  real(`a manifest without a holder leaves the lock as it is. ${what}`, async (t) => {
    const p = await place(t);
    write(p);
    const alice = await p.holding('alice');
    const bob = await p.waiting('bob', alice);
    for (let sync = 0; sync < 3; sync++) {
      write(p);
      await p.renewed();
    }
    assert.match((await p.lease()).spec?.holderIdentity ?? '', /^alice\//);
    alice.input('\n');
    await oneAfterTheOther(alice, bob, 0);
    assert.match(JSON.stringify((await p.lease()).metadata), /shop/, 'what they wrote stays');
  });

const taken: Record<string, (p: Place) => void> = {
  'a manifest that names a holder, by server-side apply with force': ({ kubectl, manifest }) =>
    kubectl(
      ['apply', '--server-side', '--force-conflicts', '--field-manager=helm'],
      manifest({}, { holderIdentity: 'chart', leaseDurationSeconds: 6 }),
    ),
  'a manifest that names nobody, by server-side apply with force': ({ kubectl, manifest }) =>
    kubectl(
      ['apply', '--server-side', '--force-conflicts', '--field-manager=argocd-controller'],
      manifest({}, { holderIdentity: '', leaseDurationSeconds: 6 }),
    ),
};
for (const [what, write] of Object.entries(taken))
  real(`a holder whose name is overwritten has lost the lock, and nobody runs beside it: ${what}`, async (t) => {
    const p = await place(t);
    const alice = await p.holding('alice');
    const bob = await p.waiting('bob', alice);
    write(p);
    await oneAfterTheOther(alice, bob, EXIT.lost.code);
  });

real('kubectl replace with the manifest of a chart: annotations and holder are gone, the holder stops', async (t) => {
  const p = await place(t);
  // It takes its whole grace, and nothing in the Lease tells of it any more.
  const alice = await p.holding('alice', "trap '' TERM");
  const bob = await p.waiting('bob', alice);
  p.kubectl(['replace'], p.manifest());
  await oneAfterTheOther(alice, bob, EXIT.lost.code);
});

/** Without what a backup leaves out: uid, version, managedFields. */
const backup = ({ metadata: { name, namespace, labels, annotations }, spec }: Awaited<ReturnType<Place['lease']>>) => ({
  apiVersion: 'coordination.k8s.io/v1',
  kind: 'Lease',
  metadata: { name, namespace, labels: { ...labels, 'velero.io/restore-name': 'r' }, annotations },
  spec,
});

type Backup = ReturnType<typeof backup>;
const restores: [how: string, restore: (p: Place, saved: Backup) => Promise<void> | void, present: 'runs' | 'stops'][] = [
  ['deleted and created', ({ restore }, saved) => restore(saved), 'stops'],
  // Its entry stays beside the old one, which no process answers for.
  ['patched', ({ kubectl }, saved) => kubectl(['apply', '--server-side', '--force-conflicts'], saved), 'runs'],
];
for (const [how, restore, present] of restores) {
  real(`Velero, ${how}: under the same holder, it goes on`, async (t) => {
    const p = await place(t);
    const alice = await p.holding('alice');
    const bob = await p.waiting('bob', alice);
    const saved = backup(await p.lease());
    await p.renewed();
    await restore(p, saved);
    await p.renewed();
    alice.input('\n');
    await oneAfterTheOther(alice, bob, 0);
  });

  real(`Velero, ${how}: with a holder that has gone since, the present one ${present}, and nobody runs beside it`, async (t) => {
    const p = await place(t);
    const carol = await p.holding('carol');
    const saved = backup(await p.lease());
    carol.input('\n');
    await carol.finished;
    const alice = await p.holding('alice');
    const bob = await p.waiting('bob', alice);
    await restore(p, saved);
    if (present === 'runs') {
      await p.renewed();
      await p.renewed();
      assert.equal(bob.stdout, '');
      alice.input('\n');
    }
    await oneAfterTheOther(alice, bob, present === 'runs' ? 0 : EXIT.lost.code);
  });
}

real('a Lease restored into a new cluster, long after its holder has gone, is free after its duration', async (t) => {
  const p = await place(t);
  const carol = await p.holding('carol');
  const saved = backup(await p.lease());
  carol.input('\n');
  await carol.finished;
  await p.restore(saved);
  const bob = await p.waiting('bob');
  const { stdout, stderr } = await bob.finished;
  assert.equal(stdout, 'ran\n', stderr);
  const [, waited = '0'] = /acquired Lease \S+ after ([\d.]+)s/.exec(stderr) ?? [];
  assert.ok(Number(waited) > 5 && Number(waited) < 20, stderr);
});

real('Argo CD prunes, Helm uninstalls: the holder puts the Lease back and goes on, with the queue', async (t) => {
  const p = await place(t);
  p.kubectl(['apply'], p.manifest({ labels: { 'app.kubernetes.io/instance': 'shop' } }));
  const alice = await p.holding('alice');
  const bob = await p.waiting('bob', alice);
  p.kubectl(['delete', '--wait=false'], p.manifest());
  await until(async () => (await p.lease()).spec?.holderIdentity?.startsWith('alice/') ?? false, 'it is back');
  assert.match(Object.keys((await p.lease()).metadata.annotations ?? {}).join(), new RegExp(`waiter.${OURS}`));
  alice.input('\n');
  await oneAfterTheOther(alice, bob, 0);
});

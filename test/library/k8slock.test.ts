/** K8SLock as its users rely on it: kept, renewed once, resumed, lost; against the real API server where there is one, and the small one. */
import assert from 'node:assert/strict';
import { after, type TestContext, test } from 'node:test';
import { K8SLock, type K8SLockOptions, type LockError, type LockEvent } from '../../src/library/index.ts';
import { kubeconfigText } from '../harness/kubeconfig.ts';
import { real } from '../harness/real.ts';
import { type ApiTarget, targets } from '../harness/targets.ts';
import { until } from '../harness/until.ts';
import { OURS, place, script } from './workshop.ts';

const all = await targets();
after(() => Promise.all(all.map((target) => target.close())));

async function lease({ request }: ApiTarget, namespace: string) {
  return (await request('GET', `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/nightly`)).body;
}

/** Makes locks on one Lease of one target, all let go of with the test. */
async function shop(t: TestContext, target: ApiTarget) {
  const { KubeConfig } = await import('@kubernetes/client-node');
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromString(kubeconfigOf(target));
  const namespace = await target.namespace('k8slock');
  return {
    namespace,
    lock(options: Partial<K8SLockOptions> = {}) {
      const lock = new K8SLock({ kubeConfig, leaseName: 'nightly', namespace, lockLeaserId: 'worker-1', ...options });
      t.after(() => lock.stopLocking());
      return lock;
    },
  };
}

const kubeconfigOf = ({ url, caFile, token }: ApiTarget): string =>
  kubeconfigText({
    cluster: { server: url, ...(caFile && { 'certificate-authority': caFile }) },
    user: token ? { token } : {},
  });

for (const target of all) {
  test(`${target.name}: startLocking keeps the lock under just the id that was given, with the labels, until stopLocking`, async (t) => {
    const { namespace, lock } = await shop(t, target);
    const alice = lock({ labels: { team: 'a' }, leaseDurationInSeconds: 4, refreshLockInterval: 1 });
    const info = await alice.startLocking();
    assert.deepEqual([info.isLocking, alice.isLocking, alice.keepLocking], [true, true, true]);
    const first = await lease(target, namespace);
    assert.equal(first.spec.holderIdentity, 'worker-1');
    assert.deepEqual(first.metadata.labels, { 'app.kubernetes.io/managed-by': 'k8s-lease-lock', team: 'a' });
    await until(async () => (await lease(target, namespace)).spec.renewTime !== first.spec.renewTime, 'it is renewed');
    await alice.stopLocking('of another time');
    assert.equal(alice.isLocking, true, 'the id of another lock ends nothing');
    const { signal } = alice;
    await alice.stopLocking(info.lockId);
    assert.deepEqual([alice.isLocking, alice.keepLocking, alice.signal], [false, false, undefined]);
    assert.equal(signal?.aborted, false, 'letting go is no loss');
    assert.equal((await lease(target, namespace)).spec.holderIdentity, '');
    assert.notEqual((await alice.startLocking()).lockId, info.lockId);
  });

  test(`${target.name}: getLock acquires, then renews, and does not go on renewing`, async (t) => {
    const { namespace, lock } = await shop(t, target);
    const lost: LockError[] = [];
    const alice = lock({ leaseDurationInSeconds: 2, onLost: (error) => lost.push(error) });
    assert.equal(await alice.getLock(), true);
    const first = (await lease(target, namespace)).spec;
    assert.equal(await alice.getLock(), true);
    const second = (await lease(target, namespace)).spec;
    assert.notEqual(second.renewTime, first.renewTime);
    assert.equal(second.leaseTransitions, first.leaseTransitions);
    assert.deepEqual([alice.isLocking, alice.keepLocking], [true, false]);
    const { signal } = alice;
    await until(() => !alice.isLocking, 'its time is over');
    await until(() => signal?.aborted === true, 'and that is told');
    assert.deepEqual(await lease(target, namespace).then(({ spec }) => spec), second);
    assert.match(lost[0]?.message ?? '', /was not renewed by getLock, nor kept by startLocking/);
  });

  test(`${target.name}: getLock is false while somebody else has the lock, and waits with true`, async (t) => {
    const { lock } = await shop(t, target);
    const [alice, bob] = [lock({ lockLeaserId: 'alice' }), lock({ lockLeaserId: 'bob' })];
    await alice.startLocking();
    assert.equal(await bob.getLock(), false);
    const waiting = bob.getLock(true);
    await alice.stopLocking();
    assert.equal(await waiting, true);
    assert.equal(await alice.getLock(), false);
  });

  test(`${target.name}: a lock that getLock took is kept by startLocking without being given up`, async (t) => {
    const { namespace, lock } = await shop(t, target);
    const alice = lock();
    await alice.getLock();
    const { signal } = alice;
    const { leaseTransitions } = (await lease(target, namespace)).spec;
    await alice.startLocking();
    assert.deepEqual([alice.keepLocking, alice.signal === signal], [true, true]);
    assert.equal((await lease(target, namespace)).spec.leaseTransitions, leaseTransitions);
  });

  test(`${target.name}: stopLocking ends a wait, and leaves nothing in the queue`, async (t) => {
    const { namespace, lock } = await shop(t, target);
    await lock({ lockLeaserId: 'alice' }).startLocking();
    const bob = lock({ lockLeaserId: 'bob' });
    const [one, two] = [bob.startLocking(), bob.startLocking()];
    const queued = async () => JSON.stringify((await lease(target, namespace)).metadata.annotations).includes('"waiter.');
    await until(queued, 'bob waits');
    await bob.stopLocking();
    assert.deepEqual([(await one).isLocking, (await two).isLocking], [false, false]);
    assert.equal(await queued(), false);
  });

  test(`${target.name}: what is called without waiting comes one after the other`, async (t) => {
    const { namespace, lock } = await shop(t, target);
    const alice = lock();
    assert.deepEqual(await Promise.all([alice.getLock(true), alice.getLock(), alice.getLock(true)]), [true, false, true]);
    const first = alice.startLocking();
    const stopped = alice.stopLocking();
    const second = alice.startLocking();
    assert.deepEqual([(await first).isLocking, (await second).isLocking], [false, true]);
    await stopped;
    void alice.stopLocking();
    const third = await alice.startLocking();
    const { spec } = await lease(target, namespace);
    assert.deepEqual([third.isLocking, alice.signal?.aborted, spec.holderIdentity], [true, false, 'worker-1']);
  });

  test(`${target.name}: two processes with one id exclude each other, and with resume a restarted one goes on immediately`, async (t) => {
    const namespace = await target.namespace('k8slock');
    const files = JSON.stringify(kubeconfigOf(target));
    const worker = (resume: boolean, act: string) =>
      script(
        t,
        `const { K8SLock } = require('${OURS}');
        const { KubeConfig } = require('@kubernetes/client-node');
        const kubeConfig = new KubeConfig();
        kubeConfig.loadFromString(${files});
        const lock = new K8SLock({ kubeConfig, leaseName: 'nightly', namespace: '${namespace}', lockLeaserId: 'worker-0', resume: ${resume},
          onEvent: ({ type, from }) => type === 'resumed' && console.log('resumed', from.id) });
        ${act}.then((result) => console.log('got', JSON.stringify(result.isLocking ?? result)));`,
        {},
      );
    const first = worker(true, 'lock.startLocking()');
    await first.says(/got true/);
    const { leaseTransitions } = (await lease(target, namespace)).spec;
    const second = worker(false, 'lock.getLock()');
    await second.says(/got false/);
    assert.equal(await second.finished, 0, 'nothing keeps it running');
    first.kill();
    await first.finished;
    const third = worker(false, 'lock.getLock()');
    await third.says(/got false/);
    const heir = worker(true, 'lock.startLocking()');
    await heir.says(/resumed worker-0\s+got true/); // with 30 s of the lease still to go
    assert.equal((await lease(target, namespace)).spec.leaseTransitions, leaseTransitions);
  });

  test(`${target.name}: a loss is told once, in time, and what a hook throws is nobody's trouble`, async (t) => {
    const { namespace, lock } = await shop(t, target);
    const lost: LockError[] = [];
    const alice = lock({
      onLost(error) {
        lost.push(error);
        throw new Error('of the hook');
      },
      async onEvent() {
        throw new Error('of the other hook');
      },
    });
    const { lockId } = await alice.startLocking();
    const { signal } = alice;
    const found = await lease(target, namespace);
    const path = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/nightly`;
    await target.request('PUT', path, { ...found, spec: { ...found.spec, holderIdentity: 'thief' } });
    await until(() => !alice.isLocking, 'the loss is known');
    assert.deepEqual([lost.length, lost[0]?.code, signal?.reason === lost[0]], [1, 'lost', true]);
    assert.match(lost[0]?.message ?? '', new RegExp(`the lock ${namespace}/nightly is lost: it is held by thief`));
    assert.equal(alice.signal, signal, 'those who ask late are told, too');
    await alice.stopLocking(lockId);
    assert.equal((await lease(target, namespace)).spec.holderIdentity, 'thief');
  });

  test(`${target.name}: a lock that ran out and was another's meanwhile is lost, and a new one has a signal of its own`, async (t) => {
    const { namespace, lock } = await shop(t, target);
    const lost: LockError[] = [];
    const alice = lock({ lockLeaserId: 'alice', leaseDurationInSeconds: 2, onLost: (error) => lost.push(error) });
    await alice.getLock();
    const before = alice.signal;
    const bob = lock({ lockLeaserId: 'bob' });
    await bob.getLock(true);
    assert.deepEqual([before?.aborted, alice.signal === before, lost.length], [true, true, 1]);
    assert.equal(await alice.getLock(), false);
    await bob.stopLocking();
    assert.equal(await alice.getLock(), true);
    assert.deepEqual([alice.signal?.aborted, lost.length], [false, 1]);
    await alice.stopLocking();
    assert.equal((await lease(target, namespace)).spec.holderIdentity, '');
  });

  test(`${target.name}: a Lease that is missing is refused where it may not be made`, async (t) => {
    const { lock } = await shop(t, target);
    const refused = await lock({ createLeaseIfNotExist: false })
      .getLock()
      .catch((error: LockError) => error);
    assert.ok(typeof refused === 'object');
    assert.deepEqual([refused.name, refused.code, refused.status], ['LockError', 'refused', 404]);
  });
}

real('real: under a Role without watch, as 0.2.5 had it, a waiter looks every lockTryInterval', async (t) => {
  const { KubeConfig } = await import('@kubernetes/client-node');
  const there = await place({ watch: false });
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromFile(there.kubeconfig);
  const trouble: string[] = [];
  const make = (lockLeaserId: string) => {
    const { namespace, name } = there;
    const onEvent = (event: LockEvent) => event.type === 'trouble' && trouble.push(event.message);
    const lock = new K8SLock({ kubeConfig, leaseName: name, namespace, lockLeaserId, lockTryInterval: 1000, onEvent });
    t.after(() => lock.stopLocking());
    return lock;
  };
  const [alice, bob] = [make('alice'), make('bob')];
  await alice.startLocking();
  const waiting = bob.startLocking();
  await until(() => trouble.some((message) => message.includes('watching')), 'there is no watch, and that is told');
  const releasedAt = performance.now();
  await alice.stopLocking();
  await waiting;
  assert.ok(performance.now() - releasedAt < 10_000, 'long before the minute after which everybody looks');
});

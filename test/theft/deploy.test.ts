/** The manifests of deploy/ are applied as a user applies them, and do what they say. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { tempFolder } from '../harness/guards.ts';
import { real, realCluster } from '../harness/real.ts';
import { until } from '../harness/until.ts';
import { applyFolder, guardedNamespace, LOCK, leaseOf } from './lab.ts';

real('in the namespace for locks a service account of ci has the lock deploy, guarded, and no other', async () => {
  const cluster = await realCluster();
  await applyFolder(cluster, 'deploy/holders');
  assert.match(await applyFolder(cluster, 'deploy/namespace'), /namespace\/locks /);
  await cluster.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'ci' } });
  const token = await cluster.serviceAccountToken({ namespace: 'ci', name: 'deployer' });
  const make = (name: string, holder: string) => {
    const lease = leaseOf({ namespace: 'locks' }, holder);
    const path = `/apis/coordination.k8s.io/v1/namespaces/locks/leases/${name}?dryRun=All&fieldManager=x`;
    return cluster.request('PUT', path, { ...lease, metadata: { ...lease.metadata, name } }, { token });
  };
  const mine = 'user/system:serviceaccount:ci:deployer/1';
  await until(async () => (await make('deploy', mine)).status === 201, 'it may make the lock');
  await until(async () => (await make('deploy', 'somebody')).status === 403, 'the policy is at work');
  assert.match((await make('deploy', 'somebody')).text, /is not yours: it must be user\/system:serviceaccount:ci:deployer or/);
  assert.match((await make('other', mine)).text, /cannot (create|update) resource/);
});

real('Events may be written by Pods of that namespace', async () => {
  const cluster = await realCluster();
  await applyFolder(cluster, 'deploy/namespace');
  const token = await cluster.serviceAccountToken({ namespace: 'locks', name: 'worker' });
  const event = {
    apiVersion: 'events.k8s.io/v1',
    kind: 'Event',
    metadata: { namespace: 'locks', generateName: 'x-' },
    eventTime: new Date().toISOString().replace('Z', '000Z'),
    reportingController: 'lease-lock.nullplatform.com/guard',
    reportingInstance: 'x',
    action: 'Wait',
    reason: 'LockWaiting',
    type: 'Normal',
    regarding: { apiVersion: 'v1', kind: 'Pod', namespace: 'locks', name: 'x' },
  };
  const path = '/apis/events.k8s.io/v1/namespaces/locks/events?dryRun=All';
  await until(async () => (await cluster.request('POST', path, event, { token })).status === 201, 'it may');
});

real('requests for locks go with those of leader elections', async () => {
  const cluster = await realCluster();
  await applyFolder(cluster, 'deploy/namespace');
  await applyFolder(cluster, 'deploy/flow-schema');
  const schema = await cluster.request('GET', '/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas/lease-lock');
  const token = await cluster.serviceAccountToken({ namespace: 'locks', name: 'worker' });
  const schemaOf = async (namespace: string) => {
    const { headers } = await cluster.request(
      'GET',
      `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/deploy`,
      undefined,
      { token },
    );
    return headers['x-kubernetes-pf-flowschema-uid'];
  };
  await until(async () => (await schemaOf('locks')) === schema.body.metadata.uid, 'it is served by that schema');
  assert.notEqual(await schemaOf('default'), schema.body.metadata.uid);
});

real('the Role of docs/theft.md breaks a lock by the command of docs/theft.md', async (t) => {
  const cluster = await realCluster();
  const lab = await guardedNamespace(t, cluster);
  const alice = await lab.contender(lab.user('alice'));
  const lock = await alice.take();
  const bob = await lab.contender(lab.user('bob'));
  const taking = bob.take();
  await until(() => bob.events.some(({ type }) => type === 'waiting'), 'it stands in the queue');
  const document = readFileSync(new URL('../../docs/theft.md', import.meta.url), 'utf8');
  const [, role = ''] = /```yaml\n([\s\S]*?)```/.exec(document) ?? [];
  const [, patch = ''] = /^kubectl patch .* -p '([^']*)'$/m.exec(document) ?? [];
  const file = join(tempFolder(t), 'role.yaml');
  writeFileSync(file, role.replace('namespace: ci', `namespace: ${lab.namespace}`));
  const kubectl = (...args: string[]) =>
    promisify(execFile)(cluster.kubectl, ['--kubeconfig', cluster.kubeconfig, '-n', lab.namespace, ...args]);
  const placed = async () => {
    const { metadata } = await lab.lease();
    const key = Object.keys(metadata.annotations ?? {}).find((name) => name.startsWith('holder.')) ?? '';
    return patch.replace('48211', metadata.resourceVersion).replace(/holder\.[^"]+/, key);
  };
  const breakIt = async () => await kubectl('--as', 'breaker', 'patch', 'lease', LOCK, '--type', 'merge', '-p', await placed());
  await assert.rejects(breakIt(), /cannot (get|patch) resource/);
  await kubectl('create', '-f', file);
  await kubectl('create', 'rolebinding', 'breaker', '--role', 'lease-lock-deploy-force', '--user', 'breaker');
  await until(
    () =>
      breakIt().then(
        () => true,
        () => false,
      ),
    'it may',
  );
  await until(() => lock.isLost(), 'the holder learns of it');
  assert.match(String(lock.lost.reason), /another client cleared the lock|it is held by user\/bob/);
  const his = await taking;
  assert.equal((await his.release()).kind, 'released');
});

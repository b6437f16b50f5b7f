/** `doctor`: what it finds where all is well, where rights are missing, and where nothing answers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'yaml';
import { EXIT } from '../../image/exit-codes.ts';
import { guard, reach } from '../harness/guards.ts';
import { real, realCluster } from '../harness/real.ts';
import { namespace, target } from './embedded.ts';

test('on a server without users it says what it cannot know, and finds no problem', async (t) => {
  const { code, stdout } = await guard(t, ['doctor', 'deploy', ...reach(target), '-n', namespace]).finished;
  assert.equal(code, 0, stdout);
  assert.match(stdout, /^cluster +ok +http:\S+, from /);
  assert.match(stdout, /\nrights +unknown +/);
  assert.match(stdout, /\nlease +ok +Lease \S+\/deploy does not exist yet/);
});

test('where nothing answers, that is the finding', async (t) => {
  const { code, stdout } = await guard(t, ['doctor', '--server', 'http://127.0.0.1:9', '-o', 'json']).finished;
  assert.equal(code, EXIT.unreachable.code);
  const { findings } = JSON.parse(stdout);
  assert.deepEqual([findings.at(-1).check, findings.at(-1).kind], ['server', 'unreachable']);
});

real('missing rights are named, with the command that gives them; with these there is no problem', async (t) => {
  const cluster = await realCluster();
  const there = await cluster.namespace('doctor');
  const KUBECONFIG = cluster.kubeconfigFor(cluster.userToken(9), there);
  const examine = () => guard(t, ['doctor', 'deploy'], { env: { KUBECONFIG } }).finished;
  const before = await examine();
  assert.equal(before.code, EXIT.refused.code, before.stdout);
  assert.match(before.stdout, /\nserver +ok +Kubernetes v\d+\.\d+\.\d+/);
  assert.match(before.stdout, /\ncaller +ok +user-9\n/);
  assert.match(before.stdout, /\nrights +PROBLEM +not allowed: get, watch, create, update on Lease \S+\/deploy\n/);
  const [, fix = ''] = /fix: k8s-lease-lock (rbac .*) \| kubectl/.exec(before.stdout) ?? [];
  const manifests = (await guard(t, fix.split(' ')).finished).stdout;
  for (const manifest of manifests.split('---\n')) await cluster.apply(parse(manifest));
  const after = await examine();
  assert.equal(after.code, 0, after.stdout);
  assert.match(after.stdout, /\nrights +ok +get, watch, create, update on/);
  assert.match(after.stdout, /\nunlock +ok +may not break a lock/);
});

real('a Lease whose fields are not tracked is found', async (t) => {
  const cluster = await realCluster();
  const there = await cluster.namespace('doctor');
  const lease = {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name: 'untracked', namespace: there },
    spec: {},
  };
  assert.equal((await cluster.request('POST', `/apis/coordination.k8s.io/v1/namespaces/${there}/leases`, lease)).status, 201);
  const env = { KUBECONFIG: cluster.kubeconfigFor(cluster.adminToken, there) };
  const { code, stdout } = await guard(t, ['doctor', 'untracked'], { env }).finished;
  assert.equal(code, 0, stdout);
  assert.match(stdout, /\nlease +warning +the fields of \S+ \S+ are not tracked/);
});

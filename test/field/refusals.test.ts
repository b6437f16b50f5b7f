/**
 * A 403 that no Role helps, and one that a Role does: each says what would help, and what it says helps. From the real API server.
 * Reported as kubernetes/kubectl#1319, open-policy-agent/gatekeeper#256, kyverno/kyverno#12996.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { EXIT } from '../../image/exit-codes.ts';
import { account } from '../e2e/account.ts';
import type { Cluster } from '../harness/cluster.ts';
import { guard, PROGRAM, reach, tempFolder } from '../harness/guards.ts';
import { real, realCluster } from '../harness/real.ts';
import { until } from '../harness/until.ts';

const LEASE = 'deploy';

async function attempt(t: TestContext, cluster: Cluster, namespace: string, tokenFile = cluster.adminTokenFile) {
  const { url, caFile } = cluster;
  return await guard(t, ['run', ...reach({ url, caFile, tokenFile }), '-n', namespace, '--name', LEASE, '--', 'echo', 'ran'])
    .finished;
}

real('RBAC: the command that is printed for the user gives the right', async (t) => {
  const cluster = await realCluster();
  const namespace = await cluster.namespace('refused');
  const { tokenFile } = await account(t, cluster, { namespace, name: 'worker', verbs: ['get'] });
  const { code, stderr } = await attempt(t, cluster, namespace, tokenFile);
  assert.equal(code, EXIT.refused.code, stderr);
  const [, args = ''] = /: k8s-lease-lock (rbac .*) \| kubectl apply -f - /.exec(stderr) ?? [];
  assert.match(args, /--for serviceaccount:\S+\/worker$/, stderr);
  const script = `"$@" ${args} | "$KUBECTL" --kubeconfig "$ADMIN" apply -f -`;
  const env = { PATH: process.env.PATH, HOME: tempFolder(t), KUBECTL: cluster.kubectl, ADMIN: cluster.kubeconfig };
  const applied = spawnSync('bash', ['-o', 'pipefail', '-c', script, 'bash', ...PROGRAM], { env, encoding: 'utf8' });
  assert.equal(applied.status, 0, applied.stderr);
  let last = { code: EXIT.refused.code as number | null, stdout: '' };
  // The API server reads its Roles a moment later.
  await until(async () => {
    last = await attempt(t, cluster, namespace, tokenFile);
    return last.code !== EXIT.refused.code;
  }, 'it may');
  assert.deepEqual([last.code, last.stdout], [0, 'ran\n']);
});

real('no credentials: it says that there were none', async (t) => {
  const cluster = await realCluster();
  const { url, caFile } = cluster;
  const file = join(tempFolder(t), 'config');
  const contexts = [{ name: 'here', context: { cluster: 'here', user: 'nobody' } }];
  const clusters = [{ name: 'here', cluster: { server: url, 'certificate-authority': caFile } }];
  writeFileSync(file, JSON.stringify({ 'current-context': 'here', contexts, clusters, users: [{ name: 'nobody', user: {} }] }));
  const args = ['run', '--kubeconfig', file, '-n', 'default', '--name', LEASE, '--', 'true'];
  const { code, stderr } = await guard(t, args).finished;
  assert.equal(code, EXIT.refused.code, stderr);
  assert.match(
    stderr,
    /The request had no credentials, or none that https:\S+ knows|401: the API server does not accept the credentials/,
  );
});

real('a quota that is used up: its name, and no word of rights', async (t) => {
  const cluster = await realCluster();
  const namespace = await cluster.namespace('quota');
  const hard = { 'count/leases.coordination.k8s.io': '0' };
  const quota = await cluster.apply({
    apiVersion: 'v1',
    kind: 'ResourceQuota',
    metadata: { name: 'few', namespace },
    spec: { hard },
  });
  // What the quota controller would do.
  const status = { hard, used: hard };
  await cluster.request('PUT', `/api/v1/namespaces/${namespace}/resourcequotas/few/status`, { ...quota, status });
  let last = await attempt(t, cluster, namespace);
  await until(async () => {
    if (last.code === 0) last = await attempt(t, cluster, namespace);
    return last.code !== 0;
  }, 'the quota counts');
  assert.equal(last.code, EXIT.refused.code, last.stderr);
  assert.match(last.stderr, /exceeded quota: few.*Raise the ResourceQuota few in namespace \S+, or delete Leases there/);
  assert.doesNotMatch(last.stderr, /Allow get/);
});

real('a namespace that is being deleted', async (t) => {
  const cluster = await realCluster();
  const namespace = await cluster.namespace('leaving');
  await cluster.request('DELETE', `/api/v1/namespaces/${namespace}`);
  const { code, stderr } = await attempt(t, cluster, namespace);
  assert.equal(code, EXIT.refused.code, stderr);
  assert.match(stderr, /is being terminated\. The namespace \S+ is being deleted: use another, or create it again/);
});

for (const status of [400, 403, 404, 409, 422]) {
  real(`a webhook that denies with ${status}: its words, and no endless wait`, async (t) => {
    const cluster = await realCluster();
    const namespace = await cluster.namespace('denied');
    await denying(t, cluster, { namespace, code: status, message: `no locks on Fridays (${status})` });
    let last = await attempt(t, cluster, namespace);
    await until(async () => {
      if (last.code === 0) last = await attempt(t, cluster, namespace);
      return last.code !== 0;
    }, 'the webhook is asked');
    assert.match(
      last.stderr,
      new RegExp(`${status}: admission webhook "locks\\.example\\.com" denied the request: no locks on Fridays`),
    );
    assert.match(last.stderr, /More rights do not help/);
    assert.equal(last.code, status === 403 ? EXIT.refused.code : EXIT.configuration.code);
  });
}

function certificate(t: TestContext) {
  const folder = tempFolder(t);
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=127.0.0.1'];
  execFileSync('openssl', [...request, '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', cert], {
    stdio: 'ignore',
  });
  return { cert: readFileSync(cert), key: readFileSync(key) };
}

/** A webhook of this test's own that denies every write to a Lease of one namespace. */
async function denying(
  t: TestContext,
  cluster: Cluster,
  { namespace, code, message }: { namespace: string; code: number; message: string },
) {
  const { cert, key } = certificate(t);
  const server = createServer({ cert, key }, (asked, answer) => {
    let text = '';
    asked.on('data', (chunk) => {
      text += chunk;
    });
    asked.on('end', () => {
      const { apiVersion, kind, request } = JSON.parse(text);
      const response = { uid: request.uid, allowed: false, status: { code, message } };
      answer.setHeader('content-type', 'application/json').end(JSON.stringify({ apiVersion, kind, response }));
    });
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const name = `deny-${namespace}`;
  const collection = '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations';
  t.after(async () => {
    await cluster.request('DELETE', `${collection}/${name}`);
    server.closeAllConnections();
    server.close();
  });
  await cluster.request('POST', collection, {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingWebhookConfiguration',
    metadata: { name },
    webhooks: [
      {
        name: 'locks.example.com',
        admissionReviewVersions: ['v1'],
        sideEffects: 'None',
        failurePolicy: 'Fail',
        clientConfig: {
          url: `https://127.0.0.1:${(server.address() as AddressInfo).port}/`,
          caBundle: cert.toString('base64'),
        },
        namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
        rules: [
          { apiGroups: ['coordination.k8s.io'], apiVersions: ['v1'], resources: ['leases'], operations: ['CREATE', 'UPDATE'] },
        ],
      },
    ],
  });
}

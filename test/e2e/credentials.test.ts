/** Credentials that change or come from elsewhere: they count from the next request on. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { BUNDLE, guard, reach, tempFolder } from '../harness/guards.ts';
import { SUFFICIENT } from '../harness/rbac.ts';
import { real, realCluster } from '../harness/real.ts';
import { until } from '../harness/until.ts';
import { account } from './account.ts';

real('a token that is replaced in its file counts from the next request on', async (t) => {
  const cluster = await realCluster();
  const { url, caFile, namespace, request } = cluster;
  const ns = await namespace('rotate');
  const before = await account(t, cluster, { namespace: ns, name: 'before', verbs: SUFFICIENT });
  const { token: next } = await account(t, cluster, { namespace: ns, name: 'next', verbs: SUFFICIENT });
  const args = ['--lease-duration', '3s', '--kill-grace', '300ms', '-v', '--', 'sh', '-c', 'echo ready; cat'];
  const alice = guard(t, ['run', ...reach({ url, caFile, tokenFile: before.tokenFile }), '-n', ns, '--name', 'deploy', ...args]);
  await alice.prints(/ready/);
  writeFileSync(before.tokenFile, next);
  assert.equal((await request('DELETE', `/apis/rbac.authorization.k8s.io/v1/namespaces/${ns}/rolebindings/before`)).status, 200);
  const renewals = () => alice.stderr.match(/renewed Lease/g)?.length ?? 0;
  const enough = renewals() + 6;
  await until(() => renewals() >= enough, `it goes on renewing: ${alice.stderr}`);
  alice.input('');
  assert.equal((await alice.finished).code, 0);
});

real('a certificate authority that is replaced in its file counts from the next request on', async (t) => {
  const cluster = await realCluster();
  const { url, ca, adminTokenFile: tokenFile, clientCertificate, namespace } = cluster;
  const caFile = join(tempFolder(t), 'ca.crt');
  cpSync(clientCertificate.certificate, caFile);
  const args = ['-n', await namespace('ca'), '--name', 'deploy', '--', 'true'];
  const alice = guard(t, ['run', ...reach({ url, caFile, tokenFile }), ...args]);
  await alice.says(/certificate.*trying again/);
  writeFileSync(caFile, ca);
  assert.equal((await alice.finished).code, 0);
});

real('in a Pod three files are enough, and @kubernetes/client-node is not even there', async (t) => {
  if (process.getuid?.() !== 0) {
    if (process.env.CI) throw new Error('the Pod files are mounted in a namespace of their own: that takes root');
    return t.skip('the Pod files are mounted in a namespace of their own: that takes root');
  }
  const cluster = await realCluster();
  const { url, ca, namespace } = cluster;
  const ns = await namespace('pod');
  const { token } = await account(t, cluster, { namespace: ns, name: 'enough', verbs: SUFFICIENT });
  const folder = tempFolder(t);
  mkdirSync(join(folder, 'files'));
  for (const [name, text] of Object.entries({ token, 'ca.crt': ca, namespace: ns }))
    writeFileSync(join(folder, 'files', name), text);
  const bundle = join(folder, 'cli');
  cpSync(dirname(BUNDLE), bundle, { recursive: true });
  const chunks = readdirSync(bundle).filter(
    (name) => name.endsWith('.js') && readFileSync(join(bundle, name), 'utf8').includes('loadFromClusterAndUser'),
  );
  assert.equal(chunks.length, 1, 'client-node is a chunk of its own');
  for (const chunk of chunks) rmSync(join(bundle, chunk));
  const { hostname, port } = new URL(url);
  const mount =
    'mount -t tmpfs tmpfs /var/run && mkdir -p /var/run/secrets/kubernetes.io && cp -r "$1" /var/run/secrets/kubernetes.io/serviceaccount';
  const script = `${mount} && shift && exec "$@"`;
  const command = ['run', '--name', 'deploy', '--', 'sh', '-c', 'echo $LEASE_LOCK_NAMESPACE $LEASE_LOCK_HOLDER'];
  const env = { PATH: process.env.PATH ?? '', KUBERNETES_SERVICE_HOST: hostname, KUBERNETES_SERVICE_PORT: port };
  const args = ['-m', 'sh', '-c', script, 'sh', join(folder, 'files'), process.execPath, join(bundle, 'index.js'), ...command];
  const printed = execFileSync('unshare', args, { env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  assert.match(printed, new RegExp(`^${ns} user/\\S+\n$`));
});

/** How the guard finds its cluster by kubeconfigs and proxies: as kubectl does. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { EXIT } from '../../image/exit-codes.ts';
import type { Cluster } from '../harness/cluster.ts';
import { guard, tempFolder } from '../harness/guards.ts';
import { kubeconfigText } from '../harness/kubeconfig.ts';
import { SUFFICIENT } from '../harness/rbac.ts';
import { real, realCluster } from '../harness/real.ts';
import { account } from './account.ts';

real(
  'every form of kubeconfig: several files, a context by name, an exec plugin, a client certificate, TLS that is switched off',
  async (t) => {
    const cluster = await realCluster();
    const namespace = await cluster.namespace('kubeconfig');
    const { token } = await account(t, cluster, { namespace, name: 'enough', verbs: SUFFICIENT });
    const KUBECONFIG = kubeconfigs(t, cluster, { token, namespace });
    const run = (args: string[], env = {}) =>
      guard(t, ['run', '--name', 'deploy', ...args], { env: { KUBECONFIG, ...env } }).finished;
    for (const args of [[], ['--context', 'good-exec'], ['--context', 'good-certificate'], ['--context', 'insecure-token']]) {
      const { code, stderr, stdout } = await run([...args, '--', 'sh', '-c', 'echo $LEASE_LOCK_NAMESPACE']);
      assert.deepEqual([code, stdout], [0, `${namespace}\n`], stderr);
    }
    const untrusted = await run(['--context', 'untrusted-token', '--timeout', '500ms', '--', 'echo', 'ran'], {
      NODE_TLS_REJECT_UNAUTHORIZED: '0',
    });
    const switched = 'an environment variable must not switch TLS off';
    assert.deepEqual([untrusted.code, untrusted.stdout], [EXIT.configuration.code, ''], switched);
    assert.match(untrusted.stderr, /its certificate is not trusted: name its certificate authority/);
    const unknown = await run(['--context', 'other', '--', 'true']);
    assert.equal(unknown.code, EXIT.configuration.code);
    assert.match(unknown.stderr, /it has no context "other" \(it has: good-token, /);
  },
);

/** Two files, and one that is missing, as KUBECONFIG names them: every cluster with every user, and a cluster that the first one shadows. */
function kubeconfigs(
  t: TestContext,
  { url, ca, clientCertificate }: Cluster,
  { token, namespace }: { token: string; namespace: string },
): string {
  const folder = tempFolder(t);
  const file = (name: string, config: object) => {
    writeFileSync(join(folder, name), JSON.stringify({ apiVersion: 'v1', kind: 'Config', ...config }));
    return join(folder, name);
  };
  const script = join(folder, 'credential');
  const credential = { apiVersion: 'client.authentication.k8s.io/v1', kind: 'ExecCredential', status: { token } };
  writeFileSync(script, `#!/bin/sh\ncat <<'E'\n${JSON.stringify(credential)}\nE\n`, { mode: 0o755 });
  const exec = { apiVersion: 'client.authentication.k8s.io/v1', command: script, interactiveMode: 'Never' };
  const clusters = [
    { name: 'good', cluster: { server: url, 'certificate-authority-data': Buffer.from(ca).toString('base64') } },
    { name: 'insecure', cluster: { server: url, 'insecure-skip-tls-verify': true } },
    { name: 'untrusted', cluster: { server: url } },
  ];
  const users = [
    { name: 'token', user: { token } },
    { name: 'exec', user: { exec } },
    { name: 'certificate', user: { 'client-certificate': clientCertificate.certificate, 'client-key': clientCertificate.key } },
  ];
  const contexts = clusters.flatMap(({ name: cluster }) =>
    users.map(({ name: user }) => ({ name: `${cluster}-${user}`, context: { cluster, user, namespace } })),
  );
  const shadowed = [{ name: 'good', cluster: { server: 'https://shadowed.invalid' } }];
  const one = file('one', { clusters, contexts });
  const two = file('two', { users, contexts: [], clusters: shadowed, 'current-context': 'good-token' });
  return `${one}:${join(folder, 'missing')}:${two}`;
}

/** An HTTP proxy that knows one way: wherever a CONNECT wants to go, it leads to this server. */
async function proxyTo(t: TestContext, url: string): Promise<{ proxy: string; asked: string[] }> {
  const asked: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((_, response) => response.writeHead(405).end());
  server.on('connect', (request, socket: Socket) => {
    asked.push(String(request.url));
    const { hostname, port } = new URL(url);
    const onward = connect(Number(port), hostname, () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      onward.pipe(socket).pipe(onward);
    });
    for (const each of [socket, onward]) {
      sockets.add(each);
      each.on('error', () => {});
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { proxy: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

real('HTTPS_PROXY, NO_PROXY and proxy-url lead the way that they lead kubectl', async (t) => {
  const cluster = await realCluster();
  const { url, caFile, namespace, adminToken } = cluster;
  const ns = await namespace('proxy');
  const { proxy, asked } = await proxyTo(t, url);
  const config = (cluster: object) => {
    const file = join(tempFolder(t), 'kubeconfig');
    const named = {
      server: 'https://api.lock.test:6443',
      'certificate-authority': caFile,
      'tls-server-name': 'kubernetes.default.svc',
      ...cluster,
    };
    writeFileSync(file, kubeconfigText({ cluster: named, user: { token: adminToken }, namespace: ns }));
    return ['run', '--kubeconfig', file, '--name', 'deploy', '--timeout', '3s', '--', 'true'];
  };
  const byEnv = await guard(t, config({}), { env: { HTTPS_PROXY: proxy } }).finished;
  assert.equal(byEnv.code, 0, byEnv.stderr);
  assert.ok(asked.length > 0 && asked.every((target) => target === 'api.lock.test:6443'), asked.join(' '));
  asked.length = 0;
  const byConfig = await guard(t, config({ server: url, 'proxy-url': proxy })).finished;
  assert.equal(byConfig.code, 0, byConfig.stderr);
  assert.ok(asked.length > 0, 'a proxy-url counts for loopback, too');
  asked.length = 0;
  const excluded = await guard(t, config({}), { env: { HTTPS_PROXY: proxy, NO_PROXY: '.lock.test' } }).finished;
  assert.equal(excluded.code, EXIT.configuration.code);
  assert.deepEqual(asked, []);
});

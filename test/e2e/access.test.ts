/** How the guard finds its cluster and what it may do there: rights, credentials, proxies, TLS, on the real API server. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { EXIT } from '../../image/exit-codes.ts';
import type { Cluster, Manifest } from '../harness/cluster.ts';
import { BUNDLE, guard, reach, tempFolder } from '../harness/guards.ts';
import { missing, real, realCluster } from '../harness/real.ts';
import { targets } from '../harness/targets.ts';
import { until } from '../harness/until.ts';

const all = await targets();
after(() => Promise.all(all.map((target) => target.close())));
const cluster = missing ? null : await realCluster();

/** A ServiceAccount that may do this with one lock, and the file of its token. */
async function account(t: TestContext, namespace: string, name: string, verbs: string[], at: Cluster = present()) {
  const meta = { name, namespace };
  const token = await at.serviceAccountToken({ namespace, name });
  if (verbs.length > 0) {
    const rules = [{ apiGroups: ['coordination.k8s.io'], resources: ['leases'], resourceNames: ['deploy'], verbs }];
    await at.apply({ apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'Role', metadata: meta, rules } as Manifest);
    const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name };
    const subjects = [{ kind: 'ServiceAccount', ...meta }];
    await at.apply({
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'RoleBinding',
      metadata: meta,
      roleRef,
      subjects,
    } as Manifest);
  }
  const tokenFile = join(tempFolder(t), 'token');
  writeFileSync(tokenFile, token);
  return { token, tokenFile };
}

function present(): Cluster {
  if (!cluster) throw new Error('no cluster');
  return cluster;
}

const SUFFICIENT = ['get', 'watch', 'create', 'update'];

real('get, watch, create and update on the one Lease are all the rights that are needed', async (t) => {
  const { url, caFile, namespace } = present();
  const ns = await namespace('rights');
  const { tokenFile } = await account(t, ns, 'enough', SUFFICIENT);
  const run = (...args: string[]) =>
    guard(t, ['run', ...reach({ url, caFile, tokenFile }), '-n', ns, '--name', 'deploy', ...args]);
  const alice = run('--', 'sh', '-c', 'echo ready; cat');
  await alice.prints(/ready/);
  const bob = run('-v', '--', 'true');
  await bob.says(/next in queue/);
  alice.input('');
  const { code, stderr } = await bob.finished;
  assert.equal(code, 0);
  assert.doesNotMatch(stderr, /watching/, 'the watch was allowed');
  assert.equal((await alice.finished).code, 0);
});

real('without a right the refusal names it, and what to allow; exit code 77', async (t) => {
  const { url, caFile, namespace } = present();
  const cases: [string[], RegExp][] = [
    [
      [],
      /reading Lease \S+: 403: .*cannot get resource "leases".*Allow get, watch, create and update .*resourceNames \["deploy"\] in namespace/,
    ],
    [['get'], /creating Lease \S+: 403: .*cannot (create|update) resource "leases"/],
    [['get', 'watch', 'update'], /creating Lease \S+: 403: .*cannot create resource "leases"/],
  ];
  for (const [i, [verbs, expected]] of cases.entries()) {
    const ns = await namespace('rights');
    const { tokenFile } = await account(t, ns, `lacking-${i}`, verbs);
    const { code, stderr, stdout } = await guard(t, [
      'run',
      ...reach({ url, caFile, tokenFile }),
      '-n',
      ns,
      '--name',
      'deploy',
      '--',
      'echo',
      'ran',
    ]).finished;
    assert.deepEqual([code, stdout], [EXIT.refused.code, ''], stderr);
    assert.match(stderr, expected);
  }
});

real('a token that the API server does not know is 77', async (t) => {
  const { url, caFile } = present();
  const tokenFile = join(tempFolder(t), 'token');
  writeFileSync(tokenFile, 'nonsense');
  const { code, stderr } = await guard(t, ['run', ...reach({ url, caFile, tokenFile }), '--name', 'deploy', '--', 'true'])
    .finished;
  assert.equal(code, EXIT.refused.code);
  assert.match(stderr, /401: the API server does not accept the credentials/);
});

real('a namespace that does not exist is 78', async (t) => {
  const { code, stderr } = await guard(t, [
    'run',
    '--kubeconfig',
    present().kubeconfig,
    '-n',
    'nowhere',
    '--name',
    'deploy',
    '--',
    'true',
  ]).finished;
  assert.equal(code, EXIT.configuration.code);
  assert.match(stderr, /the namespace "nowhere" does not exist: create it/);
});

real('a token that is replaced in its file counts from the next request on', async (t) => {
  const { url, caFile, namespace, request } = present();
  const ns = await namespace('rotate');
  const before = await account(t, ns, 'before', SUFFICIENT);
  const { token: next } = await account(t, ns, 'next', SUFFICIENT);
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
  const { url, ca, adminTokenFile: tokenFile, clientCertificate, namespace } = present();
  const caFile = join(tempFolder(t), 'ca.crt');
  cpSync(clientCertificate.certificate, caFile);
  const args = ['-n', await namespace('ca'), '--name', 'deploy', '--', 'true'];
  const alice = guard(t, ['run', ...reach({ url, caFile, tokenFile }), ...args]);
  await alice.says(/certificate.*trying again/);
  writeFileSync(caFile, ca);
  assert.equal((await alice.finished).code, 0);
});

for (const patience of [
  ['--timeout', '30s'],
  ['--on-busy', 'skip'],
]) {
  real(`a lease left by a long-dead holder is taken before it has been seen to run out (${patience.join(' ')})`, async (t) => {
    const { namespace, kubeconfig, request } = present();
    const ns = await namespace('dead');
    const path = `/apis/coordination.k8s.io/v1/namespaces/${ns}/leases/deploy`;
    const lock = ['--kubeconfig', kubeconfig, '-n', ns, '--name', 'deploy', '--lease-duration', '8s', '--kill-grace', '1s'];
    const holder = guard(t, ['run', ...lock, '--', 'sh', '-c', 'echo $$; exec sleep 60']);
    await holder.prints(/\d+/);
    holder.kill('SIGKILL');
    process.kill(Number(holder.stdout), 'SIGKILL');
    // Time can't be waited for here, so the record of the last write is set back. The API server takes that only along with another change.
    const { body } = await request('GET', path);
    const managedFields = body.metadata.managedFields?.map((entry) => ({ ...entry, time: '2026-01-01T00:00:00Z' }));
    const back = await request('PUT', `${path}?fieldManager=somebody`, {
      ...body,
      metadata: { ...body.metadata, managedFields, labels: { touched: 'yes' } },
    });
    assert.equal(back.status, 200);
    assert.match(String(back.body.spec.holderIdentity), /./, 'the dead one still stands there');
    const { code, stderr } = await guard(t, ['run', ...lock, ...patience, '--', 'true']).finished;
    assert.equal(code, 0, stderr);
    const [, waited = '99'] = /acquired Lease \S+ after ([\d.]+)s/.exec(stderr) ?? [];
    // A quarter of eight seconds and two requests, where its lease would last for ten.
    assert.ok(Number(waited) > 4 && Number(waited) < 8, `${waited}s`);
  });
}

real(
  'every form of kubeconfig: several files, a context by name, an exec plugin, a client certificate, TLS that is switched off',
  async (t) => {
    const { url, ca, namespace, clientCertificate } = present();
    const ns = await namespace('kubeconfig');
    const { token } = await account(t, ns, 'enough', SUFFICIENT);
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
      users.map(({ name: user }) => ({ name: `${cluster}-${user}`, context: { cluster, user, namespace: ns } })),
    );
    const one = file('one', { clusters, contexts });
    const two = file('two', {
      users,
      contexts: [],
      clusters: [{ name: 'good', cluster: { server: 'https://shadowed.invalid' } }],
      'current-context': 'good-token',
    });
    const KUBECONFIG = `${one}:${join(folder, 'missing')}:${two}`;
    const run = (args: string[], env = {}) =>
      guard(t, ['run', '--name', 'deploy', ...args], { env: { KUBECONFIG, ...env } }).finished;

    for (const args of [[], ['--context', 'good-exec'], ['--context', 'good-certificate'], ['--context', 'insecure-token']]) {
      const { code, stderr, stdout } = await run([...args, '--', 'sh', '-c', 'echo $LEASE_LOCK_NAMESPACE']);
      assert.deepEqual([code, stdout], [0, `${ns}\n`], stderr);
    }
    const untrusted = await run(['--context', 'untrusted-token', '--timeout', '500ms', '--', 'echo', 'ran'], {
      NODE_TLS_REJECT_UNAUTHORIZED: '0',
    });
    assert.deepEqual(
      [untrusted.code, untrusted.stdout],
      [EXIT.unreachable.code, ''],
      'an environment variable must not switch TLS off',
    );
    assert.match(untrusted.stderr, /its certificate is not trusted: name its certificate authority/);
    const unknown = await run(['--context', 'other', '--', 'true']);
    assert.equal(unknown.code, EXIT.configuration.code);
    assert.match(unknown.stderr, /it has no context "other" \(it has: good-token, /);
  },
);

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
  const { url, caFile, namespace, adminToken } = present();
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
    const contexts = [{ name: 'x', context: { cluster: 'c', user: 'u', namespace: ns } }];
    writeFileSync(
      file,
      JSON.stringify({
        'current-context': 'x',
        contexts,
        clusters: [{ name: 'c', cluster: named }],
        users: [{ name: 'u', user: { token: adminToken } }],
      }),
    );
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
  assert.equal(excluded.code, EXIT.unreachable.code);
  assert.deepEqual(asked, []);
});

real('in a Pod three files are enough, and @kubernetes/client-node is not even there', async (t) => {
  if (process.getuid?.() !== 0) {
    if (process.env.CI) throw new Error('the Pod files are mounted in a namespace of their own: that takes root');
    return t.skip('the Pod files are mounted in a namespace of their own: that takes root');
  }
  const { url, ca, namespace } = present();
  const ns = await namespace('pod');
  const { token } = await account(t, ns, 'enough', SUFFICIENT);
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

test('an API server that is not there is 69 once the time is over, and tells at once what is wrong', async (t) => {
  const args = ['run', '--server', 'https://127.0.0.1:1', '--name', 'deploy'];
  const { code, stderr } = await guard(t, [...args, '--timeout', '500ms', '--', 'true']).finished;
  assert.equal(code, EXIT.unreachable.code);
  assert.match(
    stderr,
    /no answer from the API server https:\/\/127\.0\.0\.1:1: reading Lease default\/deploy: the connection was refused/,
  );
  const once = await guard(t, [...args, '--timeout', '0', '--', 'true']).finished;
  assert.equal(once.code, EXIT.unreachable.code);
});

test('no cluster at all is 78, with the ways to one', async (t) => {
  const { code, stderr } = await guard(t, ['run', '--name', 'deploy', '--', 'true']).finished;
  assert.equal(code, EXIT.configuration.code);
  assert.match(stderr, /no cluster: KUBECONFIG is not set, there is no ~\/\.kube\/config, and this is not a Pod/);
});

test('bad usage is 64, and says what is right', async (t) => {
  for (const [args, expected] of [
    [['run', '--name', 'deploy', '--timeout', '5', '--', 'true'], /"5" has no unit: write 5s or 5m/],
    [['run', '--', 'true'], /--name is required: the name of the lock/],
    [['walk'], /unknown command "walk"/],
    [[], /Usage: k8s-lease-lock COMMAND/],
  ] as [string[], RegExp][]) {
    const { code, stderr } = await guard(t, args).finished;
    assert.equal(code, EXIT.usage.code);
    assert.match(stderr, expected);
  }
});

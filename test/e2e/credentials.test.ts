/** Credentials that change or come from elsewhere: they count from the next request on. */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { EXIT } from '../../image/exit-codes.ts';
import { BUNDLE, guard, PROGRAM, reach, tempFolder } from '../harness/guards.ts';
import { kubeconfigText } from '../harness/kubeconfig.ts';
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
  writeFileSync(caFile, ca);
  const args = ['-n', await namespace('ca'), '--name', 'deploy', '--', 'sh', '-c', 'echo ready; cat'];
  const alice = guard(t, [
    'run',
    ...reach({ url, caFile, tokenFile }),
    '-v',
    '--lease-duration',
    '6s',
    '--kill-grace',
    '1s',
    ...args,
  ]);
  await alice.prints(/ready/);
  cpSync(clientCertificate.certificate, caFile);
  await alice.says(/certificate.*trying again/);
  const renewals = () => alice.stderr.match(/renewed Lease/g)?.length ?? 0;
  const before = renewals();
  writeFileSync(caFile, ca);
  await until(() => renewals() > before, `it renews again: ${alice.stderr}`);
  alice.input('');
  assert.equal((await alice.finished).code, 0);
});

real('what can never work is said immediately, and ends with 78: a certificate, a host name, a port, a plugin', async (t) => {
  const { url, caFile, adminTokenFile: tokenFile, clientCertificate } = await realCluster();
  const { port } = new URL(url);
  const run = ['--name', 'deploy', '--', 'echo', 'ran'];
  const by = (server: string, authority = caFile) => ['run', ...reach({ url: server, caFile: authority, tokenFile }), ...run];
  const kubeconfig = (user: object) => {
    const file = join(tempFolder(t), 'kubeconfig');
    writeFileSync(file, kubeconfigText({ cluster: { server: url, 'certificate-authority': caFile }, user }));
    return ['run', '--kubeconfig', file, ...run];
  };
  const exec = { apiVersion: 'client.authentication.k8s.io/v1', interactiveMode: 'Never' };
  const cases: [string[], RegExp][] = [
    [by(url, clientCertificate.certificate), /its certificate is not trusted|is not from the certificate authority/],
    [by(`https://api.invalid:${port}`), /host name not found \(DNS\)/],
    [by(url.replace('https:', 'http:')), /400 with .*Client sent an HTTP request to an HTTPS server/],
    [
      kubeconfig({ exec: { ...exec, command: 'absent', installHint: 'Get it from example.com.' } }),
      /"absent" was not found.*Get it from/,
    ],
    [kubeconfig({ exec: { ...exec, command: 'false' } }), /"false" failed \(exit code 1\)/],
    [kubeconfig({ exec: { ...exec, command: 'echo', args: ['{}'] } }), /"echo" printed no ExecCredential that can be used/],
    [kubeconfig({ tokenFile: 'absent' }), /can't read the token file \S+absent \(ENOENT\)/],
  ];
  for (const [args, expected] of cases) {
    const { code, stdout, stderr } = await guard(t, args).finished;
    assert.deepEqual([code, stdout], [EXIT.configuration.code, ''], stderr);
    assert.match(stderr, expected);
    assert.doesNotMatch(stderr, /trying again/);
  }
});

real('a plugin may take longer than a request: one try waits for it, and a hold of six seconds bears it', async (t) => {
  const { url, caFile, adminToken, namespace } = await realCluster();
  const ns = await namespace('slow');
  const folder = tempFolder(t);
  const credential = { apiVersion: 'client.authentication.k8s.io/v1', kind: 'ExecCredential', status: { token: adminToken } };
  const by = (seconds: number, ...args: string[]) => {
    const script = `sleep ${seconds}; echo '${JSON.stringify(credential)}'`;
    const exec = { apiVersion: credential.apiVersion, command: 'sh', args: ['-c', script], interactiveMode: 'Never' };
    const file = join(folder, `kubeconfig-${seconds}`);
    writeFileSync(file, kubeconfigText({ cluster: { server: url, 'certificate-authority': caFile }, user: { exec } }));
    return guard(t, ['run', '--kubeconfig', file, '-n', ns, ...args, '--', 'sh', '-c', 'sleep 5; echo ran']);
  };
  const tries = [
    by(7, '--name', 'one', '--timeout', '0'),
    by(7.1, '--name', 'two', '--on-busy', 'skip'),
    by(1.5, '--name', 'three', '--lease-duration', '6s', '--kill-grace', '1s'),
  ];
  for (const { finished } of tries) {
    const { code, stdout, stderr } = await finished;
    assert.deepEqual([code, stdout], [0, 'ran\n'], stderr);
  }
});

real('in a Pod three files are enough, and what reads kubeconfigs is not even there', async (t) => {
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
    (name) => name.endsWith('.js') && /it is not YAML|BAD_INDENT|SocksClient=/.test(readFileSync(join(bundle, name), 'utf8')),
  );
  assert.ok(chunks.length >= 3 && !chunks.includes('index.js'), `chunks of their own: ${chunks}`);
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

real('a plugin asks on the terminal, once, where interactiveMode allows it; its words are shown as they come', async (t) => {
  const { url, caFile, adminToken, namespace } = await realCluster();
  const folder = tempFolder(t);
  const kubeconfig = join(folder, 'kubeconfig');
  const apiVersion = 'client.authentication.k8s.io/v1';
  const answer = `{"apiVersion": "${apiVersion}", "kind": "ExecCredential", "status": {"token": "'$token'"}}`;
  writeFileSync(join(folder, 'plug'), `#!/bin/sh\necho code >&2\nread token </dev/tty\necho '${answer}'\n`, { mode: 0o755 });
  const exec = { apiVersion, interactiveMode: 'IfAvailable', command: './plug' };
  const cluster = { server: url, 'certificate-authority': caFile };
  writeFileSync(kubeconfig, kubeconfigText({ cluster, user: { exec }, namespace: await namespace('terminal') }));
  const run = `${PROGRAM.join(' ')} run --kubeconfig ${kubeconfig} --name deploy -- echo ran`;
  const child = spawn('script', ['-qe', '/dev/null', '-c', run], { stdio: ['pipe', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  let screen = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    screen += text;
  });
  const shown = (pattern: RegExp) =>
    until(
      () => pattern.test(screen),
      () => `the screen shows ${pattern}: ${screen}`,
    );
  await shown(/code/);
  child.stdin.write(`${adminToken}\n`);
  await shown(/^ran/m);
  assert.equal(screen.match(/code/g)?.length, 1);
});

/** `serve` and `demo`, as a user starts them. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { EXIT } from '../../image/exit-codes.ts';
import { recorded, withoutTimes } from '../docs/record-demo.ts';
import { guard, tempFolder } from '../harness/guards.ts';
import { real, realCluster } from '../harness/real.ts';

async function serving(t: TestContext, ...args: string[]) {
  const server = guard(t, ['serve', '--port', '0', ...args]);
  await server.says(/serving Leases at \S+, .*\n.*this is not a Kubernetes cluster/);
  const [, url = ''] = /serving Leases at ([^\s,]+)/.exec(server.stderr) ?? [];
  return { server, url };
}

test('serve says that it is no cluster, serves, and ends on SIGTERM', async (t) => {
  const { server, url } = await serving(t);
  const { code } = await guard(t, ['run', '--server', url, '--name', 'deploy', '--', 'true']).finished;
  assert.equal(code, 0);
  server.kill('SIGTERM');
  assert.equal((await server.finished).code, 0);
});

test('with --data the Leases are there again after a restart, and tokens go on growing', async (t) => {
  const data = join(tempFolder(t), 'leases.json');
  const token = async (url: string) =>
    (await guard(t, ['run', '--server', url, '--name', 'deploy', '--', 'sh', '-c', 'echo $LEASE_LOCK_TOKEN']).finished).stdout;
  const first = await serving(t, '--data', data);
  const before = await token(first.url);
  first.server.kill('SIGKILL');
  await first.server.finished;
  const second = await serving(t, '--data', data);
  assert.ok(BigInt(await token(second.url)) > BigInt(before));
});

test('serve refuses what it does not know, and a port that is none', async (t) => {
  for (const args of [['--port', 'x'], ['--port', '70000'], ['--bogus'], ['operand']]) {
    const { code, stderr } = await guard(t, ['serve', ...args]).finished;
    assert.equal(code, 64, args.join(' '));
    assert.match(stderr, /see "k8s-lease-lock serve --help"/);
  }
});

test('a port that is taken is a plain sentence', async (t) => {
  const { url } = await serving(t);
  const { code, stderr } = await guard(t, ['serve', '--port', new URL(url).port]).finished;
  assert.equal(code, 78);
  assert.match(stderr, /EADDRINUSE|in use/);
});

const LAST = /Nobody overlapped: one ran at a time, and each had its turn\.\n$/;

test('the demo shows three guards and a kill, and that nobody overlapped', async (t) => {
  const { code, stdout } = await guard(t, ['demo']).finished;
  assert.equal(code, 0, stdout);
  for (const row of [/^ {2}alice +█+x$/m, /^ {2}bob +·+█+/m, /^ {2}carol +·+█+/m, LAST]) assert.match(stdout, row);
  assert.equal(withoutTimes(recorded()), withoutTimes(stdout), 'the picture in README: npm run record');
});

real('the demo does the same on a cluster, and its clean-up command is right', async (t) => {
  const cluster = await realCluster();
  const namespace = await cluster.namespace('demo');
  const kubeconfig = join(tempFolder(t), "alice's kubeconfig");
  copyFileSync(cluster.kubeconfig, kubeconfig);
  // Meant for other commands.
  const env = { K8S_LEASE_LOCK_NAMESPACE: 'elsewhere', K8S_LEASE_LOCK_SERVER: 'http://127.0.0.1:9' };
  const { code, stdout } = await guard(t, ['demo', '--kubeconfig', kubeconfig, '-n', namespace], { env }).finished;
  assert.equal(code, 0, stdout);
  assert.match(stdout, /On your cluster, with the Lease k8s-lease-lock-demo-/);
  assert.match(stdout, LAST);
  const [, cleanUp = ''] = /remains: kubectl (.*)/.exec(stdout) ?? [];
  const { stdout: deleted } = await promisify(execFile)('sh', ['-c', `"${cluster.kubectl}" ${cleanUp}`]);
  assert.match(deleted, /lease\S* "k8s-lease-lock-demo-\w+" deleted/);
  const { body } = await cluster.request('GET', `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`);
  assert.deepEqual(body.items, []);
});

real('the demo says why it failed, and ends with the exit code of that', async (t) => {
  const cluster = await realCluster();
  const kubeconfig = cluster.kubeconfigFor(cluster.userToken(9));
  const { code, stdout } = await guard(t, ['demo', '--kubeconfig', kubeconfig, '-n', 'default']).finished;
  assert.equal(code, EXIT.refused.code, stdout);
  assert.match(stdout, /\nFAILED: the guard of alice ended with exit code 77: \S+ Lease \S+: 403: .*docs\/rbac\.md\)\n$/);
});

test('the demo says, too, that it has found no cluster', async (t) => {
  const { code, stdout } = await guard(t, ['demo', '--kubeconfig', '/nonexistent/kubeconfig']).finished;
  assert.equal(code, EXIT.configuration.code, stdout);
  assert.match(stdout, /\nFAILED: the guard of alice ended with exit code 78: .*\/nonexistent\/kubeconfig/);
});

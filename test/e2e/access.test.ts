/** What the guard may do, and what it says where it may not, or where there is no API server at all. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { EXIT } from '../../image/exit-codes.ts';
import { guard, reach, tempFolder } from '../harness/guards.ts';
import { SUFFICIENT } from '../harness/rbac.ts';
import { real, realCluster } from '../harness/real.ts';
import { answersOf } from '../versions/answers.ts';
import { account } from './account.ts';

real(
  'get, watch, create and update on the one Lease are all the rights that are needed; without watch a waiter says so',
  async (t) => {
    const cluster = await realCluster();
    const { url, caFile } = cluster;
    for (const verbs of [SUFFICIENT, SUFFICIENT.filter((verb) => verb !== 'watch')]) {
      const namespace = await cluster.namespace('rights');
      const { tokenFile } = await account(t, cluster, { namespace, name: 'enough', verbs });
      const where = [...reach({ url, caFile, tokenFile }), '-n', namespace, '--name', 'deploy'];
      const alice = guard(t, ['run', ...where, '--', 'sh', '-c', 'echo ready; cat']);
      await alice.prints(/ready/);
      const bob = guard(t, ['run', ...where, '-v', '--', 'true']);
      await bob.says(/next in queue/);
      if (!verbs.includes('watch')) await bob.says(/watching Lease \S+: 403/);
      alice.input('');
      const { code, stderr } = await bob.finished;
      assert.equal(code, 0);
      assert.equal(/watching/.test(stderr), !verbs.includes('watch'), stderr);
      assert.equal((await alice.finished).code, 0);
    }
  },
);

real('without a right the refusal names it, and what to allow; exit code 77', async (t) => {
  const cluster = await realCluster();
  const { url, caFile, namespace } = cluster;
  const cases: [string[], RegExp][] = [
    [
      [],
      /reading Lease \S+: 403: .*cannot get resource "leases".*Allow get, watch, create and update .*resourceNames \["deploy"\] in namespace/,
    ],
    [['get'], /creating Lease \S+: 403: .*cannot (create|update) resource "leases"/],
    [['get', 'watch', 'update'], new RegExp(`creating Lease \\S+: 403: .*${answersOf('real').createForbidden}`)],
  ];
  for (const [i, [verbs, expected]] of cases.entries()) {
    const ns = await namespace('rights');
    const { tokenFile } = await account(t, cluster, { namespace: ns, name: `lacking-${i}`, verbs: verbs });
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
  const cluster = await realCluster();
  const { url, caFile } = cluster;
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
    (await realCluster()).kubeconfig,
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

test('an API server that is not there is 69 once the time is over, and says immediately what is wrong', async (t) => {
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

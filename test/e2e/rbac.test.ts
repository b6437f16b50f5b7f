/** The rights that `rbac` prints are enough to hold a lock, over namespaces, and give nothing else. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { parse } from 'yaml';
import { EXIT } from '../../image/exit-codes.ts';
import { guard, reach, tempFolder } from '../harness/guards.ts';
import { real, realCluster } from '../harness/real.ts';

async function printed(t: TestContext, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await guard(t, ['rbac', ...args]).finished;
  assert.equal(code, 0, stderr);
  return stdout;
}

real('what it prints lets a service account of another namespace hold that lock, and no other', async (t) => {
  const cluster = await realCluster();
  const [locks, team] = [await cluster.namespace('locks'), await cluster.namespace('team')];
  const tokenFile = join(tempFolder(t), 'token');
  writeFileSync(tokenFile, await cluster.serviceAccountToken({ namespace: team, name: 'deployer' }));
  const run = async (lock: string) => {
    const where = reach({ url: cluster.url, caFile: cluster.caFile, tokenFile });
    return (await guard(t, ['run', ...where, '-n', locks, '--name', lock, '--', 'true']).finished).code;
  };
  assert.equal(await run('deploy'), EXIT.refused.code);
  const input = await printed(t, '--name', 'deploy', '-n', locks, '--for', `serviceaccount:${team}/deployer`);
  execFileSync(cluster.kubectl, ['--kubeconfig', cluster.kubeconfig, 'apply', '-f', '-'], { input });
  assert.equal(await run('deploy'), 0);
  assert.equal(await run('other'), EXIT.refused.code);
});

test('several locks have a Role each, in the namespaces that they are in', async (t) => {
  const texts = (await printed(t, '--name', 'a,ns/b', '-n', 'ci', '--for', 'user:alice'))
    .split('---\n')
    .map((text) => parse(text));
  assert.deepEqual(
    texts
      .filter(({ kind }) => kind === 'Role')
      .map(({ metadata, rules }) => [metadata.namespace, metadata.name, rules[0].resourceNames]),
    [
      ['ci', 'lease-lock-a', ['a']],
      ['ns', 'lease-lock-b', ['b']],
    ],
  );
  assert.equal(texts.filter(({ kind }) => kind === 'RoleBinding').length, 2);
});

test('users and groups can be given the rights, too', async (t) => {
  const [, binding = ''] = (await printed(t, '--name', 'x', '--for', 'user:gha:acme/api')).split('---\n');
  const { subjects, metadata } = parse(binding);
  assert.deepEqual(subjects, [{ kind: 'User', name: 'gha:acme/api', apiGroup: 'rbac.authorization.k8s.io' }]);
  assert.match(metadata.name, /^lease-lock-x-gha-acme-api-[0-9a-f]{10}$/);
  assert.equal(metadata.namespace, 'default');
});

test('service accounts of one name have a binding each, and may write Events if asked for', async (t) => {
  const namesFor = async (...whom: string[]) =>
    (await printed(t, '--name', 'x', '--for', ...whom)).split('---\n').map((text) => {
      const { kind, metadata } = parse(text);
      return `${kind} ${metadata.namespace}/${metadata.name.replace(/-[0-9a-f]{10}$/, '')}`;
    });
  assert.deepEqual(await namesFor('serviceaccount:blue/default'), [
    'Role default/lease-lock-x',
    'RoleBinding default/lease-lock-x-blue-default',
  ]);
  assert.deepEqual(await namesFor('serviceaccount:green/default', '--events'), [
    'Role default/lease-lock-x',
    'RoleBinding default/lease-lock-x-green-default',
    'Role green/lease-lock-events',
    'RoleBinding green/lease-lock-events-green-default',
  ]);
});

test('no two subjects have one binding, however alike they are', async (t) => {
  const alike = ['user:a-b', 'user:A-B', 'user:a/b', 'group:a-b', 'serviceaccount:a/b', 'user:a_b', `user:${'x'.repeat(300)}`];
  const bindings = await Promise.all(
    [...alike, `user:${'x'.repeat(299)}`].map(async (whom) => {
      const [, binding = ''] = (await printed(t, '--name', 'x', '--for', whom)).split('---\n');
      return parse(binding).metadata.name as string;
    }),
  );
  bindings.push(parse((await printed(t, '--name', 'x-a', '--for', 'user:b')).split('---\n')[1] ?? '').metadata.name);
  assert.equal(new Set(bindings).size, alike.length + 2, bindings.join(' '));
  for (const name of bindings) assert.match(name, /^[a-z0-9-]{1,253}$/);
});

test('what is missing or wrong is said', async (t) => {
  const cases: [string[], RegExp][] = [
    [['--for', 'user:a'], /--name is required/],
    [['--name', 'x'], /--for is required/],
    [['--name', 'X', '--for', 'user:a'], /invalid name "X"/],
    [
      ['--name', 'x', '--for', 'serviceaccount:a'],
      /invalid value "serviceaccount:a" for --for: use serviceaccount:NAMESPACE\/NAME/,
    ],
    [['--name', 'x', '--for', 'user:a', '--events'], /--events requires --for serviceaccount/],
    [['--name', 'x', '--for', 'user:a', 'more'], /unexpected argument "more"/],
  ];
  for (const [args, expected] of cases) {
    const { code, stderr } = await guard(t, ['rbac', ...args]).finished;
    assert.equal(code, EXIT.usage.code);
    assert.match(stderr, expected);
  }
});

test('the version is that of the package', async (t) => {
  const { stdout } = await guard(t, ['--version']).finished;
  assert.match(stdout, /^\d+\.\d+\.\d+\S*\n$/);
});

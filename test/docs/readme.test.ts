/** README from an empty folder, as somebody reads it: the packed package, the quick start, one lock for two namespaces, and what it runs on. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import { startLeaseServer } from '../../src/server/server.ts';
import { kubeconfigText } from '../harness/kubeconfig.ts';
import { real, realCluster } from '../harness/real.ts';
import { until } from '../harness/until.ts';
import { installed } from '../library/installed.ts';
import { olderVersions, versionIn } from '../versions/chosen.ts';
import { fences, read, root } from './documents.ts';

const [quickStart = '', twoNamespaces = ''] = fences('README.md', 'bash');

interface Shell {
  folder: string;
  run(lines: string, more?: Record<string, string>): Promise<{ stdout: string; stderr: string }>;
}

/** A folder with the package as npm has put it there, and nothing else of this repository. */
async function newcomer(t: TestContext): Promise<Shell> {
  const { folder } = await installed(t);
  const env = {
    PATH: `${join(folder, 'node_modules/.bin')}:${dirname(process.execPath)}:${process.env.PATH}`,
    HOME: folder,
    npm_config_offline: 'true',
  };
  writeFileSync(join(folder, 'deploy.sh'), '#!/bin/sh\necho deployed\n', { mode: 0o755 });
  return {
    folder,
    run: (lines, more = {}) =>
      promisify(execFile)('bash', ['-eo', 'pipefail', '-c', lines], { cwd: folder, env: { ...env, ...more }, timeout: 60_000 }),
  };
}

/** Both ran, neither while the other did. */
function assertInTurn(stdout: string): void {
  const told = stdout.split('\n').filter((line) => /^(first|first has ended|second)$/.test(line));
  assert.ok(['first,first has ended,second', 'second,first,first has ended'].includes(told.join()), stdout);
}

test('the quick start runs two commands in turn, with the packed package and serve', async (t) => {
  const server = await startLeaseServer();
  t.after(() => server.close());
  const { run } = await newcomer(t);
  const { stdout } = await run(quickStart, { K8S_LEASE_LOCK_SERVER: server.url });
  assertInTurn(stdout);
  assert.match(stdout, /^Lease default\/hello$/m);
});

test('npx finds the program of the package by the name in README', async (t) => {
  const server = await startLeaseServer();
  t.after(() => server.close());
  const { run } = await newcomer(t);
  const [, line = ''] = /nothing: `(npx [^`]*)`/.exec(read('README.md')) ?? [];
  // The version would be asked of the registry, where the package of this folder is not.
  const { stdout } = await run(line.replace('@1 ', ' '), { K8S_LEASE_LOCK_SERVER: server.url });
  assert.equal(stdout, 'deployed\n');
});

real('the quick start, and then one lock for workloads of two namespaces, on a real API server', async (t) => {
  const cluster = await realCluster();
  const { folder, run } = await newcomer(t);
  symlinkSync(cluster.kubectl, join(folder, 'node_modules/.bin/kubectl'));
  assertInTurn((await run(quickStart, { KUBECONFIG: cluster.kubeconfig })).stdout);

  const [ci, web] = [await cluster.namespace('ci'), await cluster.namespace('web')];
  const locks = `locks-of-${ci}`;
  const lines = twoNamespaces
    .replaceAll(/\blocks\b/g, locks)
    .replaceAll(/(serviceaccount:)ci\b/g, `$1${ci}`)
    .replaceAll(/(serviceaccount:)web\b/g, `$1${web}`);
  const [mayUse = '', ...applied] = lines.trim().split('\n').reverse();
  await run(applied.reverse().join('\n'), { KUBECONFIG: cluster.kubeconfig });
  // The authorizer learns of a RoleBinding a moment after it was written.
  const answer = () => run(mayUse, { KUBECONFIG: cluster.kubeconfig }).catch((error: { stdout: string }) => error);
  await until(async () => (await answer()).stdout === 'yes\n', mayUse);
  // The workloads below name the lock with its namespace (workloads.test.ts); so do these, with what their Pods may do.
  const held: string[] = [];
  for (const namespace of [ci, web]) {
    const token = await cluster.serviceAccountToken({ namespace, name: 'default' });
    const kubeconfig = join(folder, `kubeconfig-${namespace}`);
    const reach = { server: cluster.url, 'certificate-authority': cluster.caFile };
    writeFileSync(kubeconfig, kubeconfigText({ cluster: reach, user: { token }, namespace }));
    const command = `k8s-lease-lock run --name nightly --namespace ${locks} -- sh -c 'echo $LEASE_LOCK_NAMESPACE/$LEASE_LOCK_NAME'`;
    held.push((await run(command, { KUBECONFIG: kubeconfig })).stdout.trim());
  }
  assert.deepEqual(held, [`${locks}/nightly`, `${locks}/nightly`]);
});

test('the versions and systems that README requires are those of the code', () => {
  const [, requirements = ''] = /^## Requirements\n([\s\S]*?)^## /m.exec(read('README.md')) ?? [];
  const { engines } = JSON.parse(read('package.json')) as { engines: { node: string } };
  assert.ok(requirements.includes(`| ${engines.node.replace('>=', '')} or later | 22, 24 and 26 |`), engines.node);
  const matrix = JSON.parse(read('test/matrix/package.json')) as { devDependencies: Record<string, string> };
  for (const node of ['node22', 'node26']) assert.ok(matrix.devDependencies[node], node);
  assert.ok(requirements.includes('Node.js 24 in it') && parse(read('action.yml')).runs.using === 'node24');
  const cluster = versionIn(join(root, 'test/cluster')).slice(1).split('.').slice(0, 2).join('.');
  assert.ok(requirements.includes(`| ${olderVersions().join(', ')} and ${cluster} (`));
  assert.equal(requirements.match(new RegExp(`\\| ${cluster} \\|$`, 'gm'))?.length, 3, cluster);
  const [, platforms = ''] = /PLATFORMS: readonly string\[\] = \[(.*)\]/.exec(read('src/guard/supervisor/link.ts')) ?? [];
  assert.equal(platforms, "'linux-x64', 'linux-arm64', 'darwin-x64', 'darwin-arm64'");
  assert.match(requirements, /\| Linux \(x64, arm64\) \| macOS 13 or later \(x64, arm64\) \|/);
  assert.match(readFileSync(join(root, 'src/guard/supervisor/build.mjs'), 'utf8'), /macos\.13\.0/);
});

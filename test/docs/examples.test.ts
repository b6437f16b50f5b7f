/** What the documents tell people to type runs, and what they tell them to apply is accepted. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { parseAllDocuments } from 'yaml';
import { startLeaseServer } from '../../src/server/server.ts';
import { BUNDLE, tempFolder } from '../harness/guards.ts';
import { kubeconfigText } from '../harness/kubeconfig.ts';
import { missing, real, realCluster } from '../harness/real.ts';
import { installed } from '../library/installed.ts';
import { documents, fences, read } from './documents.ts';

test('the commands in README are those of package.json', () => {
  const scripts = (JSON.parse(read('package.json')) as { scripts: Record<string, string> }).scripts;
  const used = fences('README.md', 'sh').flatMap((text) =>
    [...text.matchAll(/npm (?:run )?(\w+)$/gm)].map(([, name = '']) => name),
  );
  assert.deepEqual(used, ['demo', 'test']);
  for (const name of used) assert.ok(scripts[name], name);
});

/** A folder with the package as npm has put it there, kubectl, and stand-ins for what the examples run, and a cluster to run them on. */
async function workshop(t: TestContext): Promise<{ run(line: string): Promise<{ stdout: string; stderr: string }> }> {
  const { folder } = await installed(t);
  const server = await startLeaseServer();
  t.after(() => server.close());
  const kubectl = missing ? 'true' : (await realCluster()).kubectl;
  const script = (name: string, text: string) => writeFileSync(join(folder, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  script('kubectl', `exec ${kubectl} "$@"`);
  for (const name of ['deploy.sh', 'backup.sh']) script(name, `echo ran ${name} "$@"`);
  writeFileSync(join(folder, 'kubeconfig'), kubeconfigText({ cluster: { server: server.url } }));
  const env = {
    PATH: `${folder}:${folder}/node_modules/.bin:${dirname(process.execPath)}:${process.env.PATH}`,
    KUBECONFIG: join(folder, 'kubeconfig'),
    HOME: folder,
  };
  const here = (line: string) => line.replaceAll('http://127.0.0.1:8001', server.url);
  return { run: (line) => promisify(execFile)('sh', ['-c', here(line)], { cwd: folder, env, timeout: 30_000 }) };
}

test('every example of a command runs', async (t) => {
  const lines = documents.flatMap((path) => fences(path, 'sh').flatMap((text) => text.trim().split('\n')));
  const examples = lines.filter((line) => !line.startsWith('npm ci') && !line.includes('k8s-lease-lock serve'));
  assert.ok(examples.length >= 5);
  const { run } = await workshop(t);
  for (const line of examples) {
    const { stdout } = await run(line);
    if (line.includes('.sh')) assert.match(stdout, /^ran (deploy|backup)\.sh/, line);
  }
});

real('the Role in docs/rbac.md is accepted by a real API server', async (t) => {
  const cluster = await realCluster();
  const namespace = await cluster.namespace('rbac');
  const [yaml = ''] = fences('docs/rbac.md', 'yaml');
  const file = join(tempFolder(t), 'rbac.yaml');
  writeFileSync(file, yaml.replaceAll('namespace: ci', `namespace: ${namespace}`));
  const { stdout } = await promisify(execFile)(cluster.kubectl, ['--kubeconfig', cluster.kubeconfig, 'create', '-f', file]);
  assert.match(stdout, /role\S+ created\nrolebinding\S+ created/);
});

const PRINTED: Record<string, string[]> = {
  'examples/kubernetes/lock.yaml': ['--name', 'nightly', '--namespace', 'locks', '--for', 'serviceaccount:ci/default'],
  'deploy/namespace/lock.yaml': ['--name', 'deploy', '-n', 'locks', '--for', 'group:system:serviceaccounts:ci'],
  'docs/rbac.md': ['--name', 'deploy', '-n', 'ci', '--for', 'serviceaccount:ci/deployer'],
};

for (const [file, args] of Object.entries(PRINTED)) {
  test(`${file} has what rbac prints`, async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [BUNDLE, 'rbac', ...args]);
    const objects = (text: string) => parseAllDocuments(text).map((document) => document.toJS());
    const text = file.endsWith('.md') ? (fences(file, 'yaml')[0] ?? '') : read(file);
    assert.deepEqual(objects(text), objects(stdout));
    for (const argument of args) assert.ok(read(file).includes(argument), `the command in ${file}`);
  });
}

/**
 * The recipes for other tools: each guard in them is read by our own parser, what a CI system would run runs, and a real API server that has the
 * tools' definitions accepts the manifests, in every field.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { globSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { parse, parseAllDocuments } from 'yaml';
import { readRunCommandLine } from '../../image/commands/run.ts';
import { EXIT } from '../../image/exit-codes.ts';
import { startLeaseServer } from '../../src/server/server.ts';
import { BUNDLE, tempFolder } from '../harness/guards.ts';
import { real } from '../harness/real.ts';
import { installed } from '../library/installed.ts';
import { type Judge, judge } from './custom-resources.ts';
import { fences, read, root } from './documents.ts';

const PAGE = 'docs/recipes.md';
const FOLDER = 'examples/recipes';
const recipe = (name: string): string => read(`${FOLDER}/${name}`);
const documentsOf = (name: string) => parseAllDocuments(recipe(name)).map((document) => document.toJS());
const inject = (file: string) => promisify(execFile)(process.execPath, [BUNDLE, 'inject', '-f', file]);

test('each recipe is a file that the page leads to, and each link leads to one', () => {
  const linked = [...read(PAGE).matchAll(/\]\(\.\.\/(examples\/recipes\/[^)]+)\)/g)].map(([, path]) => path);
  const files = globSync(`${FOLDER}/**/*.*`, { cwd: root }).concat(`${FOLDER}/Jenkinsfile`);
  const included = [`${FOLDER}/kustomize/backup.yaml`];
  assert.deepEqual(linked.concat(included).sort(), files.sort());
});

/** What a CI system runs, and the variables that it sets. */
interface Step {
  command: string;
  env: Record<string, string>;
}

const STEPS: Record<string, () => Step> = {
  'gitlab-ci.yml': () => {
    const { deploy } = parse(recipe('gitlab-ci.yml'));
    return { command: deploy.script.join('\n'), env: deploy.variables };
  },
  'buildkite.yml': () => {
    const [{ command, env }] = parse(recipe('buildkite.yml')).steps;
    return { command, env };
  },
  Jenkinsfile: () => {
    const [, command = ''] = /^ *sh '(.*)'$/m.exec(recipe('Jenkinsfile')) ?? [];
    const set = recipe('Jenkinsfile').matchAll(/^ *(K8S_\w+) = ['"](.*)['"]$/gm);
    return { command, env: Object.fromEntries([...set].map(([, name = '', value = '']) => [name, value])) };
  },
};

for (const [name, step] of Object.entries(STEPS)) {
  test(`${name}: its command runs, with the variables that it sets`, async (t) => {
    const { command, env } = step();
    const server = await startLeaseServer();
    t.after(() => server.close());
    const { stdout, stderr } = await runStep(t, command, { ...env, K8S_LEASE_LOCK_SERVER: server.url });
    assert.equal(stdout, 'deployed in ci\n');
    assert.match(stderr, /released Lease ci\/deploy/);
    for (const key of Object.keys(env)) assert.match(key, /^K8S_LEASE_LOCK_(?:NAMESPACE|REASON|URL)$/);
  });
}

async function runStep(t: TestContext, command: string, env: Record<string, string>) {
  const { folder } = await installed(t);
  writeFileSync(join(folder, 'deploy.sh'), '#!/bin/sh\necho deployed in $LEASE_LOCK_NAMESPACE\n', { mode: 0o755 });
  const PATH = `${dirname(process.execPath)}:${process.env.PATH}`;
  // The version would be asked of the registry, where the package of this folder is not.
  const line = command.replace('@nullplatform/k8s-lease-lock@1', '@nullplatform/k8s-lease-lock');
  assert.notEqual(line, command);
  return await promisify(execFile)('sh', ['-ec', line], { cwd: folder, env: { PATH, HOME: folder, ...env } });
}

test('the CI systems retry the exit codes that are no fault of the command', () => {
  const codes = [EXIT.notAcquired.code, EXIT.lost.code];
  assert.deepEqual(parse(recipe('gitlab-ci.yml')).deploy.retry.exit_codes, codes);
  const [{ retry }] = parse(recipe('buildkite.yml')).steps;
  assert.deepEqual(
    retry.automatic.map((rule: { exit_status: number }) => rule.exit_status),
    codes,
  );
  const [workflow] = documentsOf('argo-workflows.yaml');
  assert.equal(workflow.spec.templates[0].retryStrategy.expression, `lastRetry.exitCode in ["${codes.join('", "')}"]`);
});

test('the wait ends before the job, in every CI system', () => {
  const limits = [
    parse(recipe('gitlab-ci.yml')).deploy.timeout === '1h',
    parse(recipe('buildkite.yml')).steps[0].timeout_in_minutes === 60,
    recipe('Jenkinsfile').includes("timeout(time: 1, unit: 'HOURS')"),
  ];
  assert.deepEqual(limits, [true, true, true]);
  for (const step of Object.values(STEPS)) assert.match(step().command, / --timeout 45m /);
});

test('the guards of the workflow engines have options that run has, and the lock and the volume of the other examples', () => {
  const [workflow] = documentsOf('argo-workflows.yaml');
  const [task] = documentsOf('tekton.yaml');
  const [template] = workflow.spec.templates;
  const [installStep, step] = task.spec.steps;
  for (const { command, args } of [template.container, step]) {
    assert.deepEqual(command.slice(0, 2), ['/lease-lock/k8s-lease-lock', 'run']);
    const line = readRunCommandLine([...command.slice(2), ...args], {});
    assert.ok(line.kind === 'settings', JSON.stringify(line));
    const { locks, namespace } = line.settings;
    assert.deepEqual([locks.map(({ name }) => name), namespace], [['nightly'], 'locks']);
  }
  for (const { command, args, volumeMounts } of [template.initContainers[0], installStep]) {
    assert.deepEqual([...command, ...args], ['/lease-lock/k8s-lease-lock', 'install', '/volume']);
    assert.deepEqual(volumeMounts, [{ name: 'lease-lock', mountPath: '/volume' }]);
  }
});

test('the plugin for Helm 4 and the options for Helm 3 start the same program, which guards what it reads', async () => {
  const [{ command, args }] = parse(recipe('helm/plugin.yaml')).runtimeConfig.platformCommand;
  const [helm3 = '', helm4 = ''] = fences(PAGE, 'text');
  const words = helm3.replaceAll('\\\n', ' ').split(/\s+/);
  const valuesOf = (option: string) => words.flatMap((word, i) => (words[i - 1] === option ? [word] : []));
  assert.deepEqual([valuesOf('--post-renderer'), valuesOf('--post-renderer-args')], [[command], args]);
  assert.ok(helm4.includes(`--post-renderer ${parse(recipe('helm/plugin.yaml')).name}\n`));
  const rendered = promisify(execFile)(process.execPath, [BUNDLE, ...args]);
  rendered.child.stdin?.end(read('examples/kubernetes/queue.yaml'));
  assert.equal((await rendered).stdout, (await inject(join(root, 'examples/kubernetes/queue.yaml'))).stdout);
});

real(
  'a real API server with the definitions of the tools accepts the manifests, and kustomize and Flux give a guarded CronJob',
  async (t) => {
    const tools = ['github.com/argoproj/argo-cd/v3', 'github.com/argoproj/argo-workflows/v4', 'github.com/tektoncd/pipeline'];
    const there = await judge([...tools, 'github.com/fluxcd/kustomize-controller']);
    for (const namespace of ['ci', 'argocd', 'flux-system']) await there.kubectl('create', 'namespace', namespace);
    await there.cluster.serviceAccountToken({ namespace: 'ci', name: 'default' });
    for (const name of ['argo-workflows.yaml', 'tekton.yaml', 'argo-cd.yaml', 'flux.yaml'])
      assert.match(await there.accepts(join(root, FOLDER, name)), /created/, name);
    const wrong = join(tempFolder(t), 'wrong.yaml');
    writeFileSync(wrong, recipe('flux.yaml').replace('targetNamespace', 'targetNamespaces'));
    await assert.rejects(there.accepts(wrong), /unknown field "spec.targetNamespaces"/);

    const hook = join(tempFolder(t), 'hook.yaml');
    writeFileSync(hook, (await inject(join(root, FOLDER, 'argo-cd.yaml'))).stdout);
    assert.match(await there.accepts(hook), /created/);
    await appliedByKustomize(t, there);
    await patchedByFlux(t, there);
  },
);

const isGuarded = (text: string) => assert.match(text, /name: lease-lock-install/);

async function appliedByKustomize(t: TestContext, { cluster, kubectl }: Judge): Promise<void> {
  const [line = ''] = fences(PAGE, 'bash');
  const folder = tempFolder(t);
  writeFileSync(join(folder, 'k8s-lease-lock'), `#!/bin/sh\nexec ${process.execPath} ${BUNDLE} "$@"\n`, { mode: 0o755 });
  writeFileSync(join(folder, 'kubectl'), `#!/bin/sh\nexec ${cluster.kubectl} "$@"\n`, { mode: 0o755 });
  const env = { PATH: `${folder}:${process.env.PATH}`, KUBECONFIG: cluster.kubeconfig, HOME: folder };
  await promisify(execFile)('bash', ['-eo', 'pipefail', '-c', line], { cwd: root, env });
  isGuarded(await kubectl('get', 'cronjob', 'backup', '-n', 'ci', '-o', 'yaml'));
}

/** The patch of the Kustomization, by the kustomize of kubectl, on the manifest of the other recipe. */
async function patchedByFlux(t: TestContext, { kubectl }: Judge): Promise<void> {
  const [{ spec }] = documentsOf('flux.yaml');
  const folder = join(tempFolder(t), 'flux');
  mkdirSync(folder);
  writeFileSync(join(folder, 'backup.yaml'), recipe('kustomize/backup.yaml'));
  const kustomization = { namespace: spec.targetNamespace, resources: ['backup.yaml'], patches: spec.patches };
  writeFileSync(join(folder, 'kustomization.yaml'), JSON.stringify(kustomization));
  const patched = await kubectl('kustomize', folder);
  assert.equal(patched, await kubectl('kustomize', join(root, FOLDER, 'kustomize')));
  writeFileSync(join(folder, 'patched.yaml'), patched);
  isGuarded((await inject(join(folder, 'patched.yaml'))).stdout);
}

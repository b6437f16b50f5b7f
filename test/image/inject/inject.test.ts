/** Which Pods `inject` guards and how, which it refuses, and that docs/inject.md says so. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { ANNOTATIONS, PREFIX } from '../../../image/inject/annotations.ts';
import { GUARDED, SPOILED, SPOILED_SENTENCE, spoiled } from './guarded.ts';
import { problemsOf, textOf } from './injecting.ts';
import { commanded, kinds, main, misplaced, P, podOf, workload } from './pods.ts';
import { REFUSED } from './refused.ts';

for (const { mode, ...guarded } of GUARDED) {
  test(`${guarded.title}: ${mode}, and injecting it again changes nothing`, () => {
    const once = textOf(JSON.stringify(podOf(guarded)));
    assert.equal(JSON.parse(once).metadata.annotations[`${PREFIX}injected`], mode);
    assert.equal(textOf(once), once);
  });
}

for (const { sentence, ...refused } of REFUSED) {
  test(`refused: ${refused.title}`, () => {
    const pod = podOf(refused);
    assert.deepEqual(problemsOf(JSON.stringify(pod)), [`Pod ${pod.metadata.name}: ${sentence}`]);
  });
}

for (const kind of kinds) {
  test(`the template of a ${kind} is guarded, and so is that of a kind that is not known`, () => {
    const bare = workload(kind, podOf({ title: 'x', annotations: {}, spec: {} }));
    const template = JSON.stringify(JSON.parse(textOf(JSON.stringify(bare))).spec);
    assert.match(
      template,
      /"command":\["\/lease-lock\/k8s-lease-lock","run","--name=nightly","--","\/usr\/local\/bin\/backup"\]/,
    );
    const foreign = JSON.stringify({ ...bare, apiVersion: 'batch.example.com/v1' });
    assert.equal(JSON.stringify(JSON.parse(textOf(foreign)).spec), template);
    const { objects, sentence } = misplaced(kind);
    for (const object of objects) assert.deepEqual(problemsOf(JSON.stringify(object)), [`${kind} misplaced: ${sentence}`]);
  });
}

test('a wrapped command keeps its words, behind the options that are given', () => {
  const { spec } = JSON.parse(textOf(JSON.stringify(podOf(GUARDED[2] as (typeof GUARDED)[0]))));
  const options = ['--name=nightly', '--namespace=locks', '--timeout=1h30m', '--on-busy=replace'];
  const policies = ['--supersede=web', '--min-hold=30s', '--once=v1.2+$$(X)', '--no-replace=true'];
  const more = [
    '--priority=-3',
    '--age-step=5m',
    '--lease-duration=2m',
    '--kill-grace=20s',
    '--reason=release 1.2, "the big one"',
  ];
  const command = ['/lease-lock/k8s-lease-lock', 'run', ...options, ...policies, ...more, '--', '/usr/local/bin/backup'];
  assert.deepEqual(spec.containers[0].command, command);
  assert.deepEqual(spec.containers[0].volumeMounts, [{ name: 'lease-lock', mountPath: '/lease-lock', readOnly: true }]);
});

for (const one of SPOILED) {
  test(`what was injected and changed since is refused: ${one.title}`, () => {
    const pod = spoiled(one, (raw) => JSON.parse(textOf(JSON.stringify(raw))));
    assert.match(problemsOf(JSON.stringify(pod))[0] ?? '', SPOILED_SENTENCE);
  });
}

const document = readFileSync(new URL('../../../docs/inject.md', import.meta.url), 'utf8');

test('docs/inject.md names the annotations that there are, and what they mean', () => {
  const rows = ANNOTATIONS.map(
    ({ name, value, meaning, default: otherwise = '' }) =>
      `| \`${name}\` | ${value.replaceAll('|', '\\|')} | ${meaning} | ${otherwise} |`,
  );
  const table = ['| annotation | value | | default |', '| --- | --- | --- | --- |', ...rows].join('\n');
  assert.ok(document.includes(table), table);
});

test('the Job in docs/inject.md is wrapped', () => {
  const [, example = ''] = /^```yaml\n([\s\S]*?)^```/m.exec(document) ?? [];
  assert.match(textOf(example), /command: \[ ?\/lease-lock\/k8s-lease-lock, run, --name=nightly, --on-busy=skip, --, \/usr/);
});

const NAME = { [`${P}name`]: 'nightly' };
const template = (more: object = {}) => ({
  metadata: { annotations: NAME },
  spec: { containers: [commanded], ...more },
});

test('a template is guarded wherever it stands: in kinds that nobody here knows, and in lists of them', () => {
  const spec = { template: template() };
  const objects = [
    { apiVersion: 'argoproj.io/v1alpha1', kind: 'Rollout', spec },
    { apiVersion: 'v1', kind: 'ReplicationController', spec },
    { apiVersion: 'v1', kind: 'PodTemplate', template: template() },
    { apiVersion: 'batch/v1beta1', kind: 'CronJob', spec: { jobTemplate: { spec } } },
    { apiVersion: 'example.com/v1', kind: 'Fleet', spec: { groups: [{ pods: [template()] }] } },
    { apiVersion: 'batch/v1', kind: 'JobList', items: [{ apiVersion: 'batch/v1', kind: 'Job', spec }] },
  ];
  for (const object of objects)
    assert.match(
      textOf(JSON.stringify(object)),
      /"command":\["\/lease-lock\/k8s-lease-lock","run","--name=nightly"/,
      object.kind,
    );
});

test('an annotation that guards nothing is refused, wherever it stands; the lock itself and a Namespace have their own', () => {
  const guards = (what: string, kind: string) =>
    new RegExp(`^${kind} : ${what} ${P}name is on the ${kind}, where it guards nothing: `);
  const cases: [object, RegExp][] = [
    [
      { kind: 'CronWorkflow', spec: { templates: [{ metadata: { annotations: NAME }, container: {} }] } },
      guards('annotation', 'CronWorkflow'),
    ],
    [{ kind: 'Service', metadata: { annotations: NAME } }, guards('annotation', 'Service')],
    [{ apiVersion: 'v1', kind: 'Pod', metadata: { labels: NAME }, spec: template().spec }, guards('label', 'Pod')],
    [{ kind: 'Rollout', metadata: { annotations: NAME }, spec: { template: template() } }, guards('annotation', 'Rollout')],
  ];
  for (const [object, expected] of cases) assert.match(problemsOf(JSON.stringify(object))[0] ?? '', expected);
  for (const [apiVersion, kind] of [
    ['coordination.k8s.io/v1', 'Lease'],
    ['v1', 'Namespace'],
  ]) {
    const text = JSON.stringify({ apiVersion, kind, metadata: { annotations: NAME } });
    assert.equal(textOf(text), text);
  }
  assert.match(problemsOf('{{- if .Values.x }}\nkind: Job\n{{- end }}\n')[0] ?? '', /rendered first/);
  assert.match(
    problemsOf('kind: Job\nmetadata: {name: {{ .Values.x }}}\n')[0] ?? '',
    /invalid YAML: .*Values.* is a map or a list, .*rendered first/,
  );
});

test('what could never work is refused, with what would', () => {
  const deployment = (pod: object, more: object = {}) =>
    JSON.stringify({ apiVersion: 'apps/v1', kind: 'Deployment', spec: { template: pod, ...more } });
  const [problem] = problemsOf(deployment(template({ containers: [main] })));
  assert.match(
    problem ?? '',
    /a Deployment restarts its containers, and with a sidecar .*: leave it one container, and write its command/,
  );
  const probed = template({ containers: [{ ...commanded, readinessProbe: { httpGet: { port: 80 } } }] });
  assert.match(problemsOf(deployment(probed))[0] ?? '', /a rolling update would never end: .* \{type: Recreate\}/);
  textOf(deployment(probed, { strategy: { type: 'Recreate' } }));
  textOf(deployment(probed, { strategy: { rollingUpdate: { maxUnavailable: 1 } } }));
  const short = {
    ...template(),
    metadata: { annotations: { ...NAME, [`${P}lease-duration`]: '5s', [`${P}kill-grace`]: '10s' } },
  };
  assert.match(problemsOf(deployment(short))[0] ?? '', /lease-duration: .*kill-grace of 10s/);
});

test('what names the lock and was not rendered is refused, slug or not: all would have one lock', () => {
  for (const name of ['{{ .Values.lock }}', `deploy-\${ENV}`, `\${{ github.ref }}`]) {
    const annotations = { ...NAME, [`${P}name`]: name, [`${P}slug`]: 'true' };
    const problem = problemsOf(
      JSON.stringify({ kind: 'Job', spec: { template: { ...template(), metadata: { annotations } } } }),
    )[0];
    assert.match(problem ?? '', /annotation \S+name is ".*", a template: render it first \(helm template, envsubst\)/);
  }
  const reason = { ...NAME, [`${P}reason`]: `costs \${5}` };
  textOf(JSON.stringify({ kind: 'Job', spec: { template: { ...template(), metadata: { annotations: reason } } } }));
});

test('a wrapped container whose limits leave nothing for its command is refused', () => {
  const limited = (limits: object, more: object = {}) =>
    JSON.stringify({
      kind: 'Job',
      spec: { template: template({ containers: [{ ...commanded, ...more, resources: { limits } }] }) },
    });
  for (const memory of ['24Mi', '25e6', '30000000', '20000Ki'])
    assert.match(
      problemsOf(limited({ memory }))[0] ?? '',
      /"main" has a memory limit of \S+, and the guard needs 32Mi of it .*: raise it/,
    );
  for (const storage of ['50Mi', '100M'])
    assert.match(
      problemsOf(limited({ 'ephemeral-storage': storage }))[0] ?? '',
      /"main" has an ephemeral-storage limit of \S+, and the guard puts 115M there: raise it/,
    );
  for (const limits of [
    { memory: '48Mi' },
    { memory: 67108864 },
    { 'ephemeral-storage': '1Gi' },
    { cpu: '10m' },
    { memory: 'x' },
  ])
    textOf(limited(limits));
  const sidecar = { restartPolicy: 'Never', containers: [{ ...main, resources: { limits: { memory: '24Mi' } } }] };
  textOf(JSON.stringify({ kind: 'Job', spec: { template: template(sidecar) } }));
});

/** Which Pods `inject` guards and how, which it refuses, and that docs/inject.md says so. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { ANNOTATIONS, PREFIX } from '../../../image/inject/annotations.ts';
import { GUARDED, SPOILED, SPOILED_SENTENCE, spoiled } from './guarded.ts';
import { problemsOf, textOf } from './injecting.ts';
import { kinds, misplaced, podOf, workload } from './pods.ts';
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
  test(`the template of a ${kind} is guarded, and no other object by that name`, () => {
    const bare = workload(kind, podOf({ title: 'x', annotations: {}, spec: {} }));
    const template = JSON.stringify(JSON.parse(textOf(JSON.stringify(bare))).spec);
    assert.match(
      template,
      /"command":\["\/lease-lock\/k8s-lease-lock","run","--name=nightly","--","\/usr\/local\/bin\/backup"\]/,
    );
    const foreign = JSON.stringify({ ...bare, apiVersion: 'batch.example.com/v1' });
    assert.equal(textOf(foreign), foreign);
    const { objects, sentence } = misplaced(kind);
    for (const object of objects) assert.deepEqual(problemsOf(JSON.stringify(object)), [`${kind} misplaced: ${sentence}`]);
  });
}

test('a wrapped command keeps its words, behind the options that are given', () => {
  const { spec } = JSON.parse(textOf(JSON.stringify(podOf(GUARDED[2] as (typeof GUARDED)[0]))));
  const options = ['--name=nightly', '--namespace=locks', '--timeout=1h30m', '--on-busy=fail', '--priority=-3'];
  const more = ['--lease-duration=2m', '--kill-grace=20s', '--reason=release 1.2, "the big one"'];
  const command = ['/lease-lock/k8s-lease-lock', 'run', ...options, ...more, '--', '/usr/local/bin/backup'];
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

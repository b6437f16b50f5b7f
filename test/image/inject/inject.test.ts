/** `inject` as a command: which Pods it guards and how, what it refuses, and what it leaves as it was. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { parse } from 'yaml';
import { EXIT } from '../../../image/exit-codes.ts';
import { ANNOTATIONS, PREFIX } from '../../../image/inject/annotations.ts';
import { injectText } from '../../../image/inject/documents.ts';
import { guard, tempFolder } from '../../harness/guards.ts';
import { GUARDED, SPOILED, SPOILED_SENTENCE, spoiled } from './guarded.ts';
import { kinds, misplaced, podOf, workload } from './pods.ts';
import { REFUSED } from './refused.ts';

const textOf = (text: string, image?: string): string => {
  const done = injectText(text, image);
  assert.ok(done.kind === 'text', JSON.stringify(done));
  return done.text;
};
const problemsOf = (text: string): readonly string[] => {
  const done = injectText(text);
  return done.kind === 'refused' ? done.problems : [];
};

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

const YAML = `# What the night needs.
apiVersion: v1
kind: ConfigMap
metadata: {name:   settings}   # odd, and nobody's business
data:
    mode: 0644
---
# The night's work.
apiVersion: batch/v1
kind: CronJob
metadata:
  name: nightly # its name
spec:
  schedule: "0 3 * * *"
  jobTemplate:
    spec:
      template:
        metadata:
          annotations:
            lease-lock.nullplatform.com/name: nightly
        spec:
          restartPolicy: Never
          containers:
          - name: main
            image: 'registry.example.com/backup:1'
            command: [sh, -c]
            args:
            - |
              echo one   # not a comment
              echo two
          volumes:
          - name: settings
            configMap: {name: settings, defaultMode: 0644}
---
# The end.
`;

test('YAML: other documents stay byte for byte; comments, and the way that values are written, stay everywhere', () => {
  const printed = textOf(YAML);
  const [first, second = '', third] = printed.split(/^---\n/m);
  assert.deepEqual([first, third], [YAML.split('---\n')[0], '# The end.\n']);
  const expected = YAML.split('---\n')[1]
    ?.replace('/name: nightly\n', '/name: nightly\n            lease-lock.nullplatform.com/injected: wrap\n')
    .replace('[sh, -c]', '[/lease-lock/k8s-lease-lock, run, --name=nightly, --, sh, -c]')
    .replace(
      '              echo two\n',
      `              echo two
            volumeMounts:
            - name: lease-lock
              mountPath: /lease-lock
              readOnly: true
`,
    )
    .replace('defaultMode: 0644}\n', 'defaultMode: 0644}\n          - name: lease-lock\n            emptyDir: {}\n');
  assert.equal(second.slice(0, expected?.length), expected);
  assert.match(second.slice(expected?.length), /^ {10}initContainers:\n {10}- name: lease-lock-install\n/);
  assert.equal(textOf(printed), printed);
});

test('YAML and JSON of one object give one object', () => {
  for (const { mode: _, ...guarded } of GUARDED) {
    const json = JSON.stringify(podOf(guarded), undefined, '\t');
    const [fromJson, fromYaml] = [textOf(json), textOf(`---\n${json}`)];
    assert.deepEqual(parse(fromYaml), JSON.parse(fromJson));
    assert.match(fromJson, /^\{\n\t"apiVersion"/);
  }
});

test('the items of a List are guarded, each by its own annotations', () => {
  const pod = podOf({ title: 'x', annotations: {}, spec: {} });
  const plain = { ...pod, metadata: { name: 'plain' } };
  const list = { apiVersion: 'v1', kind: 'List', items: [plain, pod, workload('Job', pod)] };
  const { items } = JSON.parse(textOf(JSON.stringify(list)));
  assert.deepEqual(items[0], plain);
  assert.equal(items[1].spec.initContainers[0].name, 'lease-lock-install');
  assert.equal(items[2].spec.template.spec.initContainers[0].name, 'lease-lock-install');
});

const pod = (more: string): string => `apiVersion: v1
kind: Pod
metadata: {name: x, annotations: {lease-lock.nullplatform.com/name: nightly}}
spec:
${more}`;

test('what aliases and merges lead to is refused where the injection would reach it, and kept elsewhere', () => {
  const aliases = /^Pod x: what is injected would reach places that an alias \(\*\) or a merge \(<<\) leads to: write these out/;
  const merged = pod('  containers: [{<<: &base {command: [sh], image: x}, name: main}]\n');
  assert.match(problemsOf(merged)[0] ?? '', aliases);
  const shared = pod('  containers: [{name: main, image: x, command: &c [sh]}]\n  x-other: *c\n');
  assert.match(problemsOf(shared)[0] ?? '', aliases);
  const elsewhere = pod('  containers: [{name: main, command: [sh], env: &e [{name: A, value: b}]}]\n  x-other: *e\n');
  assert.match(textOf(elsewhere), /x-other: \*e/);
});

test('what is no text, no Pod, or no YAML is refused', () => {
  assert.match(problemsOf(pod('  x: 1\n'))[0] ?? '', /^Pod x: this is no Pod: it has no list of containers/);
  assert.match(problemsOf(pod('  containers: [sh]\n'))[0] ?? '', /no list of containers/);
  const number = pod('  containers: [{name: main, image: x}]').replace('nightly', '5');
  assert.match(problemsOf(number)[0] ?? '', /name is 5, and no text: put it into quotes/);
  assert.match(problemsOf(`${pod('  containers: [')}\n---\na: b\n`)[0] ?? '', /^document 1: /);
  assert.equal(textOf(''), '');
  const empty = pod('  initContainers:\n  volumes: ~\n  containers: [{name: main, command: [sh], volumeMounts: }]\n');
  assert.match(textOf(empty), /volumes:\n.*name: lease-lock/);
});

const written = (t: TestContext, name: string, text: string): string => {
  const file = join(tempFolder(t), name);
  writeFileSync(file, text);
  return file;
};

test('the command prints all files as one, with its own image', async (t) => {
  const guarded = pod('  containers: [{name: main, image: x, command: [sh]}]');
  const files = [written(t, 'a.yaml', guarded), written(t, 'b.yaml', YAML)];
  const child = guard(t, [
    'inject',
    '-f',
    files[0] ?? '',
    `--filename=${files[1]}`,
    '--image',
    'mirror.example.com/lock:1',
    '-f',
    '-',
  ]);
  child.input('kind: Other\n');
  const { code, stdout, stderr } = await child.finished;
  assert.equal(code, 0, stderr);
  assert.equal(stdout.match(/image: mirror.example.com\/lock:1$/gm)?.length, 2);
  assert.deepEqual(
    [...stdout.matchAll(/^kind: (\w+)$/gm)].map(([, kind]) => kind),
    ['Pod', 'ConfigMap', 'CronJob', 'Other'],
  );
  assert.equal(stdout.match(/^---$/gm)?.length, 4);
});

test('of several files with one problem nothing is printed, and it is told where the problem is', async (t) => {
  const wrong = `${YAML}---\n${pod('  containers: [{name: main, image: x}]')}\n`;
  const file = written(t, 'wrong.yaml', wrong);
  const { code, stdout, stderr } = await guard(t, ['inject', '-f', written(t, 'right.yaml', YAML), '-f', file]).finished;
  assert.deepEqual([code, stdout], [EXIT.configuration.code, '']);
  assert.ok(stderr.startsWith(`k8s-lease-lock: ${file}: document 4: Pod x: restartPolicy is Always, and with a sidecar`), stderr);
  const absent = await guard(t, ['inject', '-f', '/nonexistent/x.yaml']).finished;
  assert.equal(absent.code, EXIT.configuration.code);
  assert.match(absent.stderr, /^k8s-lease-lock: \/nonexistent\/x.yaml: cannot be read: ENOENT/);
});

test('aliases that expand without end are refused by a sentence', async (t) => {
  const levels = Array.from({ length: 12 }, (_, i) => `a${i + 1}: &a${i + 1} [${Array(9).fill(`*a${i}`).join(', ')}]`);
  const file = written(t, 'bomb.yaml', `a0: &a0 [x]\n${levels.join('\n')}\nkind: Pod\n`);
  const { code, stdout, stderr } = await guard(t, ['inject', '-f', file]).finished;
  assert.deepEqual([code, stdout], [EXIT.configuration.code, '']);
  assert.match(stderr, /^k8s-lease-lock: \S+bomb\.yaml: invalid YAML: [^\n]{1,200}\n$/);
});

test('a wrong command line is refused', async (t) => {
  const cases: [string[], RegExp][] = [
    [[], /-f is required: a file with manifests/],
    [['-f'], /--filename needs a value/],
    [['x.yaml'], /unexpected argument "x.yaml"/],
    [['-f', 'x.yaml', '--name', 'x'], /unknown option --name/],
  ];
  for (const [args, expected] of cases) {
    const { code, stderr } = await guard(t, ['inject', ...args]).finished;
    assert.equal(code, EXIT.usage.code);
    assert.match(stderr, expected);
  }
});

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

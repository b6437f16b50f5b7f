/** `inject` and the texts around a Pod: YAML and JSON, lists, aliases, and what is no manifest at all. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'yaml';
import { GUARDED } from './guarded.ts';
import { pod, problemsOf, textOf, YAML } from './injecting.ts';
import { podOf, workload } from './pods.ts';

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

/** `inject` as a command: files in, one text out, or the place of what is wrong. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { EXIT } from '../../../image/exit-codes.ts';
import { guard, tempFolder } from '../../harness/guards.ts';
import { pod, YAML } from './injecting.ts';

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

test('a sidecar is refused for a Kubernetes without native sidecars, and a wrapped command is not', async (t) => {
  const wrapped = written(t, 'wrapped.yaml', pod('  containers: [{name: main, image: x, command: [sh]}]'));
  const beside = written(t, 'beside.yaml', pod('  restartPolicy: Never\n  containers: [{name: main, image: x}]'));
  const injected = written(t, 'injected.yaml', (await guard(t, ['inject', '-f', beside]).finished).stdout);
  const inject = async (file: string, version: string) =>
    await guard(t, ['inject', '-f', file, '--kubernetes', version]).finished;
  for (const version of ['1.28', 'v1.28.15', '1.28.15-gke.100', '1.14'])
    for (const file of [beside, injected]) {
      const { code, stdout, stderr } = await inject(file, version);
      assert.deepEqual([code, stdout], [EXIT.configuration.code, ''], stderr);
      assert.match(stderr, /: Pod x: a native sidecar needs Kubernetes 1\.29 or later, and this is for 1\.(28|14): let/);
    }
  for (const [file, version] of [
    [wrapped, '1.28'],
    [beside, '1.29'],
    [injected, 'v1.37.2+k3s1'],
  ] as const)
    assert.equal((await inject(file, version)).code, 0, `${file} ${version}`);
});

test('a wrong command line is refused', async (t) => {
  const cases: [string[], RegExp][] = [
    [[], /-f is required: a file with manifests/],
    [['-f'], /--filename needs a value/],
    [['x.yaml'], /unexpected argument "x.yaml"/],
    [['-f', 'x.yaml', '--name', 'x'], /unknown option --name/],
    [['-f', 'x.yaml', '--kubernetes', '28'], /--kubernetes is "28": write its version, such as 1\.28/],
    [['-f', 'x.yaml', '--kubernetes', '1.28x'], /--kubernetes is "1.28x"/],
  ];
  for (const [args, expected] of cases) {
    const { code, stderr } = await guard(t, ['inject', ...args]).finished;
    assert.equal(code, EXIT.usage.code);
    assert.match(stderr, expected);
  }
});

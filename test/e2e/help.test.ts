/** One set of manners for every command: help, version, and what is said to those who have mistyped, or know another program. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { SHAPE } from '../../image/commands/run.ts';
import { EXIT } from '../../image/exit-codes.ts';
import { helpFor } from '../../image/help.ts';
import { nearest } from '../../image/nearest.ts';
import { VERSION } from '../../src/version.ts';
import { guard } from '../harness/guards.ts';

const said = (t: TestContext, args: string[], env: Record<string, string> = {}) => guard(t, args, { env }).finished;

const namesIn = (help: string): string[] => [...help.matchAll(/^ {2}(\w+) {2,}\S/gm)].map(([, name = '']) => name);

test('every command shows its help in three ways, on stdout, with the documents of its version', async (t) => {
  const { stdout, code } = await said(t, ['--help']);
  const names = namesIn(stdout);
  assert.equal(code, 0);
  assert.ok(
    ['run', 'status', 'unlock', 'install', 'demo'].every((name) => names.includes(name)),
    stdout,
  );
  for (const name of names) {
    const help = await said(t, [name, '--help']);
    assert.deepEqual([help.code, help.stderr], [0, ''], name);
    assert.match(help.stdout, new RegExp(`^Usage: k8s-lease-lock ${name}\\b`));
    assert.match(help.stdout, /^ {2}-h, --help +show this help$/m, name);
    assert.ok(help.stdout.includes(`/tree/v${VERSION}/docs`), name);
    assert.equal((await said(t, [name, '-h'])).stdout, help.stdout, name);
    assert.equal((await said(t, ['help', name])).stdout, help.stdout, name);
  }
  for (const way of ['-h', 'help']) assert.equal((await said(t, [way])).stdout, stdout);
});

test('the version is shown in three ways', async (t) => {
  for (const way of ['-V', '--version', 'version']) assert.equal((await said(t, [way])).stdout, `${VERSION}\n`);
});

test('help is as wide as the terminal, within reason', () => {
  const widest = (columns: number) =>
    Math.max(
      ...helpFor({ usage: `Usage: x\n\n${'word '.repeat(50)}`, options: SHAPE.options }, columns)
        .split('\n')
        .map((line) => line.length),
    );
  assert.ok(widest(80) <= 80);
  assert.ok(widest(200) > 100 && widest(200) <= 110);
  assert.ok(widest(20) <= 80, 'narrower than that it would be a column of words');
});

test('who has mistyped, or knows another program, is told what is meant', async (t) => {
  const rows: [string[], RegExp][] = [
    [['stauts'], /unknown command "stauts": did you mean "status"\?/],
    [['unlok'], /did you mean "unlock"\?/],
    [['frobnicate'], /unknown command "frobnicate"\n/],
    [['--verison'], /unknown option "--verison"/],
    [['toString'], /unknown command "toString"/],
    [['run', '--name', 'x', '--tiemout', '5s', '--', 'true'], /unknown option --tiemout: did you mean --timeout\?/],
    [['run', '-w', '5', '--name', 'x', '--', 'true'], /unknown option -w: to wait for a limited time, use --timeout, such as/],
    [['run', 'deploy', '--', 'true'], /--name is required: the lock is named by --name deploy/],
    [['acquire', 'deploy', '--lease-duration', '5m'], /unexpected argument "deploy": the lock is named by --name deploy/],
    [['release', '--name', 'x', 'y'], /unexpected argument "y" \(see/],
    [['status', '--wtach'], /unknown option --wtach: did you mean --watch\?/],
    [['status', '-o'], /--output needs a value: --output FORMAT/],
    [['status', 'a', '-A'], /a lock cannot be named together with --all-namespaces/],
    [['unlock', 'a', 'b', '--holder', 'x'], /unexpected argument "b"/],
    [['unlock', 'a', '--holder', 'x', '--force=maybe'], /invalid value "maybe" for --force: use one of silent, live/],
    [['unlock', 'a'], /--holder is required: the id of the holder, as "k8s-lease-lock status a" shows it/],
    [['queue', 'a', '--move', 'k'], /--move and --to belong together/],
    [['serve', '--prot', '1'], /unknown option --prot: did you mean --port\?/],
    [['demo', 'x'], /unexpected argument "x"/],
    [['install'], /the folder is missing/],
  ];
  for (const [args, words] of rows) {
    const { code, stderr } = await said(t, args);
    assert.match(stderr, words);
    assert.equal(code, EXIT.usage.code, args.join(' '));
  }
});

test('a line for a shell that was given as one word is recognised', async (t) => {
  const { code, stderr } = await said(t, ['run', '--server', 'http://127.0.0.1:9', '--name', 'x', '--', './a.sh && ./b.sh']);
  assert.equal(code, EXIT.notFound.code);
  assert.match(stderr, /It looks like a line for a shell: use -- sh -c '\.\/a\.sh && \.\/b\.sh'/);
});

test('the environment is read wherever help shows it, and an empty variable is unset', async (t) => {
  const env = { K8S_LEASE_LOCK_NAME: 'nightly', K8S_LEASE_LOCK_FOR: 'user:alice', K8S_LEASE_LOCK_NAMESPACE: '' };
  const { stdout, code } = await said(t, ['rbac'], env);
  assert.equal(code, 0);
  assert.match(stdout, / nightly\n[\s\S]* alice\n/);
  assert.match(stdout, /namespace: default\n/);
  const forced = await said(t, ['unlock', '--holder', 'x', '--server', 'http://127.0.0.1:9'], {
    ...env,
    K8S_LEASE_LOCK_FORCE: 'live',
  });
  assert.match(forced.stderr, /no answer/, 'nobody can set --force for every command');
  assert.doesNotMatch((await said(t, ['unlock', '-h'])).stdout, /K8S_LEASE_LOCK_FORCE/);
});

test('only what is near is suggested', () => {
  const known = ['status', 'list', 'run'];
  assert.deepEqual(
    ['stats', 'sttaus', 'lst', 'rn', 'x', 'rub', 'stat', 'nothing'].map((word) => nearest(word, known)),
    ['status', 'status', 'list', 'run', undefined, 'run', 'status', undefined],
  );
});

/** Completion as people meet it: in a real bash, zsh and fish, and in the real kubectl, with names that a cluster knows. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { badServer, silence } from '../harness/bad-server.ts';
import { BUNDLE, guard, PROGRAM, reach, tempFolder } from '../harness/guards.ts';
import { kubeconfigText } from '../harness/kubeconfig.ts';
import { real, realCluster } from '../harness/real.ts';
import { targets } from '../harness/targets.ts';
import { terminal } from '../harness/terminal.ts';
import { without } from '../harness/without.ts';
import { operatorsOn } from './operate.ts';

const all = await targets();
after(() => Promise.all(all.map(({ close }) => close())));
// The real one, where there is one.
const target = all.at(-1) as (typeof all)[0];
const { command, lease, put, waiting, namespace: made } = operatorsOn(target);
const namespace = await made;

/** A folder in which the program is found, some files to complete, and the environment that leads to the cluster. */
function place(t: TestContext) {
  const folder = tempFolder(t);
  mkdirSync(join(folder, 'bin'));
  const program = (name: string, line: string) =>
    writeFileSync(join(folder, 'bin', name), `#!/bin/sh\nexec ${line} "$@"\n`, { mode: 0o755 });
  program('k8s-lease-lock', PROGRAM.join(' '));
  for (const name of ['notes.yaml', 'deploy.sh']) writeFileSync(join(folder, name), '');
  const KUBECONFIG = target.cluster?.kubeconfigFor(target.cluster.adminToken, namespace) ?? join(folder, 'kubeconfig');
  if (!target.cluster) writeFileSync(KUBECONFIG, kubeconfigText({ cluster: { server: target.url }, namespace }));
  return { folder, env: { PATH: `${folder}/bin:${process.env.PATH}`, HOME: folder, KUBECONFIG } };
}

/** Somebody holds `deploy`, and somebody waits for it; undone with the test. Returns the key of who waits. */
async function busy(t: TestContext): Promise<string> {
  const id = ['--name', 'deploy', '--holder', 'system:pipeline/7'];
  assert.equal((await command(t, 'acquire', ...id, '--lease-duration', '5m')).code, 0);
  await waiting(t, 'deploy');
  t.after(() => command(t, 'release', ...id));
  const annotations = Object.keys((await lease('deploy')).metadata.annotations ?? {});
  return annotations.find((name) => name.startsWith('waiter.'))?.replace(/.*\//, '') ?? '';
}

/** As a client of another kind, which may call itself anything. */
async function holds(name: string, holderIdentity: string): Promise<void> {
  const { spec } = await lease(name);
  const renewTime = new Date().toISOString().replace('Z', '000Z');
  if (spec?.holderIdentity !== holderIdentity) await put(name, { spec: { holderIdentity, leaseDurationSeconds: 60, renewTime } });
}

/** What is typed after the name of the program, and what its last word becomes. */
const completions = (key: string): [string, string][] => [
  ['unl', 'unlock'],
  ['unlock --ho', '--holder'],
  ['status -o js', 'json'],
  ['status --output=js', '--output=json'],
  ['status dep', 'deploy'],
  [`status -n ${namespace.slice(0, -1)}`, namespace],
  ['unlock deploy --holder system:', 'system:pipeline/7'],
  ['unlock deploy --holder=system:', '--holder=system:pipeline/7'],
  [`queue deploy --remove ${key.slice(0, 3)}`, key],
  ['doctor --kubeconfig no', 'notes.yaml'],
  ['doctor --kubeconfig=no', '--kubeconfig=notes.yaml'],
  ['run --reason "a  b" --name de -- ./de', './deploy.sh'],
  ['help comp', 'completion'],
];

const SHELLS = {
  bash: {
    start: 'bash --norc --noprofile -i',
    begin:
      `for s in 'bell-style none' 'show-all-if-ambiguous on' 'enable-bracketed-paste off'; do bind "set $s"; done; ` +
      'eval "$(k8s-lease-lock completion bash)"',
  },
  zsh: {
    start: 'zsh -f -i',
    begin: 'unsetopt beep; autoload -Uz compinit; compinit -u -D; eval "$(k8s-lease-lock completion zsh)"',
  },
};

for (const [shell, { start, begin }] of Object.entries(SHELLS))
  test(`${shell} completes commands, options, values, and names of the cluster`, { skip: without(shell) }, async (t) => {
    const key = await busy(t);
    await holds('evil', '$(id)');
    const { folder, env } = place(t);
    const { type, shows } = terminal(t, `sh -c 'cd ${folder}; exec ${start}'`, {
      env: { ...env, TERM: 'dumb', PS1: '$ ' },
      columns: 150,
    });
    type(`${begin}; echo rea""dy\n`);
    await shows(/ready[^$]*\$ /);
    const quoted: [string, string] = ['unlock evil --holder ', '\\$\\(id\\)'];
    for (const [typed, completed] of [...completions(key), quoted]) {
      type(`k8s-lease-lock ${typed}`);
      await shows(new RegExp(`k8s-lease-lock ${literally(typed)}`));
      type('\t');
      await shows(new RegExp(literally(`8s-lease-lock ${typed.replace(/\S*$/, '')}${completed} `)));
      // Keys, which are kept until the shell reads them: a signal may come while it does not listen.
      type('\x15\n');
      await shows(/\$ /);
    }
    type('k8s-lease-lock status --output=\t');
    await shows(/json +name +table +text +wide +yaml/);
  });

const literally = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

test('fish completes the same, each with what it means', { skip: without('fish') }, async (t) => {
  const key = await busy(t);
  const { folder, env } = place(t);
  const fish = async (typed: string) => {
    const script = `k8s-lease-lock completion fish | source; complete -C 'k8s-lease-lock ${typed}'`;
    return (await promisify(execFile)('fish', ['--no-config', '-c', script], { cwd: folder, env })).stdout;
  };
  for (const [typed, completed] of completions(key))
    assert.deepEqual(
      (await fish(typed)).split('\n').map((line) => line.split('\t')[0]),
      [completed, ''],
      typed,
    );
  assert.match(await fish('status dep'), /^deploy\tAlive, held by system:pipeline\/7\n$/);
  assert.match(await fish('queue deploy --move '), /^\S+\tplace 1: \S+, waiting for \d+s\n$/);
});

real('kubectl completes the plugin', async (t) => {
  await busy(t);
  const { folder, env } = place(t);
  const cluster = await realCluster();
  for (const [name, file] of Object.entries({ 'kubectl-lease_lock': 'index.js', 'kubectl_complete-lease_lock': 'complete.js' }))
    symlinkSync(BUNDLE.replace('index.js', file), join(folder, 'bin', name));
  const kubectl = (...words: string[]) => promisify(execFile)(cluster.kubectl, ['__complete', ...words], { env });
  const { stdout, stderr } = await kubectl('lease-lock', 'unlock', 'deploy', '--holder', '');
  assert.match(stdout, /^system:pipeline\/7\t(alive|not renewed).*\n:4\n$/);
  const others = stderr.split('\n').filter((line) => !line.startsWith('[Debug] '));
  assert.deepEqual(
    others,
    ['Completion ended with directive: ShellCompDirectiveNoFileComp', ''],
    'the rest is of kubectl itself',
  );
  assert.match((await kubectl('lease-lock', 'unl')).stdout, /^unlock\task a holder/);
  assert.match((await kubectl('lease-l')).stdout, /^lease-lock\t/);
});

test('where the cluster does not answer, refuses or is not there, nothing is offered and nothing is said, soon', async (t) => {
  const silent = await badServer(t, silence);
  const exec = { apiVersion: 'client.authentication.k8s.io/v1', command: 'sh', args: ['-c', 'echo noise >&2; exit 1'] };
  const failing = join(tempFolder(t), 'kubeconfig');
  writeFileSync(
    failing,
    kubeconfigText({ cluster: { server: silent.url }, user: { exec: { ...exec, interactiveMode: 'Never' } } }),
  );
  const ways: string[][] = [
    ['--server', silent.url],
    ['--server', 'http://127.0.0.1:9'],
    ['--server', 'not a URL'],
    ['--kubeconfig', '/nonexistent'],
    ['--kubeconfig', failing],
    ['-n', 'NOT VALID', ...reach(target)],
    ['-n', 'a', '-n', 'b', ...reach(target)],
    [],
  ];
  for (const options of ways) {
    for (const words of [
      ['status', ...options, ''],
      ['unlock', 'x', ...options, '--holder', ''],
    ]) {
      const { code, stdout, stderr } = await guard(t, ['__complete', ...words]).finished;
      assert.deepEqual([code, stdout, stderr], [0, ':4\n', ''], words.join(' '));
    }
  }
});

test('what others have written is no candidate where it could not be typed, or would be taken for the protocol', async (t) => {
  const strange = ['a b', 'a\tb', ':0', 'a\x1b[2J'];
  for (const [i, holder] of strange.entries()) {
    await holds(`strange-${i}`, holder);
    const words = ['__complete', 'unlock', '-n', namespace, ...reach(target), `strange-${i}`, '--holder', ''];
    assert.equal((await guard(t, words).finished).stdout, ':4\n', holder);
  }
});

test('a shell that is not known is answered with those that are', async (t) => {
  for (const [args, words] of [
    [[], /the shell is missing: one of bash, zsh, fish, powershell/],
    [['csh'], /unknown shell "csh": use one of bash/],
  ] as const) {
    const { code, stderr } = await guard(t, ['completion', ...args]).finished;
    assert.equal(code, 64);
    assert.match(stderr, words);
  }
});

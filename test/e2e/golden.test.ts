/** The output of the commands that people look at, to the letter: without a terminal, and on terminals of two widths, for what a real API server says. */
import assert from 'node:assert/strict';
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import { COMMANDS } from '../../image/commands.ts';
import { tempFolder } from '../harness/guards.ts';
import { real, realCluster } from '../harness/real.ts';
import { compare, type Printing, plainly, printed } from './golden.ts';
import { type Staged, stage } from './staged.ts';

const HOLDER = 'user/runner-7/k3v9x0q2ab';
const BOB = 'user/runner-9/8c1m3z5e2d';
const CAROL = 'user/runner-8/0f4h7t2y1u';

const LEASES: Record<string, Staged> = {
  asked: { holder: HOLDER, stop: { holder: HOLDER, by: 'ops', kind: 'unlock', reason: 'rollback' } },
  cleared: { holder: HOLDER, spec: { holderIdentity: '' } },
  dead: { holder: HOLDER, days: 1, renewedDays: 3, waiters: [{ id: BOB, days: 2 }] },
  deploy: {
    holder: HOLDER,
    waiters: [
      { id: BOB, days: 1 },
      { id: CAROL, days: 2, priority: 5 },
    ],
  },
  elected: { holder: 'scheduler-0', days: 4, foreign: 'kube-scheduler' },
  expired: { holder: HOLDER, days: 2, renewedDays: 3 },
  free: {},
  legacy: { holder: 'k8slock-1', days: 4, foreign: 'node-fetch', renewTimeDays: -2 },
  pipeline: { holder: 'pipeline-4711', sinceDays: 1 },
  silent: { holder: HOLDER, sinceDays: 5, renewedDays: 4 },
  waited: { waiters: [{ id: BOB, days: 1 }] },
};

/** A namespace with these locks, and the environment that leads to it. */
async function stageAll(
  ...names: (keyof typeof LEASES)[]
): Promise<Printing & { namespace: string; env: { KUBECONFIG: string } }> {
  const cluster = await realCluster();
  const namespace = await cluster.namespace('golden');
  for (const name of names) await stage(cluster, namespace, name, LEASES[name] ?? {});
  const KUBECONFIG = cluster.kubeconfigFor(cluster.adminToken, namespace);
  return { namespace, env: { KUBECONFIG }, replace: [...replacements(namespace), [KUBECONFIG, '/home/ops/.kube/config']] };
}

const replacements = (namespace: string): [RegExp | string, string][] => [
  [namespace, 'golden-0123456789'],
  [/https:\/\/127\.0\.0\.1:\d+/g, 'https://203.0.113.7:6443'],
  [/Kubernetes v[\d.]+/g, 'Kubernetes v1.99.0'],
];

async function all(
  t: TestContext,
  printing: Printing,
  commands: readonly (readonly string[])[],
  print = printed,
): Promise<string[]> {
  const outputs: string[] = [];
  for (const args of commands) outputs.push(await print(t, args, printing));
  return outputs;
}

real('status and list', async (t) => {
  const printing = await stageAll(...Object.keys(LEASES));
  compare(
    'status',
    await all(
      t,
      printing,
      [...Object.keys(LEASES), 'typo'].map((name) => ['status', name]),
    ),
  );
  compare(
    'list',
    await all(t, printing, [
      ['list'],
      ['list', '-o', 'wide'],
      ['list', '-l', `staged=${printing.namespace}`, '-A', '-o', 'wide'],
      ['status', 'deploy', 'typo', '-o', 'table'],
      ['list', '-o', 'name'],
      ['list', '-l', 'no=such'],
    ]),
  );
});

real('what scripts get', async (t) => {
  const { replace = [], ...printing } = await stageAll('deploy', 'free');
  const moving: [RegExp, string][] = [
    [/(?<=Seconds(?:Ago)?"?: )-?\d+/g, '7'],
    [/(?<=resourceVersion"?: ")\d+/g, '48211'],
  ];
  const commands = [
    ['status', 'deploy', '-o', 'json'],
    ['status', 'deploy', '-o', 'yaml'],
    ['list', '-o', 'json'],
    ['status', 'typo', '-o', 'json'],
  ];
  compare('formats', await all(t, { ...printing, replace: [...replace, ...moving] }, commands, plainly));
});

real('queue', async (t) => {
  const printing = await stageAll('deploy', 'free');
  const shown = await all(t, printing, [
    ['queue', 'deploy'],
    ['queue', 'free'],
    ['queue', 'typo'],
  ]);
  const changes = [
    ['--move', BOB, '--to', '1'],
    ['--remove', 'nobody'],
    ['--remove', '000019-0f4h7t2y1u', '--timeout', '1s'],
    [],
  ];
  const changed = await all(
    t,
    printing,
    changes.map((args) => ['queue', 'deploy', ...args]),
    plainly,
  );
  compare('queue', [...shown, ...changed]);
});

real('unlock', async (t) => {
  const { replace = [], ...printing } = await stageAll('dead', 'deploy', 'elected', 'pipeline');
  const ago: [RegExp, string][] = [
    [/renewed it \S+ ago/g, 'renewed it 24h30m5s ago'],
    [/for 72h30m\d+s/g, 'for 72h30m5s'],
  ];
  const commands = [
    ['deploy', '--holder', 'alice'],
    ['typo', '--holder', HOLDER],
    ['elected', '--holder', 'scheduler-0'],
    ['deploy', '--holder', HOLDER, '--timeout', '0', '--reason', 'rollback'],
    ['deploy', '--holder', HOLDER, '--force'],
    ['dead', '--holder', '000017-k3v9x0q2ab', '--force', '--reason', 'runner-7 is gone'],
    ['pipeline', '--holder', 'pipeline-4711', '--force=live'],
  ];
  const outputs = await all(
    t,
    { ...printing, replace: [...replace, ...ago] },
    commands.map((args) => ['unlock', ...args]),
    plainly,
  );
  outputs.push(await printed(t, ['status', 'deploy', 'dead', 'pipeline'], { ...printing, replace }));
  compare('unlock', outputs);
});

real('verify', async (t) => {
  const { replace = [], ...printing } = await stageAll('deploy', 'expired', 'free');
  const left: [RegExp, string][] = [[/for \S+ at least/g, 'for 47s at least']];
  const commands = [
    ['deploy', '--holder', HOLDER, '--token', '1'],
    ['deploy', '--holder', HOLDER, '--token', '1', '--transitions', '6'],
    ['expired', '--holder', HOLDER, '--token', '1'],
    ['free', '--holder', HOLDER, '--token', '1'],
    ['typo', '--holder', HOLDER, '--token', '1'],
  ];
  compare(
    'verify',
    await all(
      t,
      { ...printing, replace: [...replace, ...left] },
      commands.map((args) => ['verify', ...args]),
      plainly,
    ),
  );
});

real('doctor', async (t) => {
  const { replace = [], namespace, env } = await stageAll('deploy');
  const cluster = await realCluster();
  // Other tests install it.
  const policy: [RegExp, string][] = [[/^(policy +\S*ok\S* +).*(\n {18}.*)*$/gm, '$1(installed or not)']];
  // Named by no path, whose length would say where lines end.
  const cwd = tempFolder(t);
  copyFileSync(env.KUBECONFIG, join(cwd, 'ops.kubeconfig'));
  copyFileSync(cluster.kubeconfigFor(cluster.userToken(11), namespace), join(cwd, 'bob.kubeconfig'));
  const mine: Printing = { cwd, env: { KUBECONFIG: 'ops.kubeconfig' }, replace: [...replace, ...policy] };
  const theirs: Printing = { ...mine, env: { KUBECONFIG: 'bob.kubeconfig' } };
  compare('doctor', [
    ...(await all(t, mine, [['doctor', 'deploy'], ['doctor', 'new'], ['doctor']])),
    await printed(t, ['doctor', 'deploy'], theirs),
    await printed(t, ['doctor', '--server', 'http://127.0.0.1:9', '-n', 'ci'], { env: {} }),
    await plainly(t, ['doctor', 'deploy', '-o', 'json'], theirs),
  ]);
});

test('help', async (t) => {
  const pages = [['--help'], ...Object.keys(COMMANDS).map((name) => [name, '--help'])];
  const outputs = await all(t, { env: {} }, pages);
  compare('help', outputs);
  assert.ok(pages.length > 15);
  for (const output of outputs) {
    const [, narrow = ''] = output.split(/^--- on a terminal with .*$/m);
    const wide = narrow.split('\n').filter((line) => line.length > 80 && line.trim().includes(' '));
    assert.deepEqual(wide, [], 'wider than the terminal, though there is more than a word');
  }
});

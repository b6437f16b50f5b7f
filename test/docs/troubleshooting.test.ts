/** docs/troubleshooting.md is walked through on the real API server, and leaves out nothing that the program can end with. */
import assert from 'node:assert/strict';
import { globSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { EXIT } from '../../image/exit-codes.ts';
import { type Staged, stage } from '../e2e/staged.ts';
import { type Guard, guard, killGuard, tempFolder } from '../harness/guards.ts';
import { kubeconfigText } from '../harness/kubeconfig.ts';
import { real, realCluster } from '../harness/real.ts';
import { until } from '../harness/until.ts';
import { guardNamespace } from '../theft/lab.ts';
import { read, root } from './documents.ts';
import { EXAMPLE, pageAt, type Walker } from './walk.ts';

const PAGE = 'docs/troubleshooting.md';
const { sections, walker, left } = pageAt(PAGE);

const STUCK = {
  see: 'Step 1: see who holds it',
  ask: 'Step 2: ask the holder to stop',
  clear: 'Step 3: clear a holder that is dead',
  check: 'Step 4: check',
};
/** Silent for days. */
const DEAD: Staged = { holder: EXAMPLE.holder, days: 1, renewedDays: 3 };

interface Scene extends Walker {
  namespace: string;
  env: { KUBECONFIG: string };
  stage(staged: Staged): Promise<void>;
  /** A guard whose command lasts; its id is what the reader sees. */
  holding(t: TestContext, ...options: string[]): Promise<Guard>;
  waiting(t: TestContext): Promise<Guard>;
  kubectl(method: string, path?: string, body?: unknown): Promise<unknown>;
}

async function scene(t: TestContext): Promise<Scene> {
  const cluster = await realCluster();
  const namespace = await cluster.namespace('trouble');
  const KUBECONFIG = cluster.kubeconfigFor(cluster.adminToken, namespace);
  const env = { KUBECONFIG };
  const walk = walker(t, { cluster, namespace, kubeconfig: KUBECONFIG });
  const lease = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/deploy`;
  return {
    ...walk,
    namespace,
    env,
    stage: (staged) => stage(cluster, namespace, 'deploy', staged),
    async holding(t, ...options) {
      const held = guard(t, ['run', '--name', 'deploy', ...options, '--', 'sh', '-c', 'echo running; read _'], { env });
      await held.prints(/running/);
      const { stdout } = await walk.follow(STUCK.see);
      walk.reads(EXAMPLE.holder, /^Holder: +(\S+)/m.exec(stdout)?.[1] ?? '');
      return held;
    },
    async waiting(t) {
      const queued = guard(t, ['run', '--name', 'deploy', '--', 'true'], { env });
      await queued.says(/waiting for Lease/);
      return queued;
    },
    kubectl: async (method, path = lease, body) => {
      const { status, text, body: answer } = await cluster.request(method, path, body);
      assert.ok(status < 300, text);
      return answer;
    },
  };
}

const is = ({ code, stdout, stderr }: { code: number | null; stdout: string; stderr: string }, wanted: number, words: RegExp) => {
  assert.equal(code, wanted, `${stdout}${stderr}`);
  assert.match(`${stdout}${stderr}`, words);
};

real('a lock is stuck: its holder lives, and is asked', async (t) => {
  const { follow, holding, waiting } = await scene(t);
  const alice = await holding(t);
  const bob = await waiting(t);
  is(await follow(STUCK.see), 0, /State: +Alive[\s\S]*Queue: +1 waiting/);
  is(await follow(STUCK.clear), EXIT.no.code, /renewed it \S+ ago, so its command may be running/);
  is(await follow(STUCK.ask), 0, /has released Lease/);
  assert.equal((await alice.finished).code, EXIT.stopped.code);
  assert.equal((await bob.finished).code, 0);
});

real('a lock is stuck: its holder is dead', async (t) => {
  const { follow, stage, waiting } = await scene(t);
  await stage(DEAD);
  const bob = await waiting(t);
  is(await follow(STUCK.see), 0, /State: +Dead/);
  is(await follow(STUCK.clear), 0, /cleared user\/runner-7\/k3v9x0q2ab/);
  assert.equal((await bob.finished).code, 0);
  is(await follow(STUCK.check), 0, /LockForceUnlocked/);
  is(await follow(STUCK.check, 1), EXIT.no.code, /does not hold it/);
});

real('a lock is stuck: its holder has died a moment ago', async (t) => {
  const { follow, holding, waiting } = await scene(t);
  const alice = await holding(t, '--lease-duration', '2m');
  const bob = await waiting(t);
  killGuard(alice);
  is(await follow(STUCK.clear), EXIT.no.code, /renewed it \S+ ago, so its command may be running/);
  is(await follow(STUCK.clear, 1), 0, /cleared /);
  assert.equal((await bob.finished).code, 0);
});

for (const [who, staged, holder] of [
  ['a client of leader election', { holder: 'scheduler-0', days: 4, foreign: 'kube-scheduler' }, 'scheduler-0'],
  ['K8SLock 0.2.5', { holder: 'k8slock-1', days: 4, foreign: 'node-fetch', renewTimeDays: -2 }, 'k8slock-1'],
] as const)
  real(`a holder of another program: ${who}`, async (t) => {
    const { follow, stage, reads } = await scene(t);
    await stage(staged);
    reads('scheduler-0', holder);
    reads(EXAMPLE.holder, holder);
    is(await follow('A holder of another program'), 0, /Client: +(?:not of this program|K8SLock 0\.2\.5)/);
    is(await follow(STUCK.ask), EXIT.no.code, /cannot be asked/);
    is(await follow('A holder of another program', 1), 0, /cleared /);
    is(await follow(STUCK.see), 0, /State: +Free/);
  });

real('everybody waits, nobody holds', async (t) => {
  const { follow, stage, waiting } = await scene(t);
  await stage({ holder: EXAMPLE.holder, spec: { holderIdentity: '' } });
  const bob = await waiting(t);
  assert.match(bob.stderr, /another client has cleared or replaced it in the Lease/);
  is(await follow('Everybody waits, nobody holds'), 0, /State: +Cleared/);
  is(await follow('Everybody waits, nobody holds', 1), 0, /cleared /);
  assert.equal((await bob.finished).code, 0);
});

real('the Lease of a dead holder was deleted', async (t) => {
  const { follow, stage, waiting, kubectl } = await scene(t);
  await stage(DEAD);
  const bob = await waiting(t);
  await kubectl('DELETE');
  await bob.says(/was deleted while held by \S+, which may still be running: it has been restored \(\S+#the-lease-was-deleted\)/);
  is(await follow('The Lease was deleted'), 0, /Holder: +user\/runner-7\/k3v9x0q2ab/);
  is(await follow('The Lease was deleted', 1), 0, /cleared /);
  assert.equal((await bob.finished).code, 0);
});

real('403: a right is missing', async (t) => {
  const { follow, namespace } = await scene(t);
  const cluster = await realCluster();
  const token = await cluster.serviceAccountToken({ namespace, name: 'deployer' });
  const bob = walker(t, { cluster, namespace, kubeconfig: cluster.kubeconfigFor(token, namespace) });
  is(await bob.follow('A right is missing'), EXIT.refused.code, /rights +PROBLEM +not allowed: get, watch, create, update/);
  is(await follow('A right is missing', 1), 0, /lease-lock-deploy created/);
  await until(async () => (await bob.follow('A right is missing')).code === 0, 'the Role is heard of');
});

real('403: the policy against theft', async (t) => {
  const { follow, namespace, stage } = await scene(t);
  const cluster = await realCluster();
  const token = await cluster.serviceAccountToken({ namespace, name: 'deployer' });
  const bob = walker(t, { cluster, namespace, kubeconfig: cluster.kubeconfigFor(token, namespace) });
  is(await follow('A right is missing', 1), 0, /created/);
  await guardNamespace(cluster, namespace, { authorization: `Bearer ${token}` });
  await stage(DEAD);
  is(await bob.follow(STUCK.ask), EXIT.refused.code, /403: .*ValidatingAdmissionPolicy.* denied request/);
  is(await bob.follow('The policy against theft refuses'), 0, /unlock +ok +may not break a lock/);
  is(
    await follow('The policy against theft refuses', 1),
    0,
    /rolebinding\S* created|rolebinding.rbac.authorization.k8s.io\/deploy-force created/,
  );
  await until(async () => (await bob.follow(STUCK.clear, 1)).code === 0, 'the Role is heard of');
});

real('401, and an API server that does not answer', async (t) => {
  const { namespace } = await scene(t);
  const cluster = await realCluster();
  const stranger = walker(t, { cluster, namespace, kubeconfig: cluster.kubeconfigFor('expired', namespace) });
  is(await stranger.follow('401'), EXIT.refused.code, /does not accept the credentials/);
  const kubeconfig = join(tempFolder(t), 'kubeconfig');
  writeFileSync(kubeconfig, kubeconfigText({ cluster: { server: 'http://127.0.0.1:9' } }));
  const cutOff = walker(t, { cluster, namespace, kubeconfig });
  is(await cutOff.follow('The API server does not answer'), EXIT.unreachable.code, /the connection was refused/);
});

real('the lock was lost', async (t) => {
  const { follow, holding } = await scene(t);
  const alice = await holding(t);
  is(await follow(STUCK.clear, 1), 0, /cleared /);
  const { code, stderr } = await alice.finished;
  assert.equal(code, EXIT.lost.code);
  assert.match(stderr, /lost Lease \S+: another client cleared the lock; .*#the-lock-was-lost/);
  is(await follow('The lock was lost'), 0, /LockForceUnlocked/);
});

real('the queue is full of the dead', async (t) => {
  const { follow, stage, reads } = await scene(t);
  await stage({ holder: EXAMPLE.holder, waiters: [{ id: 'user/runner-9/8c1m3z5e2d', days: 1 }] });
  reads(EXAMPLE.waiter, '000018-8c1m3z5e2d');
  is(await follow('The queue is full'), 0, /removed user\/runner-9\/8c1m3z5e2d from the queue/);
});

real('what the exit codes say to run', async (t) => {
  const { follow } = await scene(t);
  const code = (wanted: number) => sections.find(({ heading }) => heading.startsWith(`Exit code ${wanted}:`))?.heading ?? '';
  is(await follow('Troubleshooting'), 0, /^cluster +ok/m);
  is(await follow(code(EXIT.configuration.code)), 0, /^lease +ok/m);
  is(await follow(code(EXIT.usage.code)), 0, /^Usage: k8s-lease-lock run/);
  is(await follow(code(EXIT.supervisor.code)), 0, /released Lease/);
  is(await follow(code(EXIT.cannotExecute.code)), 0, /^deployed$/m);
  is(await follow(code(EXIT.notFound.code)), 0, /^one\ntwo$/m);
  is(await follow(code(EXIT.no.code)), 0, /^deploy +Free/m);
  for (const wanted of [EXIT.notAcquired, EXIT.output]) is(await follow(code(wanted.code)), 0, /State: +Free/);
});

// The last of those that run them.
real('each command of the page is run', () => {
  assert.deepEqual(left(), []);
});

test('every exit code has its entry', () => {
  const described = sections.flatMap(({ heading }) => /^Exit code (\d+): \S/.exec(heading)?.[1] ?? []);
  assert.deepEqual(
    described.map(Number),
    Object.values(EXIT).map(({ code }) => code),
  );
});

test('the messages that the page quotes are those of the program', () => {
  const sources = globSync('{src,image}/**/*.ts', { cwd: root }).map(read).join('\n');
  const quoted = [
    ...read(PAGE)
      .replace(/```[\s\S]*?```/g, '')
      .matchAll(/`([^`]+)`/g),
  ].map(([, text = '']) => text.replace(/\s+/g, ' '));
  const messages = quoted.filter((text) => text.split(' ').length > 3 && !/^(?:403|k8s-lease-lock|kubectl)/.test(text));
  assert.ok(messages.length >= 10, String(messages));
  const parts = messages.flatMap((text) => text.split(/[ :]*\.\.\.[, ]*/));
  assert.deepEqual(
    parts.filter((part) => !sources.includes(part)),
    [],
  );
});

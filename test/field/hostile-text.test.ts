/**
 * Text from others is data, wherever it comes out: whoever may write a Lease, or stand in for the API server, must not move the cursor of the terminal in
 * which somebody looks at the lock, forge a line of a log, or give a command to a runner. Each command prints what hostile servers tell it.
 */
import assert from 'node:assert/strict';
import { after, type TestContext, test } from 'node:test';
import { badServer, respond, status } from '../harness/bad-server.ts';
import { guard } from '../harness/guards.ts';
import { embeddedTarget } from '../harness/targets.ts';
import { assertHarmless, SAMPLES } from './hostile.ts';

const server = await embeddedTarget();
after(() => server.close());

async function prints(t: TestContext, args: string[], env: Record<string, string> = {}): Promise<void> {
  const { stdout, stderr } = await guard(t, args, { env }).finished;
  const what = args.slice(0, 4).join(' ');
  assertHarmless(what, stdout);
  assertHarmless(what, stderr);
  assert.notEqual(stdout + stderr, '', `${what} says nothing`);
  if (args.includes('json') && stdout !== '') JSON.parse(stdout);
}

/** A lock on which everything that others can write is hostile. */
async function hostileLease(namespace: string, text: string): Promise<string> {
  const now = new Date().toISOString();
  const about = { who: text, reason: text, url: text, host: text };
  const spec = { holderIdentity: text, leaseDurationSeconds: 3600, renewTime: now.replace('Z', '000Z'), leaseTransitions: 1 };
  const stop = { by: text, kind: text, reason: text, at: text };
  const annotations = {
    'lease-lock.nullplatform.com/lock': JSON.stringify({ v: 1, next: 9, stop: { holder: '000001-alice', ...stop } }),
    'lease-lock.nullplatform.com/unlocked': JSON.stringify({ holder: text, by: text, at: text, reason: text }),
    'holder.lease-lock.nullplatform.com/000001-alice': JSON.stringify({
      id: text,
      mark: 'm',
      duration: 3600,
      since: text,
      about,
    }),
    'waiter.lease-lock.nullplatform.com/000002-bob': JSON.stringify({ id: text, since: text, about, stop }),
  };
  const body = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name: 'lock', namespace, annotations }, spec };
  const path = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/lock`;
  await server.request('DELETE', path);
  const answer = await server.request('PUT', path, body);
  assert.ok(answer.status < 300, answer.text);
  return 'lock';
}

test('what is written in a Lease', { concurrency: 4 }, async (t) => {
  const namespace = await server.namespace('hostile');
  for (const text of SAMPLES.slice(0, 4)) {
    const name = await hostileLease(namespace, text);
    const where = ['--server', server.url, '-n', namespace];
    for (const output of ['table', 'wide', 'json', 'yaml', 'name']) {
      await prints(t, ['status', name, ...where, '-o', output]);
      await prints(t, ['list', ...where, '-l', '', '-o', output]);
    }
    await prints(t, ['queue', name, ...where]);
    await prints(t, ['queue', name, ...where, '--remove', 'nobody', '--timeout', '0']);
    await prints(t, ['verify', name, ...where, '--token', '1']);
    await prints(t, ['unlock', name, ...where, '--holder', 'nobody']);
    await prints(t, ['unlock', name, ...where, '--holder', '000001-alice', '--timeout', '0', '--reason', 'x\u001b[2J']);
    await prints(t, ['doctor', name, ...where]);
    await prints(t, ['doctor', name, ...where, '-o', 'json']);
    for (const format of ['text', 'json'])
      await prints(t, ['run', '--name', name, ...where, '--on-busy', 'fail', '--log-format', format, '--', 'true']);
    await prints(t, ['unlock', name, ...where, '--holder', '000001-alice', '--force=live']);
  }
});

test('what an API server, or what stands in for it, says', { concurrency: 4 }, async (t) => {
  for (const text of SAMPLES) {
    const said = (code: number) => respond(code, status(code, text, { message: text }));
    for (const behaviour of [said(403), said(422), said(500), respond(200, text)]) {
      const { url } = await badServer(t, behaviour);
      const where = ['--server', url, '-n', 'team'];
      await prints(t, ['run', '--name', 'lock', ...where, '--timeout', '0', '--', 'true']);
      if (text !== SAMPLES.at(-1)) continue;
      await prints(t, ['run', '--name', 'lock', ...where, '--timeout', '0', '--log-format', 'json', '--', 'true']);
      for (const command of ['status', 'verify', 'doctor', 'queue'])
        await prints(t, [command, 'lock', ...where, ...(command === 'verify' ? ['--token', '1'] : [])]);
    }
  }
});

test('what the environment and the command line say, where it is refused', async (t) => {
  for (const text of SAMPLES.map((sample) => sample.replaceAll('\0', ''))) {
    await prints(t, ['run', '--name', text, '--', 'true']);
    await prints(t, [`x${text}`]);
  }
  const all = SAMPLES.join('').replaceAll('\0', '');
  await prints(t, ['run', '--', 'true'], { K8S_LEASE_LOCK_NAME: all });
  await prints(t, ['run', '--name', 'lock', '--timeout', all, '--', 'true']);
  await prints(t, ['run', '--name', 'lock', '--', 'true'], { KUBECONFIG: `/nowhere/${all}` });
  await prints(t, ['run', '--name', 'lock', '--server', all, '--', 'true']);
  await prints(t, ['run', '--name', 'lock', '--context', all, '--', 'true'], { KUBECONFIG: '/dev/null' });
  await prints(t, ['inject', '-f', `/nowhere/${all}`]);
  await prints(t, ['rbac', '--name', 'lock', '--for', all]);
  await prints(t, ['help', all]);
});

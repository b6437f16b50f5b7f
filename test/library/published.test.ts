/** The published 0.2.5 beside ours, on the real API server: each row of the table in docs/migration.md is a test that the published one fails. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { K8SLock, LockError } from '../../src/library/index.ts';
import { real } from '../harness/real.ts';
import { until } from '../harness/until.ts';
import { type AnyK8SLock, type AnyK8SLockClass, OURS, type Place, PUBLISHED, place, published, script } from './workshop.ts';

const Published = await published();
const Ours = K8SLock as unknown as AnyK8SLockClass;

/** A lock as its users make it, with a KubeConfig object of the version that 0.2.5 depends on, or with none. */
function lockAt({ namespace, name }: Place, Lock: AnyK8SLockClass, kubeConfig: unknown, options: object = {}): AnyK8SLock {
  return new Lock({ kubeConfig, leaseName: name, namespace, lockLeaserId: 'worker-1', leaseDurationInSeconds: 3, ...options });
}

async function kubeConfigOf(kubeconfig: string): Promise<unknown> {
  const path = '../../node_modules/k8slock-published/node_modules/@kubernetes/client-node/dist/index.js';
  const { KubeConfig } = (await import(path)) as typeof import('@kubernetes/client-node');
  const config = new KubeConfig();
  config.loadFromFile(kubeconfig);
  return config;
}

/** One row of the table: the same story with both, and what comes of it. */
function row(
  what: string,
  story: (t: TestContext, Lock: AnyK8SLockClass, there: Place, name: string) => Promise<unknown>,
  ends: { published: unknown; ours: unknown },
) {
  real(what, async (t) => {
    const there = () => place({ patch: true });
    assert.deepEqual(await story(t, Published, await there(), PUBLISHED), ends.published, 'the published one');
    assert.deepEqual(await story(t, Ours, await there(), OURS), ends.ours, 'ours');
  });
}

const failure = (error: unknown) => (error instanceof LockError ? error.code : 'something else');

row(
  'a Lease that is missing is made',
  async (_t, Lock, there) => {
    const lock = lockAt(there, Lock, await kubeConfigOf(there.kubeconfig));
    return await lock.getLock(false).catch(failure);
  },
  { published: 'something else', ours: true },
);

row(
  'a holder that writes the present is not robbed',
  async (_t, Lock, there) => {
    const now = new Date().toISOString().replace('Z', '000Z');
    await there.write({
      holderIdentity: 'leader',
      leaseDurationSeconds: 60,
      acquireTime: now,
      renewTime: now,
      leaseTransitions: 1,
    });
    const lock = lockAt(there, Lock, await kubeConfigOf(there.kubeconfig));
    const later = new Date(Date.now() + 5).getTime();
    await until(() => Date.now() > later, 'the present is past');
    return await lock.getLock(false);
  },
  { published: true, ours: false },
);

row(
  'stopLocking releases',
  async (_t, Lock, there) => {
    await there.write({});
    const lock = lockAt(there, Lock, await kubeConfigOf(there.kubeconfig), { refreshLockInterval: 1000 });
    const info = await lock.startLocking();
    await lock.stopLocking(info?.lockId);
    return (await there.lease()).spec.holderIdentity;
  },
  { published: 'worker-1', ours: '' },
);

const THIEF = { holderIdentity: 'thief', leaseDurationSeconds: 60, renewTime: '2999-01-01T00:00:00.000000Z' };

row(
  'a lost lock is known to those who require it',
  async (t, _Lock, there, name) => {
    await there.write({});
    const { namespace, kubeconfig } = there;
    const options = JSON.stringify({
      namespace,
      leaseName: 'nightly',
      leaseDurationInSeconds: 3,
      lockLeaserId: 'a',
      refreshLockInterval: 1000,
    });
    const run = script(
      t,
      `const { K8SLock } = require('${name}');
      const lock = new K8SLock(${options});
      lock.startLocking().then(() => console.log('locking'));
      process.stdin.on('data', () => console.log('isLocking', lock.isLocking));`,
      { KUBECONFIG: kubeconfig },
    );
    await run.says(/locking/);
    await there.write(THIEF);
    // Long enough for every renewal that was due: the Lease stands still.
    const lostAt = performance.now();
    await until(() => performance.now() > lostAt + 2500, 'two renewals would have been due');
    run.input('now?');
    await run.says(/isLocking/);
    return /isLocking (\w+)/.exec(run.stdout)?.[1];
  },
  { published: 'true', ours: 'false' },
);

row(
  'trouble while renewing ends no process',
  async (t, _Lock, there, name) => {
    await there.write({});
    const { namespace, kubeconfig } = there;
    const options = JSON.stringify({
      namespace,
      leaseName: 'nightly',
      leaseDurationInSeconds: 3,
      lockLeaserId: 'a',
      refreshLockInterval: 1000,
    });
    const run = script(
      t,
      `const { K8SLock } = require('${name}');
      const lock = new K8SLock(${options});
      lock.startLocking().then(() => console.log('locking'));
      process.stdin.on('data', async () => { await lock.stopLocking(); process.exit(0); });`,
      { KUBECONFIG: kubeconfig },
    );
    await run.says(/locking/);
    await there.remove();
    let ended = false;
    void run.finished.then(() => {
      ended = true;
    });
    await until(async () => ended || (await there.exists()), 'it has ended, or put the Lease back');
    if (!ended) run.input('stop');
    return [await run.finished, /UnhandledPromiseRejection|Unhandled|Error/.test(run.stderr)];
  },
  { published: [1, true], ours: [0, false] },
);

row(
  'two with one id exclude each other',
  async (_t, Lock, there) => {
    await there.write({});
    const config = await kubeConfigOf(there.kubeconfig);
    const [one, two] = [lockAt(there, Lock, config), lockAt(there, Lock, config)];
    return [await one.getLock(false), await two.getLock(false)];
  },
  { published: [true, true], ours: [true, false] },
);

row(
  'two with no id exclude each other',
  async (_t, Lock, there) => {
    await there.write({});
    const config = await kubeConfigOf(there.kubeconfig);
    const none = { lockLeaserId: undefined };
    const [one, two] = [lockAt(there, Lock, config, none), lockAt(there, Lock, config, none)];
    return [await one.getLock(false), await two.getLock(false)];
  },
  { published: [true, true], ours: [true, false] },
);

row(
  'a time in the future is not trusted',
  async (_t, Lock, there) => {
    await there.write({ ...THIEF, holderIdentity: 'dead', leaseDurationSeconds: 1 });
    const lock = lockAt(there, Lock, await kubeConfigOf(there.kubeconfig), { lockTryInterval: 1000 });
    let got = false;
    const waiting = lock.getLock(true).then(() => {
      got = true;
    });
    const from = performance.now();
    await until(() => got || performance.now() > from + 8000, 'eight seconds, for one second of a lease');
    const gotIt = got;
    await there.write({ holderIdentity: '', renewTime: '2000-01-01T00:00:00.000000Z' });
    await waiting; // so that nobody waits on
    return gotIt;
  },
  { published: false, ours: true },
);

row(
  'an error of the API is typed, and says what to do',
  async (_t, Lock, there) => {
    const lock = lockAt({ ...there, name: 'another' }, Lock, await kubeConfigOf(there.kubeconfig));
    const error: unknown = await lock.getLock(false).catch((error: unknown) => error);
    if (!(error instanceof LockError)) return 'something else';
    assert.match(error.message, /Allow get, watch, create and update .* resourceNames \["another"\]/);
    return [error.code, error.status];
  },
  { published: 'something else', ours: ['refused', 403] },
);

row(
  'no timer is left after stopLocking',
  async (t, _Lock, there, name) => {
    await there.write({});
    const options = JSON.stringify({ namespace: there.namespace, leaseName: 'nightly', lockLeaserId: 'a' });
    const run = script(
      t,
      `const { K8SLock } = require('${name}');
      const lock = new K8SLock(${options});
      lock.startLocking().then(async ({ lockId }) => {
        await lock.stopLocking(lockId);
        console.log('timers', process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length);
      });`,
      { KUBECONFIG: there.kubeconfig },
    );
    await run.says(/timers/);
    if (name === OURS) assert.equal(await run.finished, 0);
    return /timers (\d+)/.exec(run.stdout)?.[1] !== '0';
  },
  { published: true, ours: false },
);

/** A fleet in the middle of an upgrade: the real 0.2.5 and ours on one Lease of a real API server, in both orders; and what ends it. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { K8SLock } from '../../src/library/index.ts';
import { real } from '../harness/real.ts';
import { until } from '../harness/until.ts';
import { OURS, type Place, PUBLISHED, place, type Script, script } from './workshop.ts';

const LEASE_SECONDS = 3;

/** A process that keeps the lock, as that package does it. `stop` on its stdin stops it; `try` tries once to get the lock. */
function worker(t: TestContext, there: Place, name: string, options: Record<string, unknown>, act: 'keep' | 'try'): Script {
  const { namespace } = there;
  const all = { namespace, leaseName: there.name, leaseDurationInSeconds: LEASE_SECONDS, refreshLockInterval: 1000, ...options };
  return script(
    t,
    `const { K8SLock } = require('${name}');
    const lock = new K8SLock(${JSON.stringify(all)});
    process.stdin.on('data', async (line) => {
      if (String(line).includes('try')) console.log('tried', await lock.getLock(false));
      else { await lock.stopLocking(); console.log('stopped'); }
    });
    ${act === 'keep' ? "lock.startLocking().then((info) => console.log('keeping', info.isLocking));" : "console.log('ready');"}`,
    { KUBECONFIG: there.kubeconfig },
  );
}

/** Tries over and over while the lock is renewed several times, and returns all that came of it. */
async function triesWhileRenewed(there: Place, rival: Script, renewals: number): Promise<Set<string>> {
  const seen = new Set<string>();
  const results = () => [...rival.stdout.matchAll(/tried (\w+)/g)].map(([, result = '']) => result);
  await until(async () => {
    const before = results().length;
    rival.input('try');
    await until(() => results().length > before, 'the rival has tried');
    seen.add((await there.lease()).spec.renewTime ?? '');
    return seen.size > renewals || results().includes('true');
  }, 'the lock has been renewed');
  return new Set(results());
}

real('0.2.5 does not rob ours, and has the lock once ours has released it', async (t) => {
  const there = await place({ patch: true });
  const ours = worker(t, there, OURS, { lockLeaserId: 'ours' }, 'keep');
  await ours.says(/keeping true/);
  const theirs = worker(t, there, PUBLISHED, { lockLeaserId: 'theirs' }, 'try');
  await theirs.says(/ready/);
  assert.deepEqual([...(await triesWhileRenewed(there, theirs, 2 * LEASE_SECONDS))], ['false']);
  assert.equal((await there.lease()).spec.holderIdentity, 'ours');
  ours.input('stop');
  await ours.says(/stopped/);
  theirs.input('try');
  await theirs.says(/tried true/);
  assert.equal((await there.lease()).spec.holderIdentity, 'theirs');
});

real('ours does not rob 0.2.5, and has the lock once that no longer renews', async (t) => {
  const there = await place({ patch: true });
  await there.write({});
  const theirs = worker(t, there, PUBLISHED, { lockLeaserId: 'theirs' }, 'keep');
  await theirs.says(/keeping true/);
  const ours = worker(t, there, OURS, { lockLeaserId: 'ours' }, 'try');
  await ours.says(/ready/);
  assert.deepEqual([...(await triesWhileRenewed(there, ours, 2 * LEASE_SECONDS))], ['false']);
  assert.equal((await there.lease()).spec.holderIdentity, 'theirs');
  const waiting = worker(t, there, OURS, { lockLeaserId: 'heir' }, 'keep');
  await until(
    async () => Object.keys((await there.lease()).metadata.annotations ?? {}).some((key) => key.startsWith('waiter.')),
    'it waits',
  );
  theirs.kill();
  await waiting.says(/keeping true/);
  assert.equal((await there.lease()).spec.holderIdentity, 'heir');
});

real('ours does not rob a 0.2.5 without an id either, which holds and names no holder', async (t) => {
  const there = await place({ patch: true });
  const before = worker(t, there, OURS, { lockLeaserId: 'before' }, 'keep');
  await before.says(/keeping true/);
  before.input('stop');
  await before.says(/stopped/);
  const theirs = worker(t, there, PUBLISHED, {}, 'keep');
  await theirs.says(/keeping true/);
  const { holderIdentity, renewTime = '' } = (await there.lease()).spec;
  assert.equal(holderIdentity, '');
  const ours = worker(t, there, OURS, { lockLeaserId: 'ours' }, 'keep');
  await ours.says(/keeping true/);
  const { acquireTime = '' } = (await there.lease()).spec;
  assert.ok(Date.parse(acquireTime) > Date.parse(renewTime), `taken at ${acquireTime}, held until ${renewTime}`);
});

real('without legacyExpiry 0.2.5 robs ours, and ours knows it', async (t) => {
  const there = await place({ patch: true });
  const lost: string[] = [];
  const ours = new K8SLock({
    leaseName: there.name,
    namespace: there.namespace,
    lockLeaserId: 'ours',
    leaseDurationInSeconds: LEASE_SECONDS,
    legacyExpiry: false,
    onLost: ({ message }) => lost.push(message),
    ...(await withKubeConfig(there)),
  });
  await ours.startLocking();
  t.after(() => ours.stopLocking());
  const { signal } = ours;
  const theirs = worker(t, there, PUBLISHED, { lockLeaserId: 'theirs' }, 'try');
  await theirs.says(/ready/);
  theirs.input('try');
  await theirs.says(/tried true/);
  await until(() => signal?.aborted === true, 'the loss is known');
  assert.equal(ours.isLocking, false);
  assert.match(lost[0] ?? '', /is lost: it is held by theirs\. Another may run now: stop the work/);
});

async function withKubeConfig({ kubeconfig }: Place) {
  const { KubeConfig } = await import('@kubernetes/client-node');
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromFile(kubeconfig);
  return { kubeConfig };
}

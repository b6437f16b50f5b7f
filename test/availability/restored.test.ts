/**
 * etcd comes back from an older backup while locks are held and waited for: docs/safety.md says what then becomes of them, and of the fencing token. Four
 * locks of one cluster, each of which the backup knows in another state, and one restore. What the guards learn, and when, goes through proxies.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { EXIT } from '../../image/exit-codes.ts';
import { newerVersion } from '../../src/protocol/lease.ts';
import { silence } from '../harness/fault-behaviours.ts';
import { type FaultProxy, faultProxy } from '../harness/fault-proxy.ts';
import { type Guard, tempFolder } from '../harness/guards.ts';
import { missing, real } from '../harness/real.ts';
import { until } from '../harness/until.ts';
import { chosenStore } from '../versions/chosen.ts';
import { backUp, type How, restore } from './backup.ts';
import { pairOfServers, type Scene, setScene } from './scene.ts';

const LEASE_SECONDS = 30;
/** A quarter of it, the request that is under way, and the end of the command. */
const LEARNS_MS = (LEASE_SECONDS / 4 + 5 + 2) * 1000;
/** After the duration of the lease and its margin, with what a busy machine takes. */
const FREE_MS = (LEASE_SECONDS * 1.1 + 20) * 1000;

const pair = pairOfServers();
const onEtcd = chosenStore() === 'etcd' ? real : test.skip;

interface Lock extends Scene {
  proxies: Record<'alice' | 'bob', FaultProxy>;
  alice: Guard;
  bob: Guard;
}

async function lock(t: TestContext): Promise<Lock> {
  const scene = await setScene(t, await pair(), LEASE_SECONDS);
  const { cluster, first, second } = scene;
  const proxies = {
    alice: await faultProxy({ url: first.url, ca: cluster.ca }),
    bob: await faultProxy({ url: second.url, ca: cluster.ca }),
  };
  t.after(() => Promise.all([proxies.alice.close(), proxies.bob.close()]));
  return { ...scene, proxies, alice: undefined as unknown as Guard, bob: undefined as unknown as Guard };
}

async function used(lock: Lock): Promise<void> {
  const zoe = await lock.holder('zoe', lock.urls[0]);
  zoe.input('\n');
  assert.equal((await zoe.finished).code, 0);
}

async function hold(lock: Lock): Promise<void> {
  lock.alice = await lock.holder('alice', lock.proxies.alice.url);
}

async function waitFor(lock: Lock): Promise<void> {
  lock.bob = await lock.waiter('bob', lock.proxies.bob.url, 'sleep 0.1');
}

/** What happens in the cluster between the backup and its restore: none of the versions that are given out afterwards gets as far. */
async function busy({ cluster }: Scene): Promise<void> {
  const namespace = await cluster.namespace('busy');
  for (let i = 0; i < 400; i++)
    await cluster.apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'many', namespace }, data: { i: String(i) } });
}

async function story(t: TestContext, how: How) {
  const [free, held, absent] = [await lock(t), await lock(t), await lock(t)];
  await used(free);
  await hold(held);
  const backup = join(tempFolder(t), 'backup');
  await backUp(await pair(), backup);
  await busy(free);
  await Promise.all([hold(free), hold(absent)]);
  await Promise.all([free, held, absent].map(waitFor));
  await Promise.all([free, held, absent].map(({ renewed }) => renewed()));
  // Alice learns nothing until bob has read what the backup says.
  free.proxies.alice.set(() => silence);
  const before = free.proxies.bob.answers.length;
  await restore(await pair(), backup, how);
  await until(
    () => free.proxies.bob.answers.slice(before).includes('read 200'),
    () => `bob has read it: ${free.proxies.bob.answers.slice(before)} ${free.bob.stderr} ${free.alice.stderr}`,
  );
  free.proxies.alice.set(undefined);
  return { free, held, absent };
}

const acquired = ({ ran }: Lock, who: string) => ran().find((interval) => interval.who === who);

async function assertStory({ free, held, absent }: Awaited<ReturnType<typeof story>>): Promise<void> {
  const restoredAt = performance.now();
  const since = () => performance.now() - restoredAt;
  // 1. The backup shows it free: alice stops, and bob, who had seen her, waits for her.
  const lost = await free.alice.finished;
  assert.equal(lost.code, EXIT.lost.code, lost.stderr);
  assert.ok(since() < LEARNS_MS, `${since()} ms`);
  // 2. The backup shows her as the holder: she goes on.
  await held.renewed();
  held.alice.input('\n');
  for (const one of [held.alice, held.bob]) {
    const { code, stderr } = await one.finished;
    assert.equal(code, 0, stderr);
  }
  // 3. The backup does not know the Lease: she puts it back.
  await until(async () => /^alice/.test((await absent.lease()).spec.holderIdentity ?? ''), 'she has put it back');
  absent.alice.input('\n');
  for (const one of [absent.alice, absent.bob, free.bob]) {
    const { code, stderr } = await one.finished;
    assert.equal(code, 0, stderr);
  }
  assert.ok(since() < FREE_MS, `${since()} ms`);
  for (const { ran } of [free, held, absent])
    assert.deepEqual(
      ran()
        .slice(-2)
        .map(({ who }) => who),
      ['alice', 'bob'],
    );
}

for (const how of ['as it was', 'with higher revisions'] as const)
  onEtcd(`restored ${how}: nobody runs beside a holder that it had seen`, { skip: missing }, async (t) => {
    const told = await story(t, how);
    await assertStory(told);
    const [alice, bob] = [acquired(told.free, 'alice'), acquired(told.free, 'bob')];
    assert.equal(newerVersion(bob?.token, alice?.token), how === 'with higher revisions', `${alice?.token}, then ${bob?.token}`);
  });

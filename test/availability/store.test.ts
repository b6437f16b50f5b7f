/**
 * The store below the API servers (etcd, kine on SQLite or on PostgreSQL: a row of ../versions) is killed and comes back, and forgets its past, while a
 * lock is held and waited for.
 */
import assert from 'node:assert/strict';
import { pass } from '../harness/fault-behaviours.ts';
import { faultProxy } from '../harness/fault-proxy.ts';
import { real } from '../harness/real.ts';
import { until } from '../harness/until.ts';
import { chosenStore } from '../versions/chosen.ts';
import { assertOrder, handOversMs, pairOfServers, setScene } from './scene.ts';

const LEASE_SECONDS = 30;
/** Much less than the lease, after which everybody looks. */
const BY_WATCH_MS = 12_000;

const pair = pairOfServers();

real('the store is killed and comes back: the hold goes on, and so do the waiters', async (t) => {
  const scene = await setScene(t, await pair(), LEASE_SECONDS);
  const [first, second] = scene.urls;
  const alice = await scene.holder('alice', first);
  const bob = await scene.waiter('bob', second);
  const carol = await scene.waiter('carol', first);
  await scene.cluster.controlPlane.restartStore();
  await scene.renewed();
  alice.input('\n');
  await assertOrder(scene, { alice, bob, carol });
});

real('the store and an API server are killed together, and come back', async (t) => {
  const scene = await setScene(t, await pair(), LEASE_SECONDS);
  const { urls, cluster, first } = scene;
  const alice = await scene.holder('alice', urls[0]);
  const bob = await scene.waiter('bob', urls[0]);
  await first.kill();
  await cluster.controlPlane.restartStore();
  await first.start();
  await scene.renewed();
  alice.input('\n');
  await assertOrder(scene, { alice, bob });
});

real('what a watch would go on from is gone (410): it starts again, and the hand-over goes by it', async (t) => {
  const scene = await setScene(t, await pair(), LEASE_SECONDS);
  const { cluster, urls, second } = scene;
  const proxy = await faultProxy({ url: second.url, ca: cluster.ca });
  t.after(() => proxy.close());
  const watches: string[] = [];
  proxy.set(({ verb, path }) => {
    if (verb === 'watch') watches.push(path);
    return pass;
  });
  const alice = await scene.holder('alice', urls[0]);
  const bob = await scene.waiter('bob', urls[0]);
  const carol = await scene.waiter('carol', proxy.url);
  await until(() => proxy.openWatches() === 1, 'she watches');
  await scene.renewed();
  // The API server that carol watches restarts, and does not know the past any more: only the store could tell it, and has forgotten it.
  await second.kill();
  await scene.renewed();
  await compact(cluster.controlPlane.etcdUrl);
  await second.start();
  await until(
    () => watches.slice(1).some((path) => !path.includes('resourceVersion=')),
    () => `she watches from the start, not ${watches.at(-1)}`,
  );
  alice.input('\n');
  await assertOrder(scene, { alice, bob, carol });
  const tookMs = handOversMs(scene);
  assert.ok(tookMs < BY_WATCH_MS, `${tookMs} ms`);
});

/** Kine compacts by itself, on a schedule of its own, and has no such request. */
async function compact(etcdUrl: string): Promise<void> {
  if (chosenStore() !== 'etcd') return;
  const post = async (path: string, body: object) => {
    const answer = await fetch(`${etcdUrl}/v3/kv/${path}`, { method: 'POST', body: JSON.stringify(body) });
    const said = (await answer.json()) as { header: { revision: string } };
    assert.equal(answer.status, 200, JSON.stringify(said));
    return said;
  };
  const { header } = await post('range', { key: 'AA==' });
  await post('compaction', { revision: header.revision, physical: true });
}

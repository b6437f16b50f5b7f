/**
 * Two API servers, of which one is late: it stands still, or what its watches say arrives seconds later. Who is connected there gets the lock later,
 * and nobody ever runs beside another.
 */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { lagging } from '../harness/fault-behaviours.ts';
import { type FaultProxy, faultProxy } from '../harness/fault-proxy.ts';
import { real } from '../harness/real.ts';
import { until } from '../harness/until.ts';
import { assertOrder, pairOfServers, type Scene, setScene } from './scene.ts';

/** Longer than others wait for a waiter to whom the lock was handed, and who does not answer. */
const LATE_MS = 9000;

const pair = pairOfServers();

async function lateProxy(t: TestContext, { second, cluster }: Scene): Promise<FaultProxy> {
  const proxy = await faultProxy({ url: second.url, ca: cluster.ca });
  t.after(() => proxy.close());
  return proxy;
}

real('the API server of the next waiter stands still: the lock goes to the one behind, and comes back', async (t) => {
  const scene = await setScene(t, await pair());
  const { urls, second } = scene;
  const alice = await scene.holder('alice', urls[0]);
  const bob = await scene.waiter('bob', urls[1]);
  const carol = await scene.waiter('carol', urls[0], scene.untilInput('carol'));
  await second.freeze();
  alice.input('\n');
  await carol.prints(/holds/);
  second.resume();
  await bob.says(/held by carol/);
  carol.input('\n');
  await assertOrder(scene, { alice, carol, bob });
});

real('the API server of the holder stands still for a while: the hold goes on', async (t) => {
  const scene = await setScene(t, await pair());
  const { urls, second } = scene;
  const alice = await scene.holder('alice', urls[1]);
  const bob = await scene.waiter('bob', urls[0]);
  await second.freeze();
  await sleep(4000); // A renewal is due meanwhile.
  second.resume();
  await scene.renewed();
  alice.input('\n');
  await assertOrder(scene, { alice, bob });
});

real('watches of one API server are seconds late: a waiter there gets the lock later, or its turn again', async (t) => {
  const scene = await setScene(t, await pair());
  const { urls } = scene;
  const proxy = await lateProxy(t, scene);
  proxy.set(() => lagging(LATE_MS));
  const alice = await scene.holder('alice', urls[0]);
  const bob = await scene.waiter('bob', proxy.url);
  const carol = await scene.waiter('carol', proxy.url);
  // Runs when carol learns that the lock was handed to her, and that was too long ago.
  const dave = await scene.waiter('dave', urls[0], 'sleep 4');
  await until(() => proxy.openWatches() === 2, 'both watch');
  await scene.renewed();
  alice.input('\n');
  const guards = { alice, bob, carol, dave };
  for (const [who, { finished }] of Object.entries(guards)) {
    const { code, stderr } = await finished;
    assert.equal(code, 0, `${who}: ${stderr}`);
  }
  assert.deepEqual(
    scene
      .ran()
      .map(({ who }) => who)
      .sort(),
    Object.keys(guards),
  );
});

real('a holder learns of its own lock late: it is renewed, and nothing old is believed', async (t) => {
  const scene = await setScene(t, await pair());
  const { urls } = scene;
  const proxy = await lateProxy(t, scene);
  proxy.set(() => lagging(LATE_MS));
  const alice = await scene.holder('alice', proxy.url);
  const bob = await scene.waiter('bob', urls[0]);
  for (let renewals = 0; renewals < 4; renewals++) await scene.renewed();
  alice.input('\n');
  await assertOrder(scene, { alice, bob });
});

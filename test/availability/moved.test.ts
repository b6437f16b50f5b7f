/**
 * Two API servers behind a balancer, as every cluster with more than one control plane has them. Connections are cut and moved, an API server is killed and
 * comes back, while one guard holds the lock and three wait. In a row of an older Kubernetes (../versions) the other one is the newest, as in an upgrade.
 */
import assert from 'node:assert/strict';
import type { Guard } from '../harness/guards.ts';
import { real } from '../harness/real.ts';
import { until } from '../harness/until.ts';
import { type Balancer, balance } from './balancer.ts';
import { assertOrder, handOversMs, pairOfServers, type Scene, setScene } from './scene.ts';

/** After so long a silence of the holder it is a waiter's turn; then, or by the floor of the poll, it would look without any watch. */
const LEASE_SECONDS = 30;
/** By far less: whoever starts within it has learned of the release by its watch. */
const BY_WATCH_MS = 12_000;

const pair = pairOfServers();

async function queue(scene: Scene, balancer: Balancer): Promise<Record<'alice' | 'bob' | 'carol' | 'dave', Guard>> {
  const alice = await scene.holder('alice', balancer.url);
  const bob = await scene.waiter('bob', balancer.url);
  const carol = await scene.waiter('carol', balancer.url);
  return { alice, bob, carol, dave: await scene.waiter('dave', balancer.url) };
}

/** The watch of each guard, at least. */
const settled = (balancer: Balancer, backend: number) =>
  until(
    () => balancer.open(backend) >= 4,
    () => `all are connected to backend ${backend}, not ${balancer.open(backend)}`,
  );

real('connections are moved to the other API server, again and again: nothing is lost, and the order is kept', async (t) => {
  const scene = await setScene(t, await pair(), LEASE_SECONDS);
  const balancer = await balance(t, scene.urls);
  const guards = await queue(scene, balancer);
  for (const backend of [1, 0, 1]) {
    balancer.moveTo(backend);
    await settled(balancer, backend);
    assert.equal(balancer.open(1 - backend), 0);
  }
  await scene.renewed();
  balancer.moveTo(0);
  guards.alice.input('\n');
  await assertOrder(scene, guards);
  const tookMs = handOversMs(scene);
  assert.ok(tookMs < BY_WATCH_MS, `${tookMs} ms`);
});

real('each API server is killed and comes back, as in an upgrade: the hold goes on, and so do the waiters', async (t) => {
  const scene = await setScene(t, await pair(), LEASE_SECONDS);
  const { first, second } = scene;
  const balancer = await balance(t, scene.urls);
  const guards = await queue(scene, balancer);
  await first.kill();
  await settled(balancer, 1);
  await scene.renewed();
  await first.start();
  balancer.prefer(0);
  await second.kill();
  await settled(balancer, 0);
  await scene.renewed();
  guards.alice.input('\n');
  await guards.carol.finished;
  await second.start();
  await assertOrder(scene, guards);
  const tookMs = handOversMs(scene);
  assert.ok(tookMs < BY_WATCH_MS, `${tookMs} ms`);
});

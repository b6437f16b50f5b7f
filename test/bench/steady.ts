/**
 * `node --expose-gc test/bench/steady.ts [MINUTES]`: one holds a lock, another waits for it, and nothing else happens: the heap after a forced collection must
 * stay as it is, and the requests must be those that the design asks for. With a lease of 3 s an hour has the renewals of 15 hours with the default one.
 */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { createLock } from '../../src/library/index.ts';
import { startCluster } from '../harness/cluster.ts';
import { leaseRequests } from './server-metrics.ts';

const SAMPLES = 12;
const LEASE_SECONDS = 3;

const minutes = Number(process.argv[2] ?? 120);
const collect = (globalThis as { gc?: () => void }).gc;
assert.ok(collect && minutes > 0, 'usage: node --expose-gc test/bench/steady.ts [MINUTES]');

/** In kB: what is reachable, and what the process has of the machine. */
async function memory(): Promise<{ heap: number; resident: number }> {
  // What finalizers let go of is collected by the second.
  for (let n = 0; n < 2; n++) {
    collect?.();
    await sleep(100);
  }
  const { heapUsed, rss } = process.memoryUsage();
  return { heap: Math.round(heapUsed / 1024), resident: Math.round(rss / 1024) };
}

const cluster = await startCluster();

/** Requests a minute since then, by verb and code. */
async function ratesSince(before: Record<string, number>, minutes: number): Promise<Record<string, number>> {
  const now = await leaseRequests(cluster);
  return Object.fromEntries(Object.entries(now).map(([what, count]) => [what, (count - (before[what] ?? 0)) / minutes]));
}

try {
  // The API server renews Leases of its own.
  const idle = await leaseRequests(cluster);
  await sleep(60_000);
  const own = await ratesSince(idle, 1);
  const lock = createLock({
    name: 'steady',
    namespace: await cluster.namespace('steady'),
    kubeconfig: cluster.kubeconfig,
    leaseDuration: `${LEASE_SECONDS}s`,
    stopWithin: '0s',
  });
  const held = await lock.acquire();
  const gaveUp = new AbortController();
  const waiting = lock.acquire({ signal: gaveUp.signal }).catch(() => undefined);
  await sleep(5000);
  const before = await leaseRequests(cluster);
  for (let n = 1; n <= SAMPLES; n++) {
    await sleep((minutes * 60_000) / SAMPLES);
    const { heap, resident } = await memory();
    const passed = (minutes * n) / SAMPLES;
    const rates = Object.entries(await ratesSince(before, passed)).map(
      ([what, rate]) => [what, rate - (own[what] ?? 0)] as const,
    );
    const shown = rates.filter(([, rate]) => Math.abs(rate) >= 0.01).map(([what, rate]) => `${what} ${rate.toFixed(2)}`);
    process.stdout.write(
      `after ${passed.toFixed(1)} min: heap ${heap} kB, resident ${resident} kB; requests a minute: ${shown.join(', ')}\n`,
    );
    held.signal.throwIfAborted();
  }
  gaveUp.abort();
  await waiting;
  await held.release();
} finally {
  await cluster.stop();
}

/**
 * Many on one lock, or on many locks, in this process alone, against the real API server: what the queue costs, without the memory of a thousand processes.
 * All of them share two processors with the server.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { createLock } from '../../src/library/index.ts';
import type { Cluster } from '../harness/cluster.ts';
import type { Result, Row } from './results.ts';
import { leaseRequests } from './server-metrics.ts';

const CROWDS = [60, 200];
const LOCKS = 1000;
const HOLD_MS = 50;

interface Drained {
  totalMs: number;
  gapsMs: number[];
}

/** All want it at the same moment. From one that lets go to the next that has it: negative would be two at a time. */
async function drain(cluster: Cluster, namespace: string, [name, crowd]: readonly [string, number]): Promise<Drained> {
  const lock = createLock({ name, namespace, kubeconfig: cluster.kubeconfig });
  const from = performance.now();
  const gapsMs: number[] = [];
  let endedAt: number | undefined;
  const one = async () => {
    await using _held = await lock.acquire();
    if (endedAt !== undefined) gapsMs.push(performance.now() - endedAt);
    await sleep(HOLD_MS);
    endedAt = performance.now();
  };
  await Promise.all(Array.from({ length: crowd }, one));
  return { totalMs: performance.now() - from, gapsMs };
}

export async function crowds(cluster: Cluster): Promise<Result[]> {
  const namespace = await cluster.namespace('crowd');
  const rows: Record<string, Row[]> = { totals: [], gaps: [], requests: [], conflicts: [] };
  for (const crowd of CROWDS) {
    const name = `${crowd} arrive together`;
    const before = await leaseRequests(cluster);
    const { totalMs, gapsMs } = await drain(cluster, namespace, [`crowd-${crowd}`, crowd]);
    const counts = Object.entries(await leaseRequests(cluster)).map(([what, n]) => [what, n - (before[what] ?? 0)] as const);
    const each = (start: RegExp) => counts.reduce((sum, [what, n]) => sum + (start.test(what) ? n : 0), 0) / crowd;
    rows.totals?.push({ name, values: [totalMs / crowd] });
    rows.gaps?.push({ name, values: gapsMs });
    rows.requests?.push({ name, values: [each(/^(?:GET|PUT|POST) /)] });
    rows.conflicts?.push({ name, values: [each(/ 409$/)] });
  }
  const base = `${CROWDS[0]} arrive together`;
  const title = `Many wait for one lock, and hold it for ${HOLD_MS} ms each`;
  return [
    { id: 'crowd', title: `${title}: time for each`, unit: 'ms', base, rows: rows.totals ?? [] },
    { id: 'crowd-gaps', title: `${title}: hand-over`, unit: 'ms', base, rows: rows.gaps ?? [] },
    { id: 'crowd-requests', title: `${title}: requests for each`, unit: 'requests', base, rows: rows.requests ?? [] },
    { id: 'crowd-conflicts', title: `${title}: conflicts for each`, unit: 'requests', base, rows: rows.conflicts ?? [] },
  ];
}

/** Two for each lock. */
export async function manyLocks(cluster: Cluster): Promise<Result[]> {
  const namespace = await cluster.namespace('locks');
  const rows: Row[] = [];
  for (const locks of [1, LOCKS]) {
    const pairs = Array.from({ length: locks }, (_, i) => drain(cluster, namespace, [`lock-${locks}-${i}`, 2]));
    rows.push({ name: `${locks} at the same time`, values: (await Promise.all(pairs)).map(({ totalMs }) => totalMs) });
  }
  return [
    { id: 'locks', title: `Locks with two that want each: from first to last`, unit: 'ms', base: '1 at the same time', rows },
  ];
}

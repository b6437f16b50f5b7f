/**
 * Leases as clients leave them, on the real API server, with all that is shown of them some days and half an hour in the past, the server's own
 * stamps included: so what is shown does not change while a test runs.
 */
import type { Cluster } from '../harness/cluster.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const DOMAIN = 'lease-lock.nullplatform.com';

const NOW = Date.now();
/** So long ago that it is not a round number of hours; negative: ahead. */
const daysAgo = (days: number): Date => new Date(NOW - days * DAY_MS - HOUR_MS / 2);
const micro = (date: Date): string => date.toISOString().replace('Z', '000Z');

export interface Staged {
  holder?: string;
  /** Of the lease. */
  days?: number;
  sinceDays?: number;
  /** When the holder last wrote. */
  renewedDays?: number;
  waiters?: readonly { id: string; days: number; priority?: number }[];
  /** In the annotation of the lock. */
  stop?: { holder: string; by: string; kind: string; reason: string };
  /** What stands in the spec instead. */
  spec?: object;
  /** A client of another kind: the spec alone, written as this field manager. */
  foreign?: string;
  /** Further fields of the spec. */
  renewTimeDays?: number;
}

const keyOf = (ticket: number, id: string): string => `${String(ticket).padStart(6, '0')}-${id.split('/').at(-1)}`;

function annotationsOf({ holder, days = 8, sinceDays = 3, waiters = [], stop, foreign }: Staged): Record<string, string> {
  if (foreign) return {};
  const about = { who: 'ci', host: 'runner-7', reason: 'release 1.1', url: 'https://ci.example.com/runs/7' };
  const since = daysAgo(sinceDays).toISOString();
  const held = { id: holder, mark: 'm', duration: (days * DAY_MS) / 1000, since, about };
  const lock = { v: 1, next: 100, ...(stop && { stop: { ...stop, at: since } }) };
  return {
    [`${DOMAIN}/lock`]: JSON.stringify(lock),
    ...(holder && { [`holder.${DOMAIN}/${keyOf(17, holder)}`]: JSON.stringify(held) }),
    ...Object.fromEntries(
      waiters.map(({ id, days: waited, priority = 0 }, i) => {
        const entry = { id, priority, since: daysAgo(waited).toISOString(), about: { who: 'ci', reason: 'release 1.2' } };
        return [`waiter.${DOMAIN}/${keyOf(18 + i, id)}`, JSON.stringify(entry)];
      }),
    ),
  };
}

/** Creates it, and sets the stamp of its holder: who may write a Lease may write that, too. */
export async function stage(cluster: Cluster, namespace: string, name: string, staged: Staged): Promise<void> {
  const { holder, days = 8, sinceDays = 3, renewedDays = 1, renewTimeDays = renewedDays, spec, foreign } = staged;
  const path = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`;
  const held = {
    holderIdentity: holder,
    leaseDurationSeconds: (days * DAY_MS) / 1000,
    acquireTime: micro(daysAgo(sinceDays)),
    renewTime: micro(daysAgo(renewTimeDays)),
    leaseTransitions: 7,
  };
  const manager = foreign ?? 'k8s-lease-lock';
  const created = await cluster.request('POST', `${path}?fieldManager=${manager}`, {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: {
      name,
      namespace,
      labels: foreign ? {} : { 'app.kubernetes.io/managed-by': 'k8s-lease-lock' },
      annotations: annotationsOf(staged),
    },
    spec: { ...(holder ? held : { leaseTransitions: 7 }), ...spec },
  });
  if (created.status !== 201) throw new Error(created.text);
  const lease = created.body;
  for (const entry of lease.metadata.managedFields ?? []) entry.time = `${daysAgo(renewedDays).toISOString().slice(0, 19)}Z`;
  // A write of another manager: that of the same one would be stamped now.
  lease.metadata.labels = { ...lease.metadata.labels, staged: namespace };
  const { status, text } = await cluster.request('PUT', `${path}/${name}?fieldManager=stage`, lease);
  if (status !== 200) throw new Error(text);
}

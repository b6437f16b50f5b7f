/**
 * Leases for somebody who only looks: one by its name, or all of a namespace or of the cluster with one request (and one more for each further thousand).
 * With what the API server's clock says, by its `Date` header: good enough to be shown, and for no decision, since a proxy may have written it.
 */
import type { Clock } from '../clock.ts';
import { documentAt } from '../documents.ts';
import type { RawLease } from '../protocol/lease.ts';
import { USER_AGENT } from '../version.ts';
import { type Answer, answerOf } from './answers.ts';
import type { Cluster } from './cluster.ts';
import { type Connection, connect, type Reply } from './http.ts';

export interface LeaseReader {
  readonly server: string;
  read(namespace: string, name: string): Promise<Seen>;
  /** `namespace` undefined: of all namespaces. */
  list(namespace: string | undefined, selector: string): Promise<Seen>;
  close(): void;
}

export type Seen =
  /** `nowMs`: of the API server, in milliseconds since 1970; undefined if it does not say. */
  { kind: 'leases'; leases: RawLease[]; nowMs: number | undefined } | Exclude<Answer, { kind: 'lease' | 'conflict' }>;

const API = '/apis/coordination.k8s.io/v1';
const TIMEOUT_MS = 10_000;
/** Of some kilobytes each: more would not fit into one answer (http.ts). */
const PAGE = 1000;

export function leaseReader(cluster: Cluster, clock: Clock): LeaseReader {
  const connection = connect(cluster, clock, USER_AGENT);
  const { server } = cluster;
  return {
    server,
    async read(namespace, name) {
      const path = `${API}/namespaces/${encodeURIComponent(namespace)}/leases/${encodeURIComponent(name)}`;
      const reply = await get(connection, path);
      const answer = answerOf(reply, { verb: 'read', namespace, name, server });
      if (answer.kind === 'lease') return { kind: 'leases', leases: [answer.lease], nowMs: dateOf(reply) };
      return answer.kind === 'conflict' ? { kind: 'failed', message: `reading ${name}: 409`, applied: 'no' } : answer;
    },
    async list(namespace, selector) {
      const leases: RawLease[] = [];
      let page: string | undefined = '';
      let nowMs: number | undefined;
      while (page !== undefined) {
        const query = new URLSearchParams({ limit: String(PAGE), ...(selector && { labelSelector: selector }) });
        if (page !== '') query.set('continue', page);
        const within = namespace === undefined ? '' : `/namespaces/${encodeURIComponent(namespace)}`;
        const reply = await get(connection, `${API}${within}/leases?${query}`);
        const found = listOf(reply);
        if (!found) return refusedList(reply, namespace, server);
        leases.push(...found.leases);
        page = found.next;
        nowMs ??= dateOf(reply);
      }
      return { kind: 'leases', leases, nowMs };
    },
    close: () => connection.close(),
  };
}

const get = (connection: Connection, path: string) => connection.send({ method: 'GET', path, timeoutMs: TIMEOUT_MS });

function dateOf(reply: Reply): number | undefined {
  const ms = reply.kind === 'reply' ? Date.parse(reply.headers.date ?? '') : Number.NaN;
  return Number.isNaN(ms) ? undefined : ms;
}

function listOf(reply: Reply): { leases: RawLease[]; next: string | undefined } | undefined {
  if (reply.kind !== 'reply' || reply.status !== 200) return undefined;
  try {
    const { kind, items, metadata } = JSON.parse(reply.body);
    if (kind !== 'LeaseList' || !Array.isArray(items)) return undefined;
    return { leases: items, next: metadata?.continue || undefined };
  } catch {
    return undefined; // Told by `refusedList`.
  }
}

function refusedList(reply: Reply, namespace: string | undefined, server: string): Seen {
  const where = namespace === undefined ? 'all namespaces' : `namespace ${namespace}`;
  const answer = answerOf(reply, { verb: 'read', namespace: namespace ?? '', name: '', server });
  if (answer.kind === 'refused' && answer.reason === 'rights')
    return {
      ...answer,
      message:
        `listing Leases in ${where}: 403: not allowed. Allow list on leases.coordination.k8s.io there, ` +
        `or give the names of the locks: "k8s-lease-lock status NAME" needs get only (${documentAt('operate.md')})`,
    };
  if (answer.kind === 'refused' || answer.kind === 'failed')
    return { ...answer, message: answer.message.replace(/^reading Lease [^:\s]*/, `listing Leases in ${where}`) };
  return { kind: 'failed', message: `listing Leases in ${where}: the answer is no list`, applied: 'no' };
}

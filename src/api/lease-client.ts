/**
 * Read, create, replace and watch one Lease. What an answer means for the lock is decided elsewhere: here every answer, and every lack of
 * one, becomes a tagged value with a plain sentence. A write without a clear answer is `failed`, and may have been done all the same.
 */
import type { Clock } from '../clock.ts';
import type { RawLease } from '../protocol/document.ts';
import type { Cluster } from './cluster.ts';
import { connect, type Reply } from './http.ts';
import { watchLease } from './lease-watch.ts';

export type Answer =
  | { kind: 'lease'; lease: RawLease; serverMs: number | undefined }
  /** No such Lease (its namespace may not exist either: the API doesn't say on a read). */
  | { kind: 'absent' }
  /** 409, or 422 for a create that found one: somebody was faster. */
  | { kind: 'conflict' }
  /** The API understood and said no: trying again changes nothing. */
  | { kind: 'refused'; status: number; message: string }
  /** No answer, or none that says anything. `applied: 'no'` only where the API server surely did not act. */
  | { kind: 'failed'; message: string; retryAfterMs?: number; applied: 'no' | 'unknown' };

/** `lease` undefined: the Lease was deleted, or may have been: read it. */
export type WatchEvent = { lease: RawLease | undefined };

export interface WriteOptions {
  /** Holders and waiters write as two managers, so that managedFields tells when a *holder* last wrote. */
  as: 'holder' | 'waiter';
  timeoutMs: number;
  signal?: AbortSignal | undefined;
}

export interface LeaseClient {
  /** For messages: the API server as the user gave it. */
  readonly server: string;
  read(options: { timeoutMs: number; signal?: AbortSignal | undefined }): Promise<Answer>;
  /** A PUT of the whole object: creates where it carries no uid, else replaces just that version. */
  write(lease: RawLease, options: WriteOptions): Promise<Answer>;
  /**
   * Hints of changes after the version `since` until undone; it reconnects by itself. An event may be late, doubled or missing. Without
   * `since` the first is the present state, if there is one.
   */
  watch(onEvent: (event: WatchEvent) => void, since?: string | undefined): () => void;
  close(): void;
}

export interface LeaseClientOptions {
  cluster: Cluster;
  namespace: string;
  name: string;
  clock: Clock;
  userAgent: string;
  /** 0 <= x < 1, for jitter. */
  random(): number;
  /** Told, as a sentence, when the watch can't be had: nothing is wrong with the lock then, only slower. */
  onWatchTrouble(message: string): void;
}

const MANAGERS = { holder: 'k8s-lease-lock', waiter: 'k8s-lease-lock-waiter' };

export function leaseClient(options: LeaseClientOptions): LeaseClient {
  const { cluster, namespace, name, clock, userAgent } = options;
  const collection = `/apis/coordination.k8s.io/v1/namespaces/${encodeURIComponent(namespace)}/leases`;
  const path = `${collection}/${encodeURIComponent(name)}`;
  const requests = connect(cluster, clock, userAgent);
  const subject = { namespace, name, server: cluster.server };
  return {
    server: cluster.server,
    async read({ timeoutMs, signal }) {
      const reply = await requests.send({ method: 'GET', path: `${path}?${serverTimeout(timeoutMs)}`, timeoutMs, signal });
      return answerOf(reply, { verb: 'read', ...subject });
    },
    async write(lease, { as, timeoutMs, signal }) {
      const verb = lease.metadata.uid === undefined ? 'create' : 'update';
      const query = `fieldManager=${MANAGERS[as]}&${serverTimeout(timeoutMs)}`;
      const reply = await requests.send({
        method: 'PUT',
        path: `${path}?${query}`,
        body: JSON.stringify(lease),
        timeoutMs,
        signal,
      });
      return answerOf(reply, { verb, ...subject });
    },
    watch(onEvent, since) {
      const query = `watch=1&allowWatchBookmarks=true&fieldSelector=${encodeURIComponent(`metadata.name=${name}`)}`;
      const describe = (reply: Reply) => answerOf(reply, { verb: 'watch', ...subject });
      // A connection of its own for each: closing one must not cut another.
      const connection = connect(cluster, clock, userAgent);
      return watchLease({ ...options, connection, path: `${collection}?${query}`, describe, onEvent, since });
    },
    close: () => requests.close(),
  };
}

/** What the policy in deploy/holders says to whom it is too early to take a lock. */
const NOT_EXPIRED = 'and has not expired: only its holder';
const TOO_EARLY_MS = 1000;

/** The API server gives up with us, in whole milliseconds; without it a write could land long after its deadline. */
const serverTimeout = (timeoutMs: number): string => `timeout=${Math.max(1, Math.round(timeoutMs))}ms`;

interface Asked {
  verb: 'read' | 'create' | 'update' | 'watch';
  namespace: string;
  name: string;
  server: string;
}

const DOING = { read: 'reading', create: 'creating', update: 'updating', watch: 'watching' };

/** What a reply says. Exported for its test: every answer that an API server, or a proxy in front of it, may give. */
export function answerOf(reply: Reply, asked: Asked): Answer {
  const subject = `${DOING[asked.verb]} Lease ${asked.namespace}/${asked.name}`;
  if (reply.kind === 'broken')
    return { kind: 'failed', message: `${subject}: ${reply.message}`, applied: reply.sent ? 'unknown' : 'no' };
  const { status, headers, body } = reply;
  const json = readJson(body);
  const said = `${subject}: the API server answered ${status}`;
  if (status === 200 || status === 201) {
    if (isLease(json)) return { kind: 'lease', lease: json, serverMs: readDate(headers.date) };
    return { kind: 'failed', message: `${said} with ${nature(headers, body)} instead of a Lease`, applied: 'unknown' };
  }
  const problem = json?.kind === 'Status' ? (json as Status) : undefined;
  if (!problem && status < 500 && status !== 429 && status !== 401) {
    const message = `${said} with ${nature(headers, body)}: is ${asked.server} a Kubernetes API server, and nothing in between?`;
    return { kind: 'failed', message, applied: 'unknown' };
  }
  const why = problem?.message ?? nature(headers, body);
  switch (status) {
    case 401:
      return refuse(
        status,
        `${subject}: 401: the API server does not accept the credentials; the token may have expired, or be for another cluster`,
      );
    case 403:
      // Its clock and mine, or those of two API servers, are a little apart.
      if (why.includes(NOT_EXPIRED))
        return { kind: 'failed', message: `${subject}: ${why}`, applied: 'no', retryAfterMs: TOO_EARLY_MS };
      // It is a policy that says no: rights change nothing.
      if (why.includes('ValidatingAdmissionPolicy')) return refuse(status, `${subject}: 403: ${why} (docs/theft.md)`);
      return refuse(status, `${subject}: 403: ${why}. ${rights(asked)}`);
    case 404:
      if (problem?.details?.kind === 'leases' && problem.details.name === asked.name) return { kind: 'absent' };
      if (problem?.details?.kind === 'namespaces')
        return refuse(status, `${subject}: the namespace "${asked.namespace}" does not exist: create it, or name another`);
      return refuse(status, `${subject}: 404: ${why}. The API server does not serve coordination.k8s.io/v1`);
    case 409:
      return { kind: 'conflict' };
    case 422:
      // A PUT without uid and resourceVersion creates; this is how the API says that there is one already.
      if (asked.verb === 'create' && problem?.details?.causes?.some(({ field }) => field === 'metadata.resourceVersion'))
        return { kind: 'conflict' };
      return refuse(status, `${subject}: 422: ${why}`);
    case 429:
      return { kind: 'failed', message: `${said}: ${why}`, applied: 'no', ...retryAfter(headers, problem) };
    default:
      if (status >= 500)
        return { kind: 'failed', message: `${said}: ${why}`, applied: 'unknown', ...retryAfter(headers, problem) };
      return refuse(status, `${said}: ${why}`);
  }
}

interface Status {
  message?: string;
  reason?: string;
  details?: { kind?: string; name?: string; retryAfterSeconds?: number; causes?: { field?: string }[] };
}

const refuse = (status: number, message: string): Answer => ({ kind: 'refused', status, message });

function rights({ namespace, name }: Asked): string {
  return (
    `Allow get, watch, create and update on leases.coordination.k8s.io with resourceNames ["${name}"] ` +
    `in namespace ${namespace} (docs/rbac.md)`
  );
}

function retryAfter(headers: Record<string, unknown>, problem: Status | undefined): { retryAfterMs: number } | object {
  const header = typeof headers['retry-after'] === 'string' ? headers['retry-after'] : '';
  const seconds = /^\d+$/.test(header) ? Number(header) : problem?.details?.retryAfterSeconds;
  return typeof seconds === 'number' && seconds > 0 ? { retryAfterMs: seconds * 1000 } : {};
}

function isLease(json: { kind?: unknown; metadata?: unknown } | undefined): json is RawLease {
  return json?.kind === 'Lease' && typeof json.metadata === 'object' && json.metadata !== null;
}

function readJson(body: string): Record<string, unknown> | undefined {
  try {
    const json: unknown = JSON.parse(body);
    return typeof json === 'object' && json !== null ? (json as Record<string, unknown>) : undefined;
  } catch {
    return undefined; // Told by `nature`, with the first words of it.
  }
}

/** What came instead of JSON, for a person who has to find out who answered. */
function nature(headers: Record<string, unknown>, body: string): string {
  const type = String(headers['content-type'] ?? 'no content type').split(';')[0];
  const start = body.replace(/\s+/g, ' ').trim().slice(0, 80);
  return start === '' ? 'an empty body' : `${type} ("${start}")`;
}

function readDate(header: string | undefined): number | undefined {
  const ms = header === undefined ? Number.NaN : Date.parse(header);
  return Number.isNaN(ms) ? undefined : ms;
}

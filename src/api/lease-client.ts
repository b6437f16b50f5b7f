/** Read, create, replace and watch one Lease. What an answer means for the lock is decided elsewhere. */
import type { Clock } from '../clock.ts';
import type { RawLease } from '../protocol/lease.ts';
import { type Answer, answerOf } from './answers.ts';
import type { Cluster } from './cluster.ts';
import { connect, type Reply } from './http.ts';
import { type WatchListener, watchLease } from './lease-watch.ts';

export interface WriteOptions {
  /** The field manager, as it stands in managedFields. */
  manager: string;
  /** The API server checks and stamps the write, and does not do it. */
  dryRun?: boolean | undefined;
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
   * `since` the first is the present state, if there is one. It connects after `afterMs`.
   */
  watch(listener: WatchListener, since?: string | undefined, afterMs?: number): () => void;
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
}

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
    async write(lease, { manager, dryRun, timeoutMs, signal }) {
      const verb = lease.metadata.uid === undefined ? 'create' : 'update';
      const query = `fieldManager=${encodeURIComponent(manager)}&${dryRun ? 'dryRun=All&' : ''}${serverTimeout(timeoutMs)}`;
      const reply = await requests.send({
        method: 'PUT',
        path: `${path}?${query}`,
        body: JSON.stringify(lease),
        timeoutMs,
        signal,
      });
      return answerOf(reply, { verb, ...subject });
    },
    watch(listener, since, afterMs = 0) {
      const query = `watch=1&allowWatchBookmarks=true&fieldSelector=${encodeURIComponent(`metadata.name=${name}`)}`;
      const describe = (reply: Reply) => answerOf(reply, { verb: 'watch', ...subject });
      // A connection of its own for each: closing one must not cut another.
      const connection = connect(cluster, clock, userAgent);
      return watchLease({ ...options, connection, path: `${collection}?${query}`, describe, listener, since, afterMs });
    },
    close: () => requests.close(),
  };
}

/** The API server gives up with us, in whole milliseconds; without it a write could land long after its deadline. */
const serverTimeout = (timeoutMs: number): string => `timeout=${Math.max(1, Math.round(timeoutMs))}ms`;

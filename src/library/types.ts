/** What users of the library see of a lock: plain values, in milliseconds and ISO times. None of it is live. */

/** Milliseconds as a number, or text with a unit: `90s`, `15m`, `1h30m`, `500ms`. @public */
export type Duration = number | string;

/** Somebody who has the lock, or who may still believe so. @public */
export interface LockHolder {
  /** Who it is, as written into the Lease. */
  id: string;
  /** When it acquired the lock, by its own clock, as an ISO time: for people. Empty if it does not say. */
  since: string;
  /** How long it keeps the lock without renewing it, in milliseconds. */
  durationMs: number | undefined;
  /** True for a client that is not of this kind (client-go leader election, K8SLock 0.2.5), or one that such a client has ousted. */
  foreign: boolean;
  /** The user that it runs as. */
  who?: string;
  /** Why it has the lock. */
  reason?: string;
  /** Where to look. */
  url?: string;
  /** The machine, or the Pod. */
  host?: string;
}

/** Somebody in the queue. @public */
export interface LockWaiter {
  /** Who it is, as written into the Lease. */
  id: string;
  /** When it came, by its own clock, as an ISO time: for people. */
  since: string;
  /** Higher is served first. */
  priority: number;
  /** The user that it runs as. */
  who?: string;
  /** Why it wants the lock. */
  reason?: string;
  /** Where to look. */
  url?: string;
  /** The machine, or the Pod. */
  host?: string;
}

/** A request that the holder should stop. @public */
export interface LockStopRequest {
  /** Who asks. */
  by: string;
  /** What for: `replace`, `unlock`, or a word of a later version. */
  kind: string;
  /** Why, if that was said. */
  reason?: string;
}

/** How releasing a lock went. After `failed` the lock expires by itself. @public */
export type ReleaseResult = { kind: 'released' } | { kind: 'gone' } | { kind: 'failed'; message: string };

/** What happens to a lock, passed to `onEvent`: for logs and metrics. `lock` is its namespace and name. @public */
export type LockEvent = { lock: string; holder: string } & (
  | { type: 'waiting'; position: number; queue: number; heldBy: LockHolder[] }
  | { type: 'resumed'; from: LockHolder }
  | { type: 'acquired'; waitedMs: number; token: string; transitions: number }
  | { type: 'renewed'; queue: number }
  | {
      type: 'trouble';
      doing: 'reading' | 'queueing' | 'claiming' | 'renewing' | 'watching';
      message: string;
      retryInMs: number;
    }
  | { type: 'restored'; heldBy: LockHolder[] }
  | { type: 'stop-requested'; request: LockStopRequest }
  | { type: 'lost'; reason: string }
  | { type: 'released'; heldMs: number; keptMs: number }
  | { type: 'left-queue' }
  | { type: 'release-failed'; message: string }
);

/** What is needed of a KubeConfig of `@kubernetes/client-node`, of any version. @public */
export interface KubeConfigLike {
  /** Name of the current context. */
  getCurrentContext(): string;
  /** The cluster of the current context. */
  getCurrentCluster(): unknown;
  /** The user of the current context. */
  getCurrentUser(): unknown;
  /** The context of that name. */
  getContextObject(name: string): unknown;
}

/** Which API server, and with which credentials. Nothing at all: KUBECONFIG, `~/.kube/config`, else the Pod that this runs in. @public */
export interface ClusterAccess {
  /** A KubeConfig of `@kubernetes/client-node` that is loaded already. */
  kubeConfig?: KubeConfigLike | undefined;
  /** Path of a kubeconfig file. */
  kubeconfig?: string | undefined;
  /** Context of the kubeconfig. Default: its current one. */
  context?: string | undefined;
  /** URL of an API server, instead of a kubeconfig. */
  server?: string | undefined;
  /** File with a bearer token for `server`; read again when it changes. */
  tokenFile?: string | undefined;
  /** File with CA certificates (PEM) for `server`; read again when they change. Default: those of the system. */
  certificateAuthority?: string | undefined;
}

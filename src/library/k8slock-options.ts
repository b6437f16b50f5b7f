/** What `K8SLock` takes and gives: the options of 0.2.5 under their names, and what is new. */

import type { LockError } from './lock-error.ts';
import type { Duration, KubeConfigLike, LockEvent } from './types.ts';

/** Options of `K8SLock`: those of 0.2.5, and what is new. @public */
export interface K8SLockOptions {
  /** A KubeConfig of `@kubernetes/client-node`. Default: KUBECONFIG, `~/.kube/config`, else the Pod that this runs in. */
  kubeConfig?: KubeConfigLike | undefined;
  /** Name of the Lease. */
  leaseName: string;
  /** Namespace of the Lease. Default: that of the context or of the Pod, else `default`. */
  namespace?: string | undefined;
  /** Whether a Lease that does not exist is made. Default: true. */
  createLeaseIfNotExist?: boolean | undefined;
  /** Labels of the Lease, written when joining the queue and when acquiring. */
  labels?: Readonly<Record<string, string>> | undefined;
  /** Who holds the lock: just this is written as `holderIdentity`. Default: the Pod or the host, and a random part. */
  lockLeaserId?: string | undefined;
  /** How long the lock is kept without being renewed, in whole seconds, at least 2. Default: 30. */
  leaseDurationInSeconds?: number | undefined;
  /** How often `startLocking` renews, in milliseconds. At least 1000, and never so seldom that the lock could run out. Default: a quarter of the lease. */
  refreshLockInterval?: number | undefined;
  /** How often a waiter looks, in milliseconds, besides being notified of changes; at most once a second, at least once a minute. Default: the duration of the lease. */
  lockTryInterval?: number | undefined;
  /** New: a restarted process with the same `lockLeaserId` gets its own lock back immediately. Two that live at the same time would then both have it. Default: false. */
  resume?: boolean | undefined;
  /** New: write the time of expiry into `renewTime`, so that 0.2.5 on the same Lease waits. Default: true. */
  legacyExpiry?: boolean | undefined;
  /** New: how long your code needs to stop once the lock is lost. Default: 0, which still leaves a twentieth of the lease (200 ms to 2 s). */
  stopWithin?: Duration | undefined;
  /** New: called when a lock that this instance had is lost, or has run out. What it throws is ignored. */
  onLost?: ((error: LockError) => void) | undefined;
  /** New: notified of what happens, for logs and metrics. What it throws is ignored. */
  onEvent?: ((event: LockEvent) => void) | undefined;
}

/** What `startLocking` says. @public */
export interface LockInfo {
  /** Whether the lock is held: false only if `stopLocking` was called meanwhile. */
  isLocking: boolean;
  /** For `stopLocking`. */
  lockId: string;
}

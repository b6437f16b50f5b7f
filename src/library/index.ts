/**
 * The npm package: a lock on a Kubernetes cluster, one Lease for each.
 *
 * @packageDocumentation
 */
export { acquireAll, createLock } from './create-lock.ts';
export type {
  AcquireOptions,
  CreateLockOptions,
  Held,
  HeldAll,
  HeldOne,
  Lock,
  LockStatus,
  ReleaseOptions,
  SetOptions,
  TryAcquireOptions,
  UnlockOptions,
  UnlockResult,
} from './create-lock-types.ts';
export { K8SLock } from './k8slock.ts';
export type { K8SLockOptions, LockInfo } from './k8slock-options.ts';
export { LockError, type LockErrorCode, type LockErrorDetails } from './lock-error.ts';
export type {
  ClusterAccess,
  Duration,
  KubeConfigLike,
  LockEvent,
  LockHolder,
  LockStopRequest,
  LockWaiter,
  ReleaseResult,
} from './types.ts';

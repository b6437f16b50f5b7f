/** The options of K8SLock, read once. They are those of 0.2.5: unknown ones are left alone, and an interval that is too long is cut, not refused. */
import { type Identity, sharedIdentity } from '../lock/index.ts';
import { problemOfName, problemOfNamespace } from '../names.ts';
import { longestRenewEveryMs, type Timings } from '../protocol/timings.ts';
import type { K8SLockOptions } from './k8slock-options.ts';
import type { LockError } from './lock-error.ts';
import { hook, identityWith, type Participants, participantsOf } from './participants.ts';
import { accessOf, callback, duration, flag, labelsOf, text, timingsFor, wrong } from './validate-options.ts';

export interface K8SLockSettings {
  leaseName: string;
  namespace: string | undefined;
  lockLeaserId: string | undefined;
  leaseDurationInSeconds: number;
  labels: Record<string, string> | undefined;
  createLeaseIfNotExist: boolean;
  onLost(error: LockError): void;
  participants: Participants;
}

/** Throws a `LockError` of code `configuration` if an option is wrong. */
export function readK8SLockOptions(options: K8SLockOptions): K8SLockSettings {
  const given = { ...options } as Record<string, unknown>;
  const leaseName = text(given, 'leaseName');
  if (leaseName === undefined) throw wrong('leaseName is missing: it is the name of the lock, and of its Lease');
  const namespace = text(given, 'namespace');
  const problem = problemOfName(leaseName) ?? (namespace === undefined ? undefined : problemOfNamespace(namespace));
  if (problem !== undefined) throw wrong(problem);
  const lockLeaserId = text(given, 'lockLeaserId');
  const leaseDurationInSeconds = options.leaseDurationInSeconds ?? 30;
  const createLeaseIfNotExist = flag(given, 'createLeaseIfNotExist', true);
  const labels = labelsOf(options.labels);
  const onLost = callback(options.onLost, 'onLost');
  const leaseMs = leaseDurationInSeconds * 1000;
  const tryMs = duration(options.lockTryInterval ?? undefined, 'lockTryInterval');
  const participants = participantsOf({
    name: leaseName,
    namespace,
    access: accessOf({ kubeConfig: options.kubeConfig ?? undefined }),
    identity: identityOf(lockLeaserId, flag(given, 'resume', false)),
    about: { reason: undefined, url: undefined },
    timings: timingsOf(leaseMs, options),
    createIfAbsent: createLeaseIfNotExist,
    legacyExpiry: flag(given, 'legacyExpiry', true),
    labels,
    pollEveryMs: Math.max(1000, tryMs || leaseMs),
    onEvent: callback(options.onEvent, 'onEvent'),
  });
  const tellLoss = hook((error: LockError) => onLost?.(error));
  const named = { leaseName, namespace, lockLeaserId, leaseDurationInSeconds };
  return { ...named, labels, createLeaseIfNotExist, onLost: tellLoss, participants };
}

function identityOf(
  id: string | undefined,
  resume: boolean,
): (cluster: Parameters<ReturnType<typeof identityWith>>[0]) => Promise<Identity> {
  if (resume && id === undefined) throw wrong('resume needs a lockLeaserId: without one every process has an id of its own');
  // One for the instance, so that getLock knows its own lock.
  let own: Promise<Identity> | undefined;
  return (cluster) => {
    if (resume && id !== undefined) return Promise.resolve(sharedIdentity(id));
    own ??= identityWith(id)(cluster).catch((error) => {
      own = undefined; // It may be read the next time.
      throw error;
    });
    return own.then((identity) => ({ ...identity, id: id ?? identity.id }));
  };
}

/** An interval that is too long for the lease never kept the lock: it is cut to the longest that does. */
function timingsOf(leaseMs: number, { refreshLockInterval, stopWithin }: K8SLockOptions): Timings {
  const derived = timingsFor(leaseMs, duration(stopWithin, 'stopWithin') ?? 0);
  const wanted = duration(refreshLockInterval ?? undefined, 'refreshLockInterval') || derived.renewEveryMs;
  // Below a second renewTime, which must grow by one each time, would run ahead of the clock.
  return { ...derived, renewEveryMs: Math.min(longestRenewEveryMs(derived), Math.max(1000, wanted)) };
}

/**
 * What the two doors of the library share: finding the cluster, making a participant, and turning what the core says into the values and
 * errors that users see. Nothing is printed, and nothing that a user's hook throws reaches the lock.
 */

import { type Cluster, findCluster } from '../api/cluster.ts';
import { systemClock } from '../clock.ts';
import type { LockEvent as CoreEvent } from '../lock/events.ts';
import { type Identity, newIdentity } from '../lock/identity.ts';
import { newParticipant } from '../lock/new-participant.ts';
import type { Acquisition, Participant } from '../lock/participant.ts';
import type { Holder, Waiter } from '../protocol/document.ts';
import type { Timings } from '../protocol/timings.ts';
import { LockError } from './lock-error.ts';
import { surroundings } from './process-info.ts';
import type { ClusterAccess, LockEvent, LockHolder, LockWaiter } from './types.ts';

export interface DoorOptions {
  name: string;
  namespace: string | undefined;
  access: ClusterAccess;
  identity(cluster: Cluster): Promise<Identity>;
  about: { reason: string | undefined; url: string | undefined };
  timings: Timings;
  createIfAbsent: boolean;
  legacyExpiry: boolean;
  labels: Record<string, string> | undefined;
  pollEveryMs?: number | undefined;
  onEvent: ((event: LockEvent) => void) | undefined;
}

export interface Door {
  /** A participant of its own for each acquisition: two of one process exclude each other like any others. Rejects with a LockError. */
  join(priority: number): Promise<Participant>;
}

export function openDoor(options: DoorOptions): Door {
  const clock = systemClock();
  let found: Promise<Cluster> | undefined;
  const cluster = async () => {
    found ??= clusterOf(options.access);
    try {
      return await found;
    } catch (error) {
      found = undefined; // What is wrong may be put right, and is looked for again.
      throw error;
    }
  };
  return {
    async join(priority) {
      const at = await cluster();
      const { host, user } = surroundings();
      const namespace = options.namespace ?? at.namespace ?? 'default';
      const identity = await options.identity(at);
      // Asked for each event: a policy may want another id than the first (docs/theft.md).
      const subject = () => ({ lock: `${namespace}/${options.name}`, holder: participant.me.id });
      const tell = hook((event: LockEvent) => options.onEvent?.(event));
      const about = { who: user, ...options.about, host };
      const onWatchTrouble = onlyNews((message) =>
        tell({ ...subject(), type: 'trouble', doing: 'watching', message, retryInMs: undefined }),
      );
      const participant = newParticipant({
        ...options,
        cluster: at,
        clock,
        namespace,
        identity,
        about,
        priority,
        onWatchTrouble,
      });
      return { ...participant, emit: (event) => tell({ ...subject(), ...eventOf(event) }) };
    },
  };
}

/** Asked for no more than KubeConfigLike has, and for what every version of it does inside. */
type AnyKubeConfig = Parameters<typeof import('../api/kubeconfig.ts').fromKubeConfigObject>[0];

async function clusterOf({ kubeConfig, ...access }: ClusterAccess): Promise<Cluster> {
  const { env } = surroundings();
  const result = kubeConfig
    ? await (await import('../api/kubeconfig.ts')).fromKubeConfigObject(kubeConfig as AnyKubeConfig, env)
    : await findCluster({ ...access, env });
  if (result.kind === 'refused') throw new LockError('configuration', result.message);
  return result.cluster;
}

/** Who this is by default: the Pod, if the credentials are a Pod's, else the host; or what was given, and a random part. */
export function identityWith(prefix: string | undefined): (cluster: Cluster) => Promise<Identity> {
  return async (cluster) => {
    const { host } = surroundings();
    const credentials = cluster.source === 'the Pod' ? cluster.credentials(false) : undefined;
    const headers = (await credentials?.catch(unusable))?.headers ?? {};
    return newIdentity({ prefix, host, token: headers.authorization?.replace(/^Bearer /, '') });
  };
}

function unusable(error: Error): never {
  throw new LockError('configuration', error.message, { cause: error });
}

/** A user's function, made harmless: what it throws, or rejects with, is ignored, since a log that fails must not cost the lock. */
export function hook<T>(call: (value: T) => unknown): (value: T) => void {
  return (value) => {
    try {
      Promise.resolve(call(value)).catch(() => {});
    } catch {
      // As above.
    }
  };
}

function onlyNews(tell: (message: string) => void): (message: string) => void {
  let last: string | undefined;
  return (message) => {
    if (message === last) return;
    last = message;
    tell(message);
  };
}

/** The error for an acquisition that was none. */
export function errorOf(
  acquisition: Exclude<Acquisition, { kind: 'held' }>,
  { me }: Participant,
  signal: AbortSignal | undefined,
): LockError {
  const lock = `${me.namespace}/${me.name}`;
  switch (acquisition.kind) {
    case 'busy': {
      const { heldBy, position, waitedMs } = acquisition;
      const by = heldBy.length > 0 ? `held by ${heldBy.map(({ id }) => id).join(', ')}` : 'passing on to others who wait';
      const ahead = position > 0 ? `, and ${position} in the queue come first` : '';
      const message = `the lock ${lock} is ${by}${ahead}; waited ${Math.round(waitedMs / 100) / 10}s. Wait for longer, or try again later`;
      return new LockError('busy', message, { heldBy: heldBy.map(holderOf) });
    }
    case 'aborted':
      return new LockError('aborted', `waiting for the lock ${lock} was ended by its signal`, { cause: signal?.reason });
    case 'refused':
      return new LockError('refused', acquisition.message, { status: acquisition.status || undefined });
    case 'unreachable':
      return new LockError('unreachable', acquisition.message);
    default:
      return acquisition satisfies never;
  }
}

export function lostError({ me }: Participant, cause: unknown): LockError {
  const why = cause instanceof Error ? cause.message : String(cause);
  const message = `the lock ${me.namespace}/${me.name} is lost: ${why}. Another may run now: stop the work, and acquire the lock anew`;
  return new LockError('lost', message, { cause });
}

export function holderOf({ id, since, durationMs, standing, about }: Holder): LockHolder {
  return { id, since, durationMs, foreign: standing !== 'holds', ...about };
}

export function waiterOf({ id, since, priority, about }: Waiter): LockWaiter {
  return { id, since, priority, ...about };
}

type Plain<T> = T extends unknown ? Omit<T, 'lock' | 'holder'> : never;

/** Without the moments on this process's own scale, which mean nothing to anybody else. */
function eventOf(event: CoreEvent): Plain<LockEvent> {
  switch (event.type) {
    case 'waiting':
      return { ...event, heldBy: event.heldBy.map(holderOf) };
    case 'acquired': {
      const { type, waitedMs, token, transitions } = event;
      return { type, waitedMs, token, transitions };
    }
    case 'renewed':
      return { type: event.type, queue: event.queue };
    case 'stop-requested': {
      const { by, kind, reason } = event.request;
      return { type: event.type, request: { by, kind, ...(reason !== undefined && { reason }) } };
    }
    default:
      return event;
  }
}

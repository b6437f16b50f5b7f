/**
 * What createLock and K8SLock share: finding the cluster, and making a participant of the lock for each acquisition. Nothing is printed, and
 * nothing that a user's hook throws reaches the lock.
 */
import type { Cluster } from '../api/cluster.ts';
import { findCluster } from '../api/find-cluster.ts';
import { systemClock } from '../clock.ts';
import { type Emit, type Identity, newIdentity, newParticipant, type Participant } from '../lock/index.ts';
import type { Policies } from '../protocol/me.ts';
import type { Timings } from '../protocol/timings.ts';
import { LockError } from './lock-error.ts';
import { processInfo } from './process-info.ts';
import { eventOf } from './translate.ts';
import type { ClusterAccess, LockEvent } from './types.ts';

export interface ParticipantOptions {
  name: string;
  namespace: string | undefined;
  access: ClusterAccess;
  identity(cluster: Cluster): Promise<Identity>;
  about: { reason: string | undefined; url: string | undefined };
  timings: Timings;
  createIfAbsent: boolean;
  trustStamps?: boolean | undefined;
  legacyExpiry: boolean;
  labels: Record<string, string> | undefined;
  pollEveryMs?: number | undefined;
  onEvent: ((event: LockEvent) => void) | undefined;
}

/** One participant, and what passes its events on to the user. */
export interface Joined {
  participant: Participant;
  onEvent: Emit;
}

export interface Participants {
  /** A participant of its own for each acquisition: two of one process exclude each other like any others. Rejects with a LockError. */
  create(priority: number, policies?: Policies): Promise<Joined>;
  /** The cluster that they are on. Rejects with a LockError. */
  cluster(): Promise<Cluster>;
}

export function participantsOf(options: ParticipantOptions): Participants {
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
    async create(priority, policies) {
      const at = await cluster();
      const { host, user } = processInfo();
      const identity = await options.identity(at);
      const about = { who: user, ...options.about, host };
      const participant = newParticipant({ ...options, cluster: at, clock, identity, about, priority, policies });
      return { participant, onEvent: listenerOf(participant, options.onEvent) };
    },
    cluster,
  };
}

function listenerOf({ me: { namespace, name, id } }: Participant, onEvent: ParticipantOptions['onEvent']): Emit {
  const tell = hook((event: LockEvent) => onEvent?.(event));
  let holder = id;
  let lastTrouble: string | undefined;
  return (event) => {
    if (event.type === 'renamed') {
      holder = event.id;
      return;
    }
    // A watch that can't be had says the same each time that it is tried again.
    if (event.type === 'trouble' && event.doing === 'watching') {
      if (event.message === lastTrouble) return;
      lastTrouble = event.message;
    }
    tell({ lock: `${namespace}/${name}`, holder, ...eventOf(event) });
  };
}

/** Asked for no more than KubeConfigLike has, and for what every version of it does inside. */
type AnyKubeConfig = Parameters<typeof import('../api/kubeconfig-object.ts').fromKubeConfigObject>[0];

async function clusterOf({ kubeConfig, ...access }: ClusterAccess): Promise<Cluster> {
  const { env } = processInfo();
  const result = kubeConfig
    ? (await import('../api/kubeconfig-object.ts')).fromKubeConfigObject(kubeConfig as AnyKubeConfig, env)
    : await findCluster({ ...access, env });
  if (result.kind === 'refused') throw new LockError('configuration', result.message);
  return result.cluster;
}

/** Who this is by default: the Pod, if the credentials are a Pod's, else the host; or what was given, and a random part. */
export function identityWith(prefix: string | undefined): (cluster: Cluster) => Promise<Identity> {
  return async (cluster) => {
    const { host } = processInfo();
    const token = await cluster.podToken().catch(unusable);
    return newIdentity({ prefix, host, token });
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

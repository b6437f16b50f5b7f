/** Makes a participant of what an entry knows: a cluster, a lock's name, and who is asking. The same for command line, Action and library. */
import { randomBytes } from 'node:crypto';
import type { Cluster } from '../api/cluster.ts';
import { leaseClient } from '../api/lease-client.ts';
import { reviewSelf, type UserInfo } from '../api/self-subject-review.ts';
import type { Clock } from '../clock.ts';
import type { About } from '../protocol/lock-state.ts';
import type { Policies } from '../protocol/me.ts';
import type { Timings } from '../protocol/timings.ts';
import { USER_AGENT } from '../version.ts';
import { type Identity, idOf } from './identity.ts';
import type { Participant } from './participant.ts';

export interface NewParticipant {
  cluster: Cluster;
  clock: Clock;
  /** Undefined: the cluster's. */
  namespace: string | undefined;
  name: string;
  identity: Identity;
  /** For people; what is undefined is left out. */
  about: { [field in keyof About]: string | undefined };
  priority: number;
  timings: Timings;
  createIfAbsent: boolean;
  trustStamps?: boolean | undefined;
  legacyExpiry: boolean;
  /** Labels of the Lease, written with every claim. */
  labels?: Record<string, string> | undefined;
  policies?: Policies | undefined;
  pollEveryMs?: number | undefined;
}

/** What every Lease of ours carries, for `kubectl get lease -l`. */
const LABELS = { 'app.kubernetes.io/managed-by': 'k8s-lease-lock' };

/** Who each cluster took us for, once a policy has made us ask: the next participant has the right id from the start. */
const reviewed = new WeakMap<Cluster, UserInfo>();

export function newParticipant(options: NewParticipant): Participant {
  const { cluster, clock, name, identity, priority, timings, createIfAbsent, legacyExpiry, labels, policies, pollEveryMs } =
    options;
  const namespace = options.namespace ?? cluster.namespace;
  const random = Math.random;
  const client = leaseClient({ cluster, namespace, name, clock, userAgent: USER_AGENT, random });
  const about: About = Object.fromEntries(Object.entries(options.about).filter(([, value]) => value !== undefined));
  const since = `${clock.wall().toISOString().slice(0, 19)}Z`;
  const user = identity.derived ? reviewed.get(cluster) : undefined;
  const id = user ? idOf(user, identity) : identity.id;
  const { nonce } = identity;
  const { durationMs } = timings;
  const whoAmI = async (timeoutMs: number) => {
    const asked = await reviewSelf(cluster, clock, timeoutMs);
    if (asked) reviewed.set(cluster, asked);
    return asked && idOf(asked, identity);
  };
  return {
    client,
    clock,
    me: {
      ...{ id, nonce, namespace, name, priority, durationMs, about, since, legacyExpiry, policies },
      labels: { ...LABELS, ...labels },
    },
    timings,
    createIfAbsent,
    trustStamps: options.trustStamps,
    pollEveryMs,
    newMark: () => randomBytes(6).toString('base64url'),
    random,
    ...(identity.derived && { whoAmI }),
  };
}

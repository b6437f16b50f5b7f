/** Makes a participant of what a door knows: a cluster, a lock's name, and who is asking. The same for the command line, the Action and the library. */
import { randomBytes } from 'node:crypto';
import type { Cluster } from '../api/cluster.ts';
import { connect } from '../api/http.ts';
import { leaseClient } from '../api/lease-client.ts';
import type { Clock } from '../clock.ts';
import { type About, parseLease } from '../protocol/document.ts';
import type { Timings } from '../protocol/timings.ts';
import { USER_AGENT } from '../version.ts';
import { type Identity, idOf, type UserInfo } from './identity.ts';
import type { Participant } from './participant.ts';

export interface NewParticipant {
  cluster: Cluster;
  clock: Clock;
  namespace: string;
  name: string;
  identity: Identity;
  /** For people; what is undefined is left out. */
  about: { [field in keyof About]: string | undefined };
  priority: number;
  timings: Timings;
  createIfAbsent: boolean;
  legacyExpiry: boolean;
  /** Labels of the Lease, written with every claim. */
  labels?: Record<string, string> | undefined;
  pollEveryMs?: number | undefined;
  /** Told, as a sentence, when there is no watch: the lock works, only slower. */
  onWatchTrouble(message: string): void;
}

/** What every Lease of ours carries, for `kubectl get lease -l`. */
const LABELS = { 'app.kubernetes.io/managed-by': 'k8s-lease-lock' };

/** Who the API server took us for, once a policy has made us ask: whoever joins by the same cluster again is that from the start. */
const known = new WeakMap<Cluster, UserInfo>();

export function newParticipant(options: NewParticipant): Omit<Participant, 'emit'> {
  const { cluster, clock, namespace, name, identity, priority, timings, createIfAbsent, legacyExpiry, labels, pollEveryMs } =
    options;
  const random = Math.random;
  const client = leaseClient({
    cluster,
    namespace,
    name,
    clock,
    userAgent: USER_AGENT,
    random,
    onWatchTrouble: options.onWatchTrouble,
  });
  const about: About = Object.fromEntries(Object.entries(options.about).filter(([, value]) => value !== undefined));
  const since = `${clock.wall().toISOString().slice(0, 19)}Z`;
  const user = identity.derived ? known.get(cluster) : undefined;
  const { id, nonce } = { ...identity, ...(user && { id: idOf(user, identity) }) };
  const me = { id, nonce, namespace, name, priority, durationMs: timings.durationMs, about, since, legacyExpiry };
  const newMark = () => randomBytes(6).toString('base64url');
  const whoAmI = async (timeoutMs: number) => {
    const asked = await reviewed(cluster, clock, timeoutMs);
    if (asked) known.set(cluster, asked);
    return asked && idOf(asked, identity);
  };
  const self = { ...me, labels: { ...LABELS, ...labels } };
  const participant = { client, clock, me: self, timings, createIfAbsent, pollEveryMs, newMark, random };
  return identity.derived ? { ...participant, whoAmI } : participant;
}

/** Whether the lock is this one's before it asks for it: then it adds time to it, and must not give it back if it is not to have more. */
export async function holdsAlready({ client, me, timings }: Omit<Participant, 'emit'>): Promise<boolean> {
  const answer = await client.read({ timeoutMs: timings.requestTimeoutMs });
  const parsed = answer.kind === 'lease' ? parseLease(answer.lease) : undefined;
  return parsed?.kind === 'state' && parsed.state.holders.some(({ id, nonce }) => id === me.id && nonce === me.nonce);
}

/** Anybody may ask that; an answer that says nothing is as good as none. */
async function reviewed(cluster: Cluster, clock: Clock, timeoutMs: number): Promise<UserInfo | undefined> {
  const connection = connect(cluster, clock, USER_AGENT);
  const path = '/apis/authentication.k8s.io/v1/selfsubjectreviews';
  const body = JSON.stringify({ apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' });
  try {
    const reply = await connection.send({ method: 'POST', path, body, timeoutMs });
    if (reply.kind === 'broken' || reply.status !== 201) return undefined;
    const { status } = JSON.parse(reply.body) as { status?: { userInfo?: UserInfo } };
    return status?.userInfo;
  } catch {
    return undefined; // No JSON.
  } finally {
    connection.close();
  }
}

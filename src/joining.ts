/** Makes a participant of what a door knows: a cluster, a lock's name, and who is asking. The same for the command line, the Action and the library. */
import { randomBytes } from 'node:crypto';
import type { Clock } from './clock.ts';
import type { Cluster } from './cluster.ts';
import type { Identity } from './identity.ts';
import { leaseClient } from './lease-client.ts';
import type { Participant } from './participant.ts';
import type { Timings } from './settings.ts';
import type { About } from './state.ts';
import { USER_AGENT } from './version.ts';

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
  const me = { ...identity, namespace, name, priority, durationMs: timings.durationMs, about, since, legacyExpiry };
  const newMark = () => randomBytes(6).toString('base64url');
  return { client, clock, me: { ...me, ...(labels && { labels }) }, timings, createIfAbsent, pollEveryMs, newMark, random };
}

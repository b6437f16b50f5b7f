/** Who a participant is on one lock, and which entries of a document are its own. Pure. */
import type { Steady } from '../clock.ts';
import type { About, Key } from './lock-state.ts';

/** What a participant wants of the others, and what they may expect of it (policies.ts). */
export interface Policies {
  /** Of the waiters of this group only the newest matters. */
  group?: string | undefined;
  /** Asks whoever holds the lock to stop. */
  replaces?: boolean | undefined;
  /** Finishes first, whoever wants to replace it. */
  declines?: boolean | undefined;
  /** The lock stays taken for as long from when it was acquired, however short the work was. */
  minHoldMs?: number | undefined;
  /** Whoever comes with a key for which the work has succeeded already need not do it. */
  once?: string | undefined;
  /** Stands beside others that do, and takes so many of the lock's permits; undefined: needs the lock for itself. */
  weight?: number | undefined;
  /** How many permits the lock is expected to have. */
  permits?: number | undefined;
  /** For each of these that it has waited, its priority grows by one; 0 or undefined: never. */
  ageStepMs?: number | undefined;
  /** May be handed the lock by its predecessor: what runs under it can be killed without a grace. */
  direct?: boolean | undefined;
}

/** Who I am on this lock; it never changes. The ticket is no part of it: it belongs to one wait. */
export interface Me {
  namespace: string;
  name: string;
  id: string;
  nonce: string;
  priority: number;
  durationMs: number;
  about: About;
  /** When I came, by my wall clock: for people. */
  since: string;
  /** Write the expiry into renewTime, as K8SLock 0.2.5 expects of everyone. */
  legacyExpiry: boolean;
  labels?: Record<string, string>;
  policies?: Policies | undefined;
}

export interface Moment {
  now: Steady;
  wall: Date;
  /** The mark of the write that may follow: never used before. */
  mark: string;
}

/** "Me" is this id and this nonce: two processes that were given one id by mistake exclude each other. */
export const isMe = (entry: { id: string; nonce: string }, me: Pick<Me, 'id' | 'nonce'>): boolean =>
  entry.id === me.id && entry.nonce === me.nonce;

export function findMine<T extends { id: string; nonce: string }>(
  entries: readonly T[],
  me: Pick<Me, 'id' | 'nonce'>,
): T | undefined {
  return entries.find((entry) => isMe(entry, me));
}

/** The keys of all entries of mine. More than one only where somebody wrote by hand. */
export function keysOfMine(entries: readonly { key: Key; id: string; nonce: string }[], me: Me): Key[] {
  return entries.filter((entry) => isMe(entry, me)).map((entry) => entry.key);
}

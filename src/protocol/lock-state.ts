/** What is known of a lock at one moment, as its Lease says it: who holds it, who waits, and in which order. The parser: document.ts. */
import type { RawLease } from './lease.ts';

/** For people: who it is, why, where to look. Each field is cut at ABOUT_LIMITS. */
export interface About {
  who?: string;
  reason?: string;
  url?: string;
  host?: string;
}

/** `<ticket>-<nonce>`: names one participant in annotation keys. */
export type Key = string;

export interface Entry {
  key: Key;
  ticket: number;
  nonce: string;
  id: string;
  /** When it acquired, or joined the queue, by its own wall clock: for people. */
  since: string;
  about: About;
  /** When it came, counted as tickets are: it stands further ahead than that where it has taken the place of others. */
  came: number;
  /** Of those of one group, only the newest wants to wait. */
  group: string | undefined;
  /** It stands beside others that do, and takes so many permits; undefined: it needs the lock for itself. */
  weight: number | undefined;
  /** How many permits it expects the lock to have. */
  permits: number | undefined;
}

/**
 * Somebody who has the lock, or may still believe so.
 * `holds`: the spec agrees. `ousted`: an annotated holder contradicted by the spec, so a foreign client cleared or took the lock under it; it
 * has lost, and stops its command as soon as it learns of that. `foreign`: known by the spec alone.
 */
export interface Holder extends Entry {
  standing: 'holds' | 'ousted' | 'foreign';
  /** Undefined if it states none that can be read; a waiter then assumes its own. */
  durationMs: number | undefined;
  /** Changes whenever this holder writes: expiry is judged by how long this text has stood still. */
  fingerprint: string;
  /** The mark of its last write; empty for a foreign holder. */
  mark: string;
  /** Whoever wants to replace it has to wait until it has finished. */
  declines: boolean;
  /** Its work is over, and the lock stays taken for its duration all the same: nobody renews it. */
  ended: boolean;
  /** Its predecessor has handed the lock to it, and it has not written since. */
  granted: boolean;
  /** When it last wrote, in milliseconds since 1970 by the API server's clock; undefined if the Lease's fields are not tracked. */
  writtenAtServerMs: number | undefined;
}

export interface Waiter extends Entry {
  priority: number;
  /** Undefined if it states none that can be read. */
  durationMs: number | undefined;
  /** Changes whenever this waiter shows that it is alive. */
  fingerprint: string;
  /** It asks whoever holds the lock to stop. */
  replaces: boolean;
  /** Whoever releases the lock may hand it to this one. */
  direct: boolean;
  /** Somebody asks it to leave the queue. */
  stop: StopRequest | undefined;
}

export interface StopRequest {
  /** The id or the key of the holder that is asked, or the key of the waiter. */
  holder: string;
  by: string;
  kind: string;
  reason?: string;
  at?: string;
}

export interface LockState {
  lease: RawLease;
  uid: string | undefined;
  resourceVersion: string | undefined;
  /** By ticket; a foreign holder first. */
  holders: Holder[];
  /** By priority, then ticket. */
  waiters: Waiter[];
  /** Keys of waiters that could not be read: the next writer drops them. */
  unreadable: Key[];
  /** The ticket of the next arrival, above every ticket in use. */
  next: number;
  stop: StopRequest | undefined;
  /** How many those that stand beside each other may take in all, as the lock says, or else who takes part; undefined: any number. */
  permits: number | undefined;
  /** Of each group, who came last of those that have had the lock. */
  superseded: ReadonlyMap<string, number>;
  /** Keys for which the work has succeeded, the oldest first. */
  done: readonly string[];
  transitions: number;
  /** It has what every write of ours leaves in a Lease. */
  isWritten: boolean;
  /** Set when the API server's own coordinated election runs on this Lease: why it is not ours. */
  coordinated: string | undefined;
  /** When a holder last wrote, in milliseconds since 1970 by the API server's clock; undefined if the Lease's fields are not tracked. */
  writtenAtServerMs: number | undefined;
  /** The same of the last write of a waiter. */
  queuedAtServerMs: number | undefined;
}

/**
 * Every number in the document is smaller: tickets, their counter, priorities, durations in seconds. What is larger counts as absent, in parser, writer
 * and the policy in deploy/holders alike; far below what JSON keeps exactly, so that counting on never goes wrong.
 */
export const NUMBER_LIMIT = 1e12;

/** Each holder has an entry of some hundred bytes. */
export const PERMITS_LIMIT = 100;
/** Of a priority, upwards and downwards. */
export const PRIORITY_LIMIT = 1_000_000;

/** Characters of each field kept. With 100 participants of about 600 characters the annotations stay far below the API's 256 KiB. */
export const ABOUT_LIMITS: Record<keyof About, number> = { who: 128, reason: 200, url: 300, host: 64 };

/** The order in which waiters are served. */
export function byTurn(
  a: { priority: number; ticket: number; nonce: string },
  b: { priority: number; ticket: number; nonce: string },
): number {
  return b.priority - a.priority || a.ticket - b.ticket || compareText(a.nonce, b.nonce);
}

export const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

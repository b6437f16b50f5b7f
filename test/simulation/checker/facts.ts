/**
 * What the checker knows of a run, from everything that came true: the document, who has the lock, who runs, who waits, and when things last changed.
 * The rooms beside this file judge by it, and it judges nothing.
 */
import type { Doc } from '../document.ts';
import type { Author, Deed, Sent } from '../history.ts';
import { type Conditions, newConditions } from './conditions.ts';
import { newSights, type Sights } from './sights.ts';
import { holderKeys, type WriteKind } from './writes.ts';

export interface Violation {
  at: number;
  /** The invariant, in a few words that stay the same. */
  invariant: string;
  what: string;
}

export interface CheckerOptions {
  /** Clocks differ so much that who sees an expiry first is chance. */
  drift: boolean;
  /** The API servers' clocks differ, and so does what they say of a holder's age. */
  skew: boolean;
  /** Nothing goes wrong in this run but participants that vanish: nobody else may suffer. */
  gentle: boolean;
  /** The API servers' clocks step, or are further apart than their stamps may be. */
  stampsLie?: boolean;
}

/** Somebody who has, or may believe to have, the lock. */
export interface Hold {
  author: Author;
  key: string;
  /** Of the document in which it was claimed. */
  claimVersion: number;
  durationMs: number;
  /** When its last write came true, and the latest send of one that did, by its own clock. */
  landedAt: number;
  claimedAt: number;
  sentLocal: number;
  /** The send, in true time, of the last that came true. */
  sentTime: number;
  /** An administrator freed the lock from it. */
  forced: boolean;
  /** Its Lease was deleted under it at some time. */
  deleted: boolean;
  /** The spec was cleared or taken under it by somebody who does not follow the protocol. */
  cleared: boolean;
}

export interface Waiting {
  author: Author;
  patient: boolean;
  since: number;
  troubledAt: number;
  /** The same, but for its watch, which no promise depends on. */
  hinderedAt: number;
  /** What still goes on. */
  troubles: Set<string>;
  /** Its ticket, as soon as it has been shown it. */
  ticket: number | undefined;
  missingSince: number | undefined;
  /** When it was first shown that it stands near enough to the front to keep a watch. */
  watchesSince: number;
}

export interface Facts {
  readonly options: CheckerOptions;
  readonly holds: Map<string, Hold>;
  readonly running: Map<string, Author>;
  readonly waiting: Map<string, Waiting>;
  readonly sights: Sights;
  readonly conditions: Conditions;
  /** Since when each entry of a waiter stands in the Lease. */
  readonly standing: Map<string, number>;
  doc: Doc | undefined;
  /** When the last holder was taken out of the spec. */
  freedAt: number;
  /** When a holder last showed itself, came or went. */
  changedAt: number;
  deletedAt: number;
  lastArrivalAt: number;
  violate(at: number, invariant: string, what: string): void;
}

/** A write that came true, and what it was. `after` undefined: a deletion. */
export interface Landed {
  author: Author;
  /** Undefined for those who are none of ours, and for a deletion. */
  kind: WriteKind | undefined;
  before: Doc | undefined;
  after: Doc | undefined;
  sent: Sent | undefined;
  deed: Deed | undefined;
}

/** One that left a Lease. */
export interface LandedWrite extends Landed {
  after: Doc;
}

/** A live waiter without trouble reads the Lease at least this often. */
export const POLL_MS = 75_000;
export const CLAIM_WINDOW_MS = 2000;
export const WATCHED_PLACES = 20;
/** As long as anybody honours a holder whose Lease was deleted: the longest duration here and its margin, from when he learns of it. */
export const AFTER_DELETION_MS = 300_000;

export function newFacts(options: CheckerOptions, violate: Facts['violate']): Facts {
  return {
    options,
    holds: new Map(),
    running: new Map(),
    waiting: new Map(),
    sights: newSights(),
    conditions: newConditions(),
    standing: new Map(),
    doc: undefined,
    freedAt: 0,
    changedAt: 0,
    deletedAt: Number.NEGATIVE_INFINITY,
    lastArrivalAt: 0,
    violate,
  };
}

/** Changes whenever a holder writes, comes or goes. What is written into the spec of a free lock starts no window anew. */
const signOfLife = (doc: Doc | undefined) =>
  doc && isFree(doc) ? 'free' : JSON.stringify([doc?.named, doc?.holders, doc?.lease.spec?.renewTime]);

/** Nobody has it, whatever else is in the document. */
export const isFree = (doc: Doc): boolean => doc.named === '' && holderKeys(doc).length === 0;

/** When things last changed, for what is judged from now on. */
export function date(facts: Facts, at: number, { kind, before, after }: Landed): void {
  facts.doc = after;
  if (!after) {
    facts.deletedAt = at;
    return;
  }
  const keys = new Set(after.waiters.map(({ key }) => key));
  for (const key of facts.standing.keys()) if (!keys.has(key)) facts.standing.delete(key);
  for (const key of keys) if (!facts.standing.has(key)) facts.standing.set(key, at);
  if (kind === 'enqueue') facts.lastArrivalAt = at;
  if (signOfLife(before) !== signOfLife(after)) facts.changedAt = at;
  if (after.named === '' && before?.named !== '') facts.freedAt = at;
}

export const tellsOf = (doc: Doc, hold: Hold): boolean => doc.holders.some(({ nonce }) => nonce === hold.author.nonce);

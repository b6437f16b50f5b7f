/**
 * What the checker knows of a run, from everything that came true: the document, who has the lock, who runs, who waits, and when things last changed.
 * The rooms beside this file judge by it, and it judges nothing.
 */
import type { Doc, Entry } from '../document.ts';
import type { Author, Deed, Sent } from '../history.ts';
import { type Conditions, newConditions } from './conditions.ts';
import { type Ghosts, newGhosts } from './ghosts.ts';
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
  /** It shares the lock; undefined: it needs it alone. */
  weight: number | undefined;
  /** It rests on what somebody else has written. */
  granted: boolean;
  /** The most permits that the lock has had since it claimed. */
  permits: number;
  /** When its last write came true, and the latest send of one that did, by its own clock. */
  landedAt: number;
  claimedAt: number;
  sentLocal: number;
  /** The send, in true time, of the last that came true. */
  sentTime: number;
  /** An administrator freed the lock from it. */
  forced: boolean;
  /** Its Lease was deleted under it, and it has written nothing since. */
  deleted: boolean;
  /** Those of whom that was so when this one claimed: it need not know of them. */
  over: ReadonlySet<string>;
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
  /** Its ticket, as it was last shown it. */
  ticket: number | undefined;
  /** When it was shown another ticket than before. */
  ticketAt: number;
  missingSince: number | undefined;
  /** When it was first shown that it stands near enough to the front to keep a watch. */
  watchesSince: number;
}

export interface Facts {
  readonly options: CheckerOptions;
  readonly holds: Map<string, Hold>;
  readonly running: Map<string, Author>;
  readonly waiting: Map<string, Waiting>;
  /** Who has left the lock taken, and when. */
  readonly kept: Map<string, number>;
  /** Who knows that it has lost the lock. */
  readonly lost: Set<string>;
  readonly sights: Sights;
  readonly conditions: Conditions;
  readonly ghosts: Ghosts;
  /** Those whose entries somebody else has put back with a deleted Lease, and as which version: they may be gone. */
  readonly putBack: Map<string, number>;
  /** Since when each entry of a waiter stands in the Lease. */
  readonly standing: Map<string, number>;
  doc: Doc | undefined;
  /** As it was when it was last deleted. */
  deleted: Doc | undefined;
  /** When the last holder was taken out of the spec. */
  freedAt: number;
  /** When a holder last showed itself, came or went. */
  changedAt: number;
  deletedAt: number;
  /** When etcd last came from a backup. */
  restoredAt: number;
  /** For whom, the first of those that live, there is room beside the holders, and since when. */
  roomFor: { nonce: string; transitions: number | undefined; since: number } | undefined;
  lastArrivalAt: number;
  /** When somebody last left the queue of his own accord. */
  leftAt: number;
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
  /** To whom the lock was handed by it. */
  handed: readonly Entry[];
  to?: Author | undefined;
}

/** One that left a Lease. */
export interface LandedWrite extends Landed {
  after: Doc;
}

/** A live waiter without trouble reads the Lease at least this often. */
export const POLL_MS = 75_000;
export const CLAIM_WINDOW_MS = 2000;
export const WATCHED_PLACES = 20;

export function newFacts(options: CheckerOptions, violate: Facts['violate']): Facts {
  return {
    options,
    holds: new Map(),
    ghosts: newGhosts(),
    running: new Map(),
    kept: new Map(),
    lost: new Set(),
    waiting: new Map(),
    sights: newSights(),
    conditions: newConditions(),
    putBack: new Map(),
    standing: new Map(),
    doc: undefined,
    deleted: undefined,
    freedAt: 0,
    changedAt: 0,
    deletedAt: Number.NEGATIVE_INFINITY,
    restoredAt: Number.NEGATIVE_INFINITY,
    roomFor: undefined,
    lastArrivalAt: 0,
    leftAt: Number.NEGATIVE_INFINITY,
    violate,
  };
}

/** Changes whenever a holder writes, comes or goes. What is written into the spec of a free lock starts no window anew. */
const signOfLife = (doc: Doc | undefined) =>
  doc && isFree(doc) ? 'free' : JSON.stringify([doc?.named, doc?.holders, doc?.lease.spec?.renewTime]);

/** Nobody has it, whatever else is in the document. Who holds without a name says for how long, and who releases says one second. */
export const isFree = (doc: Doc): boolean =>
  doc.named === '' && holderKeys(doc).length === 0 && !((doc.lease.spec?.leaseDurationSeconds ?? 0) > 1);

/** When things last changed, for what is judged from now on. */
export function date(facts: Facts, at: number, { author, kind, before, after, sent }: Landed): void {
  facts.doc = after;
  if (!after) {
    facts.deletedAt = at;
    facts.deleted = before ?? facts.deleted;
    facts.changedAt = at;
    facts.standing.clear();
    return;
  }
  for (const entry of [...after.waiters, ...after.holders]) {
    const own = entry.nonce === author.nonce;
    // As has an old write of its own, that was sent before the deletion.
    const late = sent !== undefined && sent.time < facts.deletedAt;
    if (!before && (!own || late)) facts.putBack.set(entry.nonce, after.version);
    else if (own) facts.putBack.delete(entry.nonce);
  }
  const keys = new Set(after.waiters.map(({ key }) => key));
  for (const key of facts.standing.keys()) if (!keys.has(key)) facts.standing.delete(key);
  for (const key of keys) if (!facts.standing.has(key)) facts.standing.set(key, at);
  if (kind === 'enqueue') facts.lastArrivalAt = at;
  if (
    kind === 'leave' ||
    (kind === 'enqueue' && before?.waiters.some(({ key, nonce }) => nonce !== author.nonce && !keys.has(key)))
  )
    facts.leftAt = at;
  if (signOfLife(before) !== signOfLife(after)) facts.changedAt = at;
  if (after.named === '' && before?.named !== '') facts.freedAt = at;
}

/** Two that may stand beside each other. */
export const mayStandTogether = (one: Pick<Hold, 'weight'>, other: Pick<Hold, 'weight'>): boolean =>
  one.weight !== undefined && other.weight !== undefined;

export const tellsOf = (doc: Doc, hold: Hold): boolean => doc.holders.some(({ nonce }) => nonce === hold.author.nonce);

/** There may be no room for one more waiter. */
export const isFull = ({ annotations }: Doc): boolean =>
  Object.entries(annotations).reduce((sum, [name, text]) => sum + name.length + text.length, 0) > FULL_BYTES;
const FULL_BYTES = 198_000;

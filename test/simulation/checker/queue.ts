/** Those who wait: in which order they are served, how soon, and with which ticket. Invariants 3, 4 and 5 of docs/protocol.md. */
import { type Doc, docOf, type Entry, isAhead } from '../document.ts';
import type { Author, Occurrence } from '../history.ts';
import { agesUnseen, priorityIn } from './ageing.ts';
import {
  CLAIM_WINDOW_MS,
  type Facts,
  type Hold,
  isFree,
  type LandedWrite,
  tellsOf,
  WATCHED_PLACES,
  type Waiting,
} from './facts.ts';
import { grantMs } from './grants.ts';
import { isOlder } from './groups.ts';
import { holderKeys } from './writes.ts';

/** Trouble may have left something behind (a pause before the next try) for so long. */
const AFTERMATH_MS = 8000;
/** Until everybody who is punctual has learned of a change, and has acted on it. */
const NEWS_MS = 500;

export function judgeQueue(facts: Facts, at: number, write: LandedWrite): void {
  const { kind, author, after } = write;
  if (kind === 'claim') {
    const mine = after.holders.find(({ nonce }) => nonce === author.nonce);
    if (!mine || !write.before || agesUnseen(write.before, author)) return;
    const place = { priority: priorityIn(write.before, author), ticket: mine.ticket, came: mine.came, nonce: author.nonce };
    const claim = { author, before: write.before, place };
    order(facts, at, claim);
    windows(facts, at, claim);
    pace(facts, at, claim);
  }
  if (kind === 'enqueue') ticket(facts, at, write);
}

interface Claim {
  author: Author;
  before: Doc;
  place: { priority: number; ticket: number; came: number; nonce: string };
}

/** Invariant 3. */
function order(facts: Facts, at: number, claim: Claim): void {
  const { author, before, place } = claim;
  const queue = before.waiters.filter((entry) => entry.nonce !== author.nonce).sort((a, b) => (isAhead(a, b) ? -1 : 1));
  const windows = queue.filter((entry) => isAhead(entry, place)).length;
  // Who leaves a free lock moves all behind him up by a window at once: two of them may then be entitled in the same moment.
  if (at < facts.leftAt + NEWS_MS) return;
  for (const [index, entry] of queue.entries()) {
    const other = facts.waiting.get(entry.nonce);
    if (!isAhead(entry, place) || entry.priority !== place.priority || index >= WATCHED_PLACES) continue;
    if (isOlder(entry, author, place.came)) continue;
    if (!other?.patient || !wasPunctual(facts, other, at)) continue;
    if (!couldClaim(facts, { at, passed: other.author, by: author, windows }, before)) continue;
    violateOrder(facts, at, claim, { entry, other });
  }
}

function violateOrder(
  { violate }: Facts,
  at: number,
  { author, place }: Claim,
  { entry, other }: { entry: Entry; other: Waiting },
): void {
  violate(
    at,
    'nobody is overtaken',
    `${author.name} (ticket ${place.ticket}) passed over ${other.author.name} (ticket ${entry.ticket}), who was punctual`,
  );
}

/** Nothing has kept it from seeing in time what the lock is like now, and from doing something about it. */
const wasPunctual = ({ changedAt }: Facts, { troubles, troubledAt, since, watchesSince }: Waiting, at: number): boolean =>
  (watchesSince < changedAt || watchesSince < since + 1000) &&
  troubles.size === 0 &&
  since < at - 1000 &&
  (troubledAt === since || troubledAt < Math.min(changedAt, at - AFTERMATH_MS));

interface Passing {
  at: number;
  passed: Author;
  by: Author;
  /** How many were passed over. */
  windows: number;
}

/** Whoever was passed over knew as early as the other that nobody who holds it lives. */
function couldClaim(facts: Facts, passing: Passing, before: Doc): boolean {
  if (holderKeys(before).length > before.holders.length) return false;
  // Of a holder that states no time that could be meant, each believes what it would take itself.
  const { passed, by } = passing;
  if (passed.durationMs > by.durationMs && before.holders.some((entry) => !entry.durationMs)) return false;
  // Who knows of a holder in a deleted Lease waits for it, and others need not know.
  const nobodySince = passing.at - passing.windows * CLAIM_WINDOW_MS * 1.03;
  if (nobodySince < facts.ghosts.honouredUntil(passing.passed)) return false;
  if (isFree(before)) return !facts.options.stampsLie;
  // What was left taken is free for each by when he saw that it was left.
  const late = before.holders.some(({ nonce, ended }) => {
    const his = facts.sights.of(passing.passed, { nonce });
    return ended && (his === undefined || his.at > (facts.kept.get(nonce) ?? 0) + 1000);
  });
  if (late) return false;
  const dead = [...facts.holds.values()].filter(
    (hold) => hold.author.nonce !== passing.by.nonce && (hold.author.id === before.named || tellsOf(before, hold)),
  );
  return !facts.options.drift && dead.every((hold) => sawAsEarly(facts, passing, hold));
}

/** Whoever saw the last sign of life later believes in it for longer. */
function sawAsEarly({ sights, options }: Facts, { at, passed, by, windows }: Passing, dead: Hold): boolean {
  const his = sights.of(passed, dead.author);
  const mine = sights.of(by, dead.author);
  // By a server's clock, and not by having watched it for its duration.
  const watchedMs = dead.durationMs + Math.max(2000, dead.durationMs / 10) + windows * CLAIM_WINDOW_MS;
  if (options.skew && mine && at < mine.at + watchedMs * 0.99) return false;
  return his !== undefined && mine !== undefined && his.text === mine.text && his.at <= mine.at + 1000;
}

/** Whoever stands before another has a window of its own from when it stands there, even if it came back only now. */
function windows({ standing, conditions, options, violate }: Facts, at: number, { author, before, place }: Claim): void {
  if (options.stampsLie) return;
  for (const entry of before.waiters) {
    const since = standing.get(entry.key) ?? at;
    const stoodMs = at - since;
    // Whose watch is troubled may not have seen that it was gone.
    if (conditions.hinderedAt(author, at, ['watch', 'process', 'request']) >= since) continue;
    if (
      entry.nonce === author.nonce ||
      !isAhead(entry, place) ||
      isOlder(entry, author, place.came) ||
      stoodMs >= CLAIM_WINDOW_MS * 0.95
    )
      continue;
    violate(
      at,
      'who came back has its window',
      `${author.name} passed over ${entry.key}, which stood there for ${stoodMs.toFixed(0)} ms`,
    );
  }
}

/** Invariant 4, to the second, where nothing but vanishing participants gets in the way. */
function pace(facts: Facts, at: number, { author, before, place }: Claim): void {
  const { options, waiting, freedAt, changedAt, lastArrivalAt, violate } = facts;
  const me = waiting.get(author.nonce);
  // Who saw the lock handed to one that is dead waits for no more than a grant; newcomers don't know how old that is.
  const granted = before.holders.find((entry) => entry.granted);
  const waited = granted !== undefined && me !== undefined && me.watchesSince < changedAt;
  if (!options.gentle || !me || !(isFree(before) || waited)) return;
  const ahead = before.waiters.filter((entry) => isAhead(entry, place)).length;
  const graceMs = granted ? grantMs(granted.durationMs) + 2000 : 0;
  const since = Math.max(granted ? changedAt : freedAt, lastArrivalAt, me.since);
  if (at - since <= (graceMs + ahead * CLAIM_WINDOW_MS) * 1.05 + 1000) return;
  violate(
    at,
    'a free lock is claimed in time',
    `${author.name} claimed only ${((at - since) / 1000).toFixed(1)}s after it could, with ${ahead} ahead`,
  );
}

/** Being slow costs a turn, never a place. */
function ticket({ waiting, sights, violate }: Facts, at: number, { author, after, sent }: LandedWrite): void {
  const me = waiting.get(author.nonce);
  if (me) me.missingSince = undefined;
  const entry = after.waiters.find(({ nonce }) => nonce === author.nonce);
  // A claim of its own that came true unnoticed, and was contradicted since, stands under the ticket that it had then.
  const contradicted = sights.newest(author)?.doc.holders.find(({ nonce }) => nonce === author.nonce);
  if (contradicted && contradicted.ticket === entry?.ticket) return;
  // An old write may land late, over a Lease that was deleted.
  const knew = me !== undefined && me.ticketAt <= (sent?.time ?? at);
  if (knew && me.ticket !== undefined && entry && entry.ticket !== me.ticket) {
    violate(at, 'nobody is lost', `${author.name} had ticket ${me.ticket} and now stands in the queue with ${entry.ticket}`);
  }
}

/** What happens to those who wait, taken in. */
export function follow({ waiting }: Facts, at: number, event: Occurrence): void {
  const { author } = event;
  const me = waiting.get(author.nonce);
  switch (event.type) {
    case 'queued':
      waiting.set(author.nonce, newWaiting(at, author, event.patient));
      return;
    case 'unqueued':
      waiting.delete(author.nonce);
      return;
    case 'troubled':
      if (!me) return;
      me.troubledAt = at;
      if (event.source !== 'watch') me.hinderedAt = at;
      if (event.lasting) me.troubles.add(event.source);
      else me.troubles.delete(event.source);
      return;
    case 'shown': {
      if (!me || !event.lease) return;
      const { waiters } = docOf(event.lease);
      const mine = waiters.find(({ nonce }) => nonce === author.nonce);
      if (!mine) return;
      // After a deletion, an older document may be put back, with an older ticket: the last one that it was shown is its own.
      if (me.ticket !== mine.ticket) me.ticketAt = at;
      me.ticket = mine.ticket;
      const place = waiters.filter((entry) => isAhead(entry, mine)).length;
      me.watchesSince = place < WATCHED_PLACES ? Math.min(me.watchesSince, at) : Number.POSITIVE_INFINITY;
      return;
    }
    default:
      return;
  }
}

const newWaiting = (at: number, author: Author, patient: boolean): Waiting => ({
  author,
  patient,
  since: at,
  troubledAt: at,
  hinderedAt: at,
  troubles: new Set(),
  ticket: undefined,
  ticketAt: at,
  missingSince: undefined,
  watchesSince: Number.POSITIVE_INFINITY,
});

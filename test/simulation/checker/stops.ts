/** A living holder that is asked to stop ends its hold: it learns of it in time, and then its command may take its grace, and no more. */
import { type Doc, docOf } from '../document.ts';
import type { Author, Occurrence } from '../history.ts';
import { inTrueMs, learnsWithinMs } from './delays.ts';
import type { Facts, Landed } from './facts.ts';

export interface Stops {
  landed(at: number, write: Landed): void;
  shown(at: number, event: Occurrence & { type: 'shown' }): void;
  started(at: number, event: Occurrence & { type: 'started' }): void;
  stopping(at: number, event: Occurrence & { type: 'stopping' }): void;
  ended(at: number, author: Author): void;
  /** Who knows that it has lost owes nothing but its command's end, which is judged elsewhere. */
  lost(author: Author): void;
  sweep(at: number): void;
}

/** Since when the request stands in the Lease, and since when the holder has been shown it. */
interface Asked {
  since: number;
  shownAt: number | undefined;
}

export function newStops(facts: Facts): Stops {
  const { running, holds, lost, sights, violate } = facts;
  const asked = new Map<string, Asked>();
  /** Who claimed while somebody in the queue wanted it replaced, or was shown a request before it knew of its claim. */
  const askedBefore = new Set<string>();
  return {
    landed(at, { author, kind, after }) {
      // A claim, or the write that confirms one.
      const claimed = kind === 'claim' || !running.has(author.nonce) ? holds.get(author.nonce) : undefined;
      if (after && claimed && asksToStop(after, author, claimed.key)) askedBefore.add(author.nonce);
      for (const { nonce } of running.values()) {
        const hold = holds.get(nonce);
        if (hold?.author.kind !== 'ours' || lost.has(nonce)) continue;
        if (!after || !asksToStop(after, hold.author, hold.key)) {
          if (asked.get(nonce)?.shownAt === undefined) asked.delete(nonce);
        } else if (!asked.has(nonce)) asked.set(nonce, { since: at, shownAt: undefined });
      }
    },
    shown(at, { author, lease }) {
      const { nonce } = author;
      const hold = holds.get(nonce);
      if (!lease || !hold || lost.has(nonce) || !asksToStop(docOf(lease), author, hold.key)) return;
      const request = asked.get(nonce);
      if (!running.has(nonce)) askedBefore.add(nonce);
      else if (request?.shownAt === undefined) asked.set(nonce, { since: request?.since ?? at, shownAt: at });
    },
    /** Somebody who wants it replaced may have been in the queue when it claimed. */
    started(at, { author }) {
      const hold = holds.get(author.nonce);
      const seen = sights.newest(author)?.doc;
      if (hold && seen && asksToStop(seen, author, hold.key)) asked.set(author.nonce, { since: at, shownAt: at });
    },
    stopping(at, { author, kind }) {
      const hold = holds.get(author.nonce);
      const seen = sights.newest(author)?.doc;
      if (hold && seen && !asked.has(author.nonce) && !askedBefore.has(author.nonce) && !asksToStop(seen, author, hold.key))
        violate(at, 'only who is asked stops', `${author.name} stops (${kind}), and nobody has asked it to`);
    },
    ended(at, author) {
      overdue(facts, at, author, asked.get(author.nonce));
      asked.delete(author.nonce);
    },
    lost: ({ nonce }) => void asked.delete(nonce),
    sweep(at) {
      for (const author of running.values()) overdue(facts, at, author, asked.get(author.nonce));
    },
  };
}

function overdue({ conditions, violate }: Facts, at: number, author: Author, request: Asked | undefined): void {
  const { times } = author;
  if (!request || !times) return;
  if (request.shownAt !== undefined) {
    const free = conditions.hinderedAt(author, at, ['process']);
    const late = at - Math.max(request.shownAt, free) - inTrueMs(times.killBudgetMs);
    if (late > 0)
      violate(at, 'a stop request ends the hold', `${author.name} runs ${late.toFixed(0)} ms longer than its grace allows`);
  } else if (conditions.hinderedAt(author, at, ['process', 'request']) < request.since) {
    const late = at - request.since - learnsWithinMs(times);
    if (late > 0) violate(at, 'a stop request ends the hold', `${author.name} has not looked for ${late.toFixed(0)} ms too long`);
  }
}

function asksToStop(doc: Doc, { id, nonce, policies }: Author, key: string): boolean {
  const { lock, lease, waiters, holders } = doc;
  const { holder } = (lock.stop ?? {}) as { holder?: unknown };
  const came = holders.find((entry) => entry.key === key)?.came ?? Number.POSITIVE_INFINITY;
  if (!policies?.declines && waiters.some((entry) => entry.replaces && entry.came > came && entry.nonce !== nonce)) return true;
  return holder === key || holder === id || Boolean(lease.spec?.strategy || lease.spec?.preferredHolder);
}

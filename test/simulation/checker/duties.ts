/**
 * What a living holder owes: it ends when it is asked to, puts back a Lease that was deleted under it, and keeps what it could have renewed. Each
 * within the time that its own lease allows, as long as nothing hinders it.
 */
import type { Timings } from '../../../src/protocol/timings.ts';
import { type Doc, docOf } from '../document.ts';
import type { Author, Occurrence } from '../history.ts';
import { type Facts, type Landed, tellsOf } from './facts.ts';

export interface Duties {
  landed(at: number, write: Landed): void;
  shown(at: number, event: Occurrence & { type: 'shown' }): void;
  ended(at: number, author: Author): void;
  lost(at: number, event: Occurrence & { type: 'lost' }): void;
  sweep(at: number): void;
}

/** Clocks that run at other rates, timers that are late, and answers on their way. */
const inTrueMs = (localMs: number): number => localMs * 1.03 + 500;
/** A renewal comes at least so often, and what it collides with is read. */
const learnsWithinMs = ({ renewEveryMs, requestTimeoutMs }: Timings): number => inTrueMs(renewEveryMs + 2 * requestTimeoutMs);
/** With a watch that works. */
const WATCHES_WITHIN_MS = 1500;

export function newDuties(facts: Facts): Duties {
  const { running, holds, conditions, violate } = facts;
  /** Asked to stop: since when the request stands in the Lease, and since when the holder has been shown it. */
  const asked = new Map<string, { since: number; shownAt: number | undefined }>();
  /** Holders of a Lease that was deleted, and is not there again. */
  const bereft = new Map<string, number>();
  /** Who knows that he has lost it owes nothing but his command's end, which is judged elsewhere. */
  const lost = new Set<string>();

  function landed(at: number, { before, after }: Landed): void {
    if (after) bereft.clear();
    for (const { nonce } of running.values()) {
      const hold = holds.get(nonce);
      if (hold?.author.kind !== 'ours' || lost.has(nonce)) continue;
      if (!after && before?.named === hold.author.id && tellsOf(before, hold) && !hold.forced) bereft.set(nonce, at);
      if (!after || !asksToStop(after, hold.author, hold.key)) {
        if (asked.get(nonce)?.shownAt === undefined) asked.delete(nonce);
      } else if (!asked.has(nonce)) asked.set(nonce, { since: at, shownAt: undefined });
    }
  }

  /** A command that was asked to stop may take its grace, and has to be seen to end. */
  function overdue(at: number, author: Author): void {
    const request = asked.get(author.nonce);
    const { times } = author;
    if (!request || !times) return;
    const free = conditions.hinderedAt(author, at, ['process']);
    if (request.shownAt !== undefined) {
      const late = at - Math.max(request.shownAt, free) - inTrueMs(times.killBudgetMs);
      if (late > 0)
        violate(at, 'a stop request ends the hold', `${author.name} runs ${late.toFixed(0)} ms longer than its grace allows`);
    } else if (conditions.hinderedAt(author, at, ['process', 'request']) < request.since) {
      const late = at - request.since - learnsWithinMs(times);
      if (late > 0)
        violate(at, 'a stop request ends the hold', `${author.name} has not looked for ${late.toFixed(0)} ms too long`);
    }
  }

  function absent(at: number, author: Author, since: number): void {
    if (!author.times || conditions.hinderedAt(author, at, ['process', 'request']) >= since - author.times.requestTimeoutMs)
      return;
    const watches = conditions.hinderedAt(author, at, ['watch']) < since - WATCHES_WITHIN_MS;
    const late = at - since - (watches ? WATCHES_WITHIN_MS : learnsWithinMs(author.times));
    if (late <= 0) return;
    violate(
      at,
      'a holder puts its Lease back',
      `${author.name} holds, and its Lease is gone for ${((at - since) / 1000).toFixed(1)}s`,
    );
  }

  return {
    landed,
    shown(at, { author, lease }) {
      const hold = holds.get(author.nonce);
      if (!lease || !hold || lost.has(author.nonce) || !running.has(author.nonce) || !asksToStop(docOf(lease), author, hold.key))
        return;
      const request = asked.get(author.nonce);
      if (request?.shownAt === undefined) asked.set(author.nonce, { since: request?.since ?? at, shownAt: at });
    },
    ended(at, author) {
      overdue(at, author);
      asked.delete(author.nonce);
      bereft.delete(author.nonce);
    },
    lost(at, event) {
      bereft.delete(event.author.nonce);
      asked.delete(event.author.nonce);
      lost.add(event.author.nonce);
      groundless(facts, at, event);
      needless(facts, at, event);
    },
    sweep(at) {
      for (const author of running.values()) overdue(at, author);
      for (const [nonce, since] of bereft) {
        const author = running.get(nonce);
        if (author) absent(at, author, since);
      }
    },
  };
}

/** Whoever is told that it has lost the lock has run out of time, or has been shown a Lease in which the lock is not its own. */
function groundless({ sights, holds, violate }: Facts, at: number, { author, reason }: Occurrence & { type: 'lost' }): void {
  const hold = holds.get(author.nonce);
  const newest = sights.newest(author);
  if (!hold || !newest || /could not be renewed|clock has leapt|version 2/.test(reason)) return;
  const { named, holders } = newest.doc;
  if (named === author.id && holders.some(({ key }) => key === hold.key))
    violate(at, 'nothing is lost for no reason', `${author.name} gave up what it was shown to hold: ${reason}`);
}

/** Where the network has been good for as long as one lost request, a pause and two more take, a renewal succeeds. */
function needless(
  { conditions, violate }: Facts,
  at: number,
  { author, reason, calmForMs }: Occurrence & { type: 'lost' },
): void {
  const doubted = reason.includes('clock has leapt');
  if (!author.times || (!doubted && !reason.startsWith('it could not be renewed'))) return;
  const { requestTimeoutMs, renewEveryMs } = author.times;
  // A leap that only its boot clock has seen costs it one confirmation.
  const neededMs = inTrueMs(doubted ? 2 * requestTimeoutMs : requestTimeoutMs + renewEveryMs / 2);
  const hindered = conditions.hinderedAt(author, at, doubted ? ['process'] : ['process', 'clock']) > at - neededMs;
  if (hindered || calmForMs === undefined || calmForMs < neededMs) return;
  violate(
    at,
    'what can be renewed is not lost',
    `${author.name} lost it after ${(calmForMs / 1000).toFixed(1)}s of good network: ${reason}`,
  );
}

function asksToStop({ lock, lease }: Doc, { id }: Author, key: string): boolean {
  const { holder } = (lock.stop ?? {}) as { holder?: unknown };
  return holder === key || holder === id || Boolean(lease.spec?.strategy || lease.spec?.preferredHolder);
}

/** The lock stays taken for the time that was asked for, however short the work was, and no longer. */
import { type Doc, isAgreed } from '../document.ts';
import type { Author, Occurrence } from '../history.ts';
import type { Facts, Landed, LandedWrite } from './facts.ts';

export interface Kept {
  landed(at: number, write: Landed): void;
  queued(at: number, event: Occurrence & { type: 'queued' }): void;
  unqueued(at: number, event: Occurrence & { type: 'unqueued' }): void;
  started(at: number, event: Occurrence & { type: 'started' }): void;
  /** It was asked to stop. */
  stopping(at: number, event: Occurrence & { type: 'stopping' }): void;
}

/** Clocks differ, and stamps are whole seconds. */
const SLACK_MS = 1500;

/** A lock that has been left taken, and until when. */
interface Left {
  by: Author;
  from: number;
  forMs: number;
}

export function newKept(facts: Facts): Kept {
  const { conditions, options, violate } = facts;
  // It is no promise of safety, and goes by the clocks of API servers that may differ.
  const clocksAgree = !options.skew && !options.drift;
  const startedAt = new Map<string, number>();
  const asked = new Set<string>();
  const came = new Map<string, number>();
  let left: Left | undefined;
  return {
    landed(at, { after, ...write }) {
      const { author, kind } = write;
      if (
        clocksAgree &&
        kind === 'claim' &&
        left &&
        left.by.nonce !== author.nonce &&
        !tells(after, left.by) &&
        at < left.from + left.forMs * 0.97 - SLACK_MS
      )
        violate(at, 'a lock stays taken as long as was asked for', `${author.name} claimed what ${left.by.name} has left taken`);
      // A client of another kind heeds the spec alone, and whom it takes the lock from keeps nothing.
      const cleared = after !== undefined && kind === undefined && !isAgreed(after);
      if (!after || cleared || (kind === 'claim' && !tells(after, left?.by))) left = undefined;
      else if (kind === 'keep' || kind === 'release') {
        const since = asked.has(author.nonce) ? undefined : startedAt.get(author.nonce);
        left = leaving(facts, at, { ...write, after }, since);
      }
    },
    queued: (at, { author }) => void came.set(author.nonce, at),
    unqueued(at, { author, outcome, patient }) {
      const since = came.get(author.nonce) ?? 0;
      if (!clocksAgree || outcome !== 'busy' || patient || !left || facts.doc?.waiters.length !== 0) return;
      // Others hold it beside or after that.
      if (facts.doc.named !== left.by.id || facts.doc.holders.some(({ nonce }) => nonce !== left?.by.nonce)) return;
      if (since < left.from + left.forMs * 1.03 + 2000 + 2 * SLACK_MS) return;
      if (conditions.hinderedAt(author, at, ['process', 'request']) >= since) return;
      violate(
        at,
        'a lock stays taken no longer than was asked for',
        `${author.name} was told busy, of what ${left.by.name} had left`,
      );
    },
    started: (at, { author }) => void startedAt.set(author.nonce, at),
    stopping: (_, { author }) => void asked.add(author.nonce),
  };
}

const tells = (doc: Doc | undefined, by: Author | undefined): boolean =>
  doc?.holders.some(({ nonce }) => nonce === by?.nonce) ?? false;

/** `since`: when it started; undefined if nothing is to be kept. */
function leaving(
  { lost, options, violate }: Facts,
  at: number,
  { author, kind, after, sent }: LandedWrite,
  since: number | undefined,
): Left | undefined {
  const { minHoldMs = 0 } = author.policies ?? {};
  const mostMs = since === undefined ? 0 : Math.max(0, since + minHoldMs - (sent?.time ?? at));
  // Who has lost it may find nothing that it could leave.
  const leastMs = lost.has(author.nonce) ? 0 : mostMs;
  // The clock that it has gone by since it started.
  const driftMs = options.drift ? 0.02 * minHoldMs : 0;
  const forMs = kind === 'keep' ? (after.holders.find(({ nonce }) => nonce === author.nonce)?.durationMs ?? 0) : 0;
  if (forMs < leastMs * 0.97 - SLACK_MS - driftMs || forMs > mostMs * 1.03 + 2 * SLACK_MS + driftMs)
    violate(
      at,
      'a lock stays taken as long as was asked for',
      `${author.name} leaves it for ${forMs} ms in place of ${mostMs.toFixed(0)}`,
    );
  return kind === 'keep' ? { by: author, from: at, forMs } : undefined;
}

/** The protected intervals: from just before a command's first process until its last one is reaped. Invariants 1 and 2 of docs/protocol.md. */
import type { Author, Occurrence } from '../history.ts';
import { type Facts, type Hold, mayStandTogether } from './facts.ts';
import { isExcused, standingMs } from './holds.ts';

export interface Intervals {
  started(at: number, event: Occurrence & { type: 'started' }): void;
  ended(at: number, event: Occurrence & { type: 'ended' }): void;
  /** Tokens begin anew. */
  reset(): void;
  readonly starts: number;
}

export function newIntervals(facts: Facts): Intervals {
  const { holds, running, violate } = facts;
  let starts = 0;
  let newest: number | undefined;
  let newestAlone: number | undefined;
  /** Its Lease was deleted, or taken by force, before it knew of its claim: another may have claimed meanwhile. */
  const belated = (nonce: string) => {
    const hold = holds.get(nonce);
    return hold !== undefined && (hold.forced || hold.deleted);
  };

  function tokenGrows(at: number, { nonce, name }: Author, token: string): void {
    const value = Number(token);
    // Of those that share it, who claimed first may start last.
    const alone = holds.get(nonce)?.weight === undefined;
    const before = alone ? newest : newestAlone;
    if (before && value <= before && !belated(nonce)) violate(at, 'tokens grow', `${name} got token ${token} after ${before}`);
    newest = Math.max(value, newest ?? 0);
    if (alone) newestAlone = newest;
  }

  return {
    get starts() {
      return starts;
    },
    reset() {
      newest = undefined;
      newestAlone = undefined;
    },
    started(at, { author, token }) {
      starts += 1;
      alone(facts, at, author);
      running.set(author.nonce, author);
      if (author.kind !== 'ours') return;
      if (!holds.has(author.nonce))
        violate(at, 'nothing starts without the lock', `${author.name} started and no claim of it stands`);
      tokenGrows(at, author, token);
    },
    ended(at, { author, clock }) {
      running.delete(author.nonce);
      if (author.kind === 'ours') inTime(facts, at, author, clock);
    },
  };
}

function alone(facts: Facts, at: number, author: Author): void {
  const { holds, running, violate } = facts;
  const mine = holds.get(author.nonce);
  const weightOf = ({ weight = 1 }: Hold) => Math.min(weight, mine?.permits ?? 1);
  let taken = mine ? weightOf(mine) : 0;
  for (const other of running.values()) {
    const hold = holds.get(other.nonce);
    if (!hold && other.kind === 'ours')
      violate(at, 'one at a time', `${author.name} started while ${other.name} runs, whose hold is gone`);
    else if (hold && mine && !mayOverlap(facts, at, [hold, mine])) {
      if (mayStandTogether(hold, mine)) taken += weightOf(hold);
      else violate(at, 'one at a time', `${author.name} started while ${other.name} still runs`);
    }
  }
  if (mine?.weight !== undefined && taken > mine.permits)
    violate(at, 'permits are never exceeded', `${author.name} started, and now ${taken} of ${mine.permits} permits are taken`);
}

/** Invariant 1, and all that is not promised. */
function mayOverlap(facts: Facts, at: number, [one, other]: [Hold, Hold]): boolean {
  const [earlier, later] = one.claimVersion <= other.claimVersion ? [one, other] : [other, one];
  if (isExcused(facts, earlier, later)) return true;
  if (facts.options.stampsLie && later.claimedAt - earlier.landedAt > standingMs(earlier)) return true;
  if (earlier.author.kind !== 'ours') {
    // A foreign client that goes on after its own time, or that was cleared by another: nobody can know.
    return later.author.kind !== 'ours' || earlier.cleared || at >= earlier.landedAt + earlier.durationMs;
  }
  // It heeds the spec alone: whoever else has cleared that, has let it in. The one under whom it happened stops in time all the same.
  return later.author.kind !== 'ours' && (earlier.cleared || later.over.has(earlier.author.nonce));
}

function inTime({ holds, violate }: Facts, at: number, { nonce, name }: Author, clock: number): void {
  const hold = holds.get(nonce);
  if (!hold) {
    violate(at, 'nothing is let go while it runs', `${name}'s command ended after its hold was given up`);
    return;
  }
  // The holder's own margin is for clocks that run at another rate than its own: by true time, too, it must be over.
  const late = at - hold.sentTime - hold.durationMs;
  if (late > 0) violate(at, 'no command outlives its lock', `${name}'s ended ${late.toFixed(0)} ms after its lock, in true time`);
  const over = clock - hold.sentLocal - hold.durationMs;
  if (!hold.granted && over > 0)
    violate(at, 'no command outlives its lock', `${name}'s ended ${over.toFixed(0)} ms after its lock, by its own clock`);
}

/** What a participant may say it has lost: nothing where nothing went wrong, nothing for no reason, nothing that could have been kept. */
import { isAgreed } from '../document.ts';
import type { Occurrence } from '../history.ts';
import { inTrueMs } from './delays.ts';
import type { Facts } from './facts.ts';

/** In a run in which nothing goes wrong but participants that vanish, nobody fails. */
export function judgeFailure(
  { options, violate }: Facts,
  at: number,
  { author, outcome }: Occurrence & { type: 'unqueued' },
): void {
  if (options.gentle && /^unreachable/.test(outcome)) violate(at, 'no needless failure', `${author.name}: ${outcome}`);
}

export function judgeLoss(facts: Facts, at: number, event: Occurrence & { type: 'lost' }): void {
  const { author, reason } = event;
  if (facts.options.gentle) facts.violate(at, 'no needless failure', `${author.name} lost the lock: ${reason}`);
  groundless(facts, at, event);
  needless(facts, at, event);
}

/** Whoever is told that it has lost the lock has run out of time, or has been shown a Lease in which the lock is not its own. */
function groundless({ sights, holds, violate }: Facts, at: number, { author, reason }: Occurrence & { type: 'lost' }): void {
  const hold = holds.get(author.nonce);
  const newest = sights.newest(author);
  if (!hold || !newest || /could not be renewed|clock has leapt|version 2/.test(reason)) return;
  const { named, holders } = newest.doc;
  if ((named === author.id || isAgreed(newest.doc)) && holders.some(({ key }) => key === hold.key))
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

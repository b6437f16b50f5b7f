/**
 * Who may hold the lock beside whom. Those that share it have a weight, and together take at most the permits of the lock; everybody else needs it alone.
 * Pure. For people: docs/policies.md.
 */
import type { Steady } from '../clock.ts';
import type { Holder } from './lock-state.ts';

/** A holder that may still be running, and until when. */
export interface Stay {
  holder: Holder;
  until: Steady;
}

/** Of a client of another kind nothing is known, and whoever was cleared is on its way out: nobody stands beside either. */
export const isShared = ({ standing, weight }: Holder): boolean => standing === 'holds' && weight !== undefined;

/** More than there are means all of them: their number may have been lowered since. */
const taken = (weight: number, permits: number): number => Math.min(weight, permits);

/** How many permits those that share the lock take together. */
export const permitsTaken = (holders: readonly Holder[]): number =>
  holders.filter(isShared).reduce((sum, { weight = 0 }) => sum + weight, 0);

/** For people. */
export const describePermits = (permits: number | undefined): string => (permits === 1 ? '1 permit' : `${permits} permits`);

/** From when on there is room for somebody of this weight, if nobody else comes; minus infinity if there is room anyway. */
export function roomAt(stays: readonly Stay[], weight: number | undefined, permits = Number.POSITIVE_INFINITY): Steady {
  const alone = stays.filter(({ holder }) => weight === undefined || !isShared(holder));
  let room = Math.max(Number.NEGATIVE_INFINITY, ...alone.map(({ until }) => until));
  if (weight === undefined) return room as Steady;
  // Those that stay longest first: the first that leaves no room has to go, and those after it are gone by then.
  let left = permits - taken(weight, permits);
  const beside = stays.filter(({ holder }) => isShared(holder)).toSorted((a, b) => b.until - a.until);
  for (const { holder, until } of beside) {
    left -= taken(holder.weight ?? permits, permits);
    if (left < 0) {
      room = Math.max(room, until);
      break;
    }
  }
  return room as Steady;
}

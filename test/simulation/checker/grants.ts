/** A lock is handed to the first in line, to nobody else, and only to whom it may be handed. */
import { type Doc, type Entry, isAhead } from '../document.ts';
import type { Author } from '../history.ts';
import type { Facts, LandedWrite } from './facts.ts';

/** For how long it is then his, before he has written himself. */
export const grantMs = (durationMs: number): number => Math.min(10_000, durationMs);

export function judgeGrant({ violate }: Facts, at: number, { author, before, handed }: LandedWrite): void {
  if (handed.length > 1)
    violate(at, 'a lock is handed to one', `${author.name} handed it to ${handed.map(({ key }) => key).join(', ')}`);
  for (const entry of handed) {
    const wrong = before ? problemOf(before, entry, author) : 'of a Lease that did not exist';
    if (wrong) violate(at, 'a lock is handed to the first in line', `${author.name} handed it to ${entry.key}, ${wrong}`);
  }
}

function problemOf({ waiters, holders, lock }: Doc, { key, nonce, came }: Entry, author: Author): string | undefined {
  const waiter = waiters.find((entry) => entry.key === key);
  if (!waiter) return 'who did not wait';
  if (holders.some((holder) => holder.nonce !== author.nonce)) return 'beside others';
  if (!waiter.direct || waiter.weight !== undefined) return 'who cannot be handed it';
  if (waiter.dismissed) return 'who is asked to leave';
  const ahead = waiters.find((entry) => entry.nonce !== nonce && isAhead(entry, waiter));
  if (ahead) return `who stands behind ${ahead.key}`;
  const { group } = waiter;
  const newest = ((lock.superseded ?? {}) as Record<string, number>)[group ?? ''] ?? 0;
  if (group !== undefined && (newest > came || waiters.some((entry) => entry.group === group && entry.came > came)))
    return 'who is superseded';
  return undefined;
}

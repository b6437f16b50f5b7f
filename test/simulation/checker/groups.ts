/** Of the waiters of one group only the newest matters: it stands where the first of them stood, and none that came before it ever runs. */
import type { Doc, Entry } from '../document.ts';
import type { Author } from '../history.ts';
import type { Facts, Landed } from './facts.ts';

export interface Groups {
  landed(at: number, write: Landed): void;
  /** When it came, by its own entry. */
  cameOf(author: Author): number | undefined;
}

export function newGroups({ violate }: Facts): Groups {
  const came = new Map<string, number>();
  /** Of each group, when the newest came that has had the lock. */
  const claimed = new Map<string, number>();
  return {
    cameOf: ({ nonce }) => came.get(nonce),
    landed(at, { author, kind, before, after, handed }) {
      for (const entry of handed) {
        came.set(entry.nonce, entry.came);
        if (entry.group !== undefined) claimed.set(entry.group, Math.max(entry.came, claimed.get(entry.group) ?? 0));
      }
      const group = author.policies?.group;
      const mine = after && [...after.waiters, ...after.holders].find(({ nonce }) => nonce === author.nonce);
      if (!mine || (kind !== 'claim' && kind !== 'enqueue')) return;
      const isNew = !came.has(author.nonce);
      came.set(author.nonce, mine.came);
      if (group === undefined) return;
      const place = isNew && before && kind === 'enqueue' ? placeIn(before, author) : mine.ticket;
      if (mine.ticket !== place)
        violate(at, 'a newcomer stands where it may', `${author.name} has ticket ${mine.ticket} in place of ${place}`);
      if (kind !== 'claim') return;
      const newer = before && newerIn(before, author, mine.came);
      const hadIt = claimed.get(group) ?? 0;
      if (newer || hadIt > mine.came)
        violate(
          at,
          'who is superseded never runs',
          `${author.name} claimed, and came before ${newer?.id ?? 'one that had the lock'}`,
        );
      claimed.set(group, Math.max(mine.came, hadIt));
    },
  };
}

/** At the end, or where those stood that it replaces. */
function placeIn({ lock, waiters, holders }: Doc, { policies, priority: own = 0 }: Author): number {
  const next = Math.max(1, Number(lock.next ?? 1), ...[...waiters, ...holders].map(({ came }) => came + 1));
  const older = waiters.filter(({ group, priority }) => group === policies?.group && priority >= own);
  return Math.min(next, ...older.map(({ ticket }) => ticket));
}

export function newerIn({ waiters, holders }: Doc, { nonce, policies }: Author, came: number): Entry | undefined {
  const group = policies?.group;
  if (group === undefined) return undefined;
  return [...waiters, ...holders].find((entry) => entry.nonce !== nonce && entry.group === group && entry.came > came);
}

/** Those that a write of this author may take out of the queue. */
export const isOlder = (entry: Entry, { nonce, policies }: Author, came: number): boolean =>
  entry.nonce !== nonce && policies?.group !== undefined && entry.group === policies.group && entry.came < came;

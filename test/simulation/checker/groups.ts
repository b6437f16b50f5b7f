/** Of the waiters of one group only the newest matters: it stands where the first of them stood, the older ones give up, and none of them ever runs. */
import { type Doc, docOf, type Entry } from '../document.ts';
import type { Author, Occurrence } from '../history.ts';
import type { Facts, Landed } from './facts.ts';

export interface Groups {
  landed(at: number, write: Landed): void;
  shown(at: number, event: Occurrence & { type: 'shown' }): void;
  unqueued(at: number, event: Occurrence & { type: 'unqueued' }): void;
  sweep(at: number): void;
}

/** For a write that takes its entry out, tried again after collisions. */
const LEAVES_WITHIN_MS = 10_000;

export function newGroups({ waiting, conditions, violate }: Facts): Groups {
  /** When each came, by its own entry. */
  const came = new Map<string, number>();
  /** Of each group, when the newest came that has had the lock. */
  const claimed = new Map<string, number>();
  /** Since when each has known that there is a newer one; and who has ever known. */
  const due = new Map<string, number>();
  const knew = new Set<string>();

  return {
    landed(at, { author, kind, before, after }) {
      const group = author.policies?.group;
      const mine = after && [...after.waiters, ...after.holders].find(({ nonce }) => nonce === author.nonce);
      if (!mine || (kind !== 'claim' && kind !== 'enqueue')) return;
      const isNew = !came.has(author.nonce);
      came.set(author.nonce, mine.came);
      if (isNew && before && group !== undefined && kind === 'enqueue') judgePlace(at, author, mine, before);
      if (group === undefined || kind !== 'claim') return;
      const newer = before && newerIn(before, author, mine.came);
      if (newer || (claimed.get(group) ?? 0) > mine.came)
        violate(
          at,
          'who is superseded never runs',
          `${author.name} claimed, and came before ${newer?.id ?? 'one that has had the lock'}`,
        );
      claimed.set(group, Math.max(mine.came, claimed.get(group) ?? 0));
    },
    shown(at, { author, lease }) {
      const mine = came.get(author.nonce);
      if (!lease || mine === undefined || !waiting.has(author.nonce)) return;
      const doc = docOf(lease);
      if (!newerIn(doc, author, mine) && !((recorded(doc)[author.policies?.group ?? ''] ?? 0) > mine)) due.delete(author.nonce);
      else if (!knew.has(author.nonce)) {
        due.set(author.nonce, at);
        knew.add(author.nonce);
      }
    },
    unqueued(at, { author, outcome }) {
      if (outcome === 'skipped: superseded' && !knew.has(author.nonce))
        violate(at, 'only who is superseded gives up', `${author.name} gave up, and there was no newer one`);
      due.delete(author.nonce);
    },
    sweep(at) {
      for (const [nonce, since] of due) {
        const author = waiting.get(nonce)?.author;
        if (!author) continue;
        const late = at - Math.max(since, conditions.hinderedAt(author, at, ['process', 'request'])) - LEAVES_WITHIN_MS;
        if (late > 0)
          violate(at, 'who is superseded gives up', `${author.name} still waits, ${late.toFixed(0)} ms later than it may`);
      }
    },
  };

  /** At the end, or where those stood that it replaces. */
  function judgePlace(at: number, author: Author, mine: Entry, before: Doc): void {
    const next = Math.max(
      1,
      Number(before.lock.next ?? 1),
      ...[...before.waiters, ...before.holders].map((entry) => entry.came + 1),
    );
    const older = before.waiters.filter(({ group }) => group === author.policies?.group);
    const places = older.filter(({ priority }) => priority >= (author.priority ?? 0)).map(({ ticket }) => ticket);
    const due = Math.min(next, ...places);
    if (mine.ticket !== due)
      violate(at, 'a newcomer stands where it may', `${author.name} has ticket ${mine.ticket} in place of ${due}`);
  }
}

function newerIn({ waiters, holders }: Doc, { nonce, policies }: Author, came: number): Entry | undefined {
  const group = policies?.group;
  if (group === undefined) return undefined;
  return [...waiters, ...holders].find((entry) => entry.nonce !== nonce && entry.group === group && entry.came > came);
}

const recorded = ({ lock }: Doc): Record<string, number> => (lock.superseded ?? {}) as Record<string, number>;

/** Those that a write of this author may take out of the queue. */
export const isOlder = (entry: Entry, { nonce, policies }: Author, came: number): boolean =>
  entry.nonce !== nonce && policies?.group !== undefined && entry.group === policies.group && entry.came < came;

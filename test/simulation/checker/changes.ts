/**
 * One write by itself: it changes what is its author's to change, takes no Lease that the API server itself elects for, and brings a deleted one back
 * only where its author knew, and then whole.
 */
import type { Doc } from '../document.ts';
import type { Author } from '../history.ts';
import { priorityIn } from './ageing.ts';
import type { Facts, LandedWrite } from './facts.ts';
import { checkWrite, type WriteKind } from './writes.ts';

export function judgeChanges(
  { sights, running, deleted, violate }: Facts,
  at: number,
  { author, kind, before, after, sent }: LandedWrite,
): void {
  if (!kind) return;
  const known = sent && sights.answers(author).find((answer) => answer.at <= sent.time);
  if (!before && known && !known.absent) {
    violate(
      at,
      'nothing deleted comes back unawares',
      `${author.name} (${kind}) created the Lease, which was there when it last looked`,
    );
  }
  if (kind === 'claim' || kind === 'enqueue') coordinated(violate, at, { author, kind, before });
  if (!before) {
    complete({ sights, deleted, violate }, at, {
      author,
      kind,
      after,
      sentTime: sent?.time ?? at,
      holds: running.has(author.nonce),
    });
    return;
  }
  for (const what of checkWrite({ author, kind, before, after, priority: priorityIn(before, author) })) {
    violate(at, 'nothing of others is changed', `${author.name} (${kind}) ${what}`);
  }
}

interface Created {
  author: Author;
  kind: WriteKind;
  after: Doc;
  sentTime: number;
  /** Its author has the lock, and puts it back. */
  holds: boolean;
}

function coordinated(
  violate: Facts['violate'],
  at: number,
  { author, kind, before }: Pick<LandedWrite, 'author' | 'kind' | 'before'>,
): void {
  const { strategy, preferredHolder } = before?.lease.spec ?? {};
  if (strategy || preferredHolder)
    violate(at, 'a coordinated Lease is left alone', `${author.name} (${kind}) wrote into one that the API server elects for`);
}

/** A holder puts back all that it knew and that had not gone since, and so does a waiter that queues. A claim passes over those before it. */
function complete(
  { sights, deleted, violate }: Pick<Facts, 'sights' | 'deleted' | 'violate'>,
  at: number,
  { author, kind, after, sentTime, holds }: Created,
): void {
  const known = sights.newest(author);
  if (!known || known.at > sentTime || (kind === 'claim' && !holds)) return;
  const there = new Set([...after.waiters, ...after.holders].map(({ nonce }) => nonce));
  const were = new Set([...(deleted?.waiters ?? []), ...(deleted?.holders ?? [])].map(({ nonce }) => nonce));
  const missing = [...known.doc.waiters, ...known.doc.holders].filter(({ nonce }) => were.has(nonce) && !there.has(nonce));
  if (missing.length > 0)
    violate(
      at,
      'a Lease comes back whole',
      `${author.name} (${kind}) put it back without ${missing.map(({ key }) => key).join(', ')}`,
    );
}

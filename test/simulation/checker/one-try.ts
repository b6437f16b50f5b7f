/** One try gets what has been free for so long that whoever stands before it is dead. */
import type { Occurrence } from '../history.ts';
import { CLAIM_WINDOW_MS, type Facts, isFree } from './facts.ts';

export interface OneTry {
  landed(at: number): void;
  queued(at: number, event: Occurrence & { type: 'queued' }): void;
  unqueued(at: number, event: Occurrence & { type: 'unqueued' }): void;
}

/** How far the stamps of two API servers may be apart, and what the rule keeps in hand. */
const AGREE_MS = 60_000;

export function newOneTry(facts: Facts): OneTry {
  const { conditions, options, violate } = facts;
  const trying = new Map<string, number>();
  let touchedAt = 0;
  return {
    landed(at) {
      touchedAt = at;
    },
    queued(at, { author, oneTry }) {
      if (oneTry) trying.set(author.nonce, at);
    },
    unqueued(at, { author, outcome }) {
      const since = trying.get(author.nonce);
      trying.delete(author.nonce);
      const { doc } = facts;
      if (since === undefined || outcome !== 'busy' || !doc || !isFree(doc) || !isTracked(doc)) return;
      if (options.stampsLie || conditions.hinderedAt(author, at, ['process', 'request']) >= since) return;
      const ahead = doc.waiters.length * CLAIM_WINDOW_MS;
      if (since - touchedAt < ahead + 2 * AGREE_MS) return;
      const idle = ((since - touchedAt) / 1000).toFixed(0);
      violate(at, 'one try gets what is long free', `${author.name} was told busy, of a lock that nobody touched for ${idle}s`);
    },
  };
}

const isTracked = ({ lease }: { lease: { metadata: { managedFields?: { fieldsV1?: object }[] } } }): boolean =>
  (lease.metadata.managedFields ?? []).some(({ fieldsV1 }) => fieldsV1 && 'f:spec' in fieldsV1);

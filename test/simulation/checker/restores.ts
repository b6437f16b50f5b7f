/** A living holder puts back a Lease that was deleted under it: at once if its watch works, else with its next renewal. */
import type { Author } from '../history.ts';
import { learnsWithinMs } from './delays.ts';
import { type Facts, type Landed, tellsOf } from './facts.ts';

export interface Restores {
  landed(at: number, write: Landed): void;
  sweep(at: number): void;
}

/** With a watch that works. */
const WATCHES_WITHIN_MS = 1500;

export function newRestores(facts: Facts): Restores {
  const { running, holds, lost } = facts;
  /** Holders of a Lease that is gone, and since when. */
  const bereft = new Map<string, number>();
  return {
    landed(at, { before, after }) {
      if (after) bereft.clear();
      else {
        for (const { nonce } of running.values()) {
          const hold = holds.get(nonce);
          if (hold?.author.kind !== 'ours' || hold.forced) continue;
          if (before?.named === hold.author.id && tellsOf(before, hold)) bereft.set(nonce, at);
        }
      }
    },
    sweep(at) {
      for (const [nonce, since] of bereft) {
        const author = running.get(nonce);
        if (author && !lost.has(nonce)) absent(facts, at, author, since);
      }
    },
  };
}

function absent({ conditions, violate }: Facts, at: number, author: Author, since: number): void {
  if (!author.times) return;
  if (conditions.hinderedAt(author, at, ['process', 'request']) >= since - author.times.requestTimeoutMs) return;
  const watches = conditions.hinderedAt(author, at, ['watch']) < since - WATCHES_WITHIN_MS;
  if (at - since <= (watches ? WATCHES_WITHIN_MS : learnsWithinMs(author.times))) return;
  const seconds = ((at - since) / 1000).toFixed(1);
  violate(at, 'a holder puts its Lease back', `${author.name} holds, and its Lease is gone for ${seconds}s`);
}

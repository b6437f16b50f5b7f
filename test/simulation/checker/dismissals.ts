/** A waiter that is asked to leave the queue leaves it as soon as it has seen the request, and for no other reason. */
import { docOf } from '../document.ts';
import type { Occurrence } from '../history.ts';
import type { Facts } from './facts.ts';

export interface Dismissals {
  shown(at: number, event: Occurrence & { type: 'shown' }): void;
  unqueued(at: number, event: Occurrence & { type: 'unqueued' }): void;
  sweep(at: number): void;
}

/** For a write that takes its entry out, tried again after collisions. */
const LEAVES_WITHIN_MS = 10_000;

export function newDismissals({ waiting, conditions, violate }: Facts): Dismissals {
  /** Since when each has known. */
  const asked = new Map<string, number>();
  return {
    shown(at, { author, lease }) {
      const entry = lease && docOf(lease).waiters.find(({ nonce }) => nonce === author.nonce);
      if (entry && /"stop":\{/.test(entry.text) && waiting.has(author.nonce) && !asked.has(author.nonce))
        asked.set(author.nonce, at);
    },
    unqueued(at, { author, outcome }) {
      if (outcome === 'stopped' && !asked.has(author.nonce))
        violate(at, 'only who is asked leaves', `${author.name} left the queue, and was not asked to`);
      asked.delete(author.nonce);
    },
    sweep(at) {
      for (const [nonce, since] of asked) {
        const author = waiting.get(nonce)?.author;
        if (!author) continue;
        const late = at - Math.max(since, conditions.hinderedAt(author, at, ['process', 'request'])) - LEAVES_WITHIN_MS;
        if (late > 0)
          violate(at, 'who is asked to leave leaves', `${author.name} still waits, ${late.toFixed(0)} ms later than it may`);
      }
    },
  };
}

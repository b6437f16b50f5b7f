/** Who need not wait any longer gives up as soon as it has seen that, and for no other reason. */
import { type Doc, docOf } from '../document.ts';
import type { Author, Occurrence } from '../history.ts';
import type { Facts } from './facts.ts';
import { type Groups, newerIn } from './groups.ts';

export interface Skips {
  shown(at: number, event: Occurrence & { type: 'shown' }): void;
  unqueued(at: number, event: Occurrence & { type: 'unqueued' }): void;
  sweep(at: number): void;
}

/** For a write that takes its entry out, tried again after collisions. */
const LEAVES_WITHIN_MS = 10_000;

export function newSkips({ waiting, conditions, violate }: Facts, { cameOf }: Groups): Skips {
  /** Since when each has known that it need not wait; and who has ever known that, and why. */
  const due = new Map<string, number>();
  const knew = new Set<string>();
  return {
    shown(at, { author, lease }) {
      if (!lease || !waiting.has(author.nonce)) return;
      const why = reasonIn(docOf(lease), author, cameOf(author));
      // A newer one that has come and gone before it was looked for is no reason any more.
      if (!why) due.delete(author.nonce);
      else if (!due.has(author.nonce)) due.set(author.nonce, at);
      knew.add(`${why} ${author.nonce}`);
    },
    unqueued(at, { author, outcome }) {
      const [, why] = /^skipped: (.*)/.exec(outcome) ?? [];
      if (why && !knew.has(`${why} ${author.nonce}`))
        violate(at, 'only who need not wait gives up', `${author.name} gave up (${why}), and has not seen a reason`);
      due.delete(author.nonce);
    },
    sweep(at) {
      for (const [nonce, since] of due) {
        const author = waiting.get(nonce)?.author;
        if (!author) continue;
        const late = at - Math.max(since, conditions.hinderedAt(author, at, ['process', 'request'])) - LEAVES_WITHIN_MS;
        if (late > 0)
          violate(at, 'who need not wait gives up', `${author.name} still waits, ${late.toFixed(0)} ms later than it may`);
      }
    },
  };
}

function reasonIn(doc: Doc, author: Author, came: number | undefined): 'superseded' | 'done' | undefined {
  const { group = '', once } = author.policies ?? {};
  if (once !== undefined && keysIn(doc).includes(once)) return 'done';
  if (came === undefined) return undefined;
  const recorded = ((doc.lock.superseded ?? {}) as Record<string, number>)[group] ?? 0;
  return newerIn(doc, author, came) || recorded > came ? 'superseded' : undefined;
}

export const keysIn = ({ lock }: Doc): string[] => (Array.isArray(lock.done) ? lock.done : []);

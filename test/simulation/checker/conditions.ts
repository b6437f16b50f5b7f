/** What keeps each participant from being punctual, holder or waiter: its process, its requests, its watch. */
import type { Author, Occurrence } from '../history.ts';

export type Cause = (Occurrence & { type: 'troubled' })['source'];

export interface Conditions {
  take(at: number, event: Occurrence & { type: 'troubled' }): void;
  /** When any of these last kept it: now, if one still does. Never: minus infinity. */
  hinderedAt(author: Author, now: number, causes: readonly Cause[]): number;
  /** When an API server last asked it to come back later. */
  askedBackAt(author: Author): number;
}

export function newConditions(): Conditions {
  const last = new Map<string, { at: number; lasting: boolean }>();
  const askedBack = new Map<string, number>();
  const keyOf = ({ nonce }: Author, cause: Cause) => `${nonce}/${cause}`;
  return {
    take(at, { author, source, lasting = false, comeBack }) {
      if (comeBack) askedBack.set(author.nonce, at);
      last.set(keyOf(author, source), { at, lasting });
    },
    hinderedAt(author, now, causes) {
      const times = causes.map((cause) => {
        const trouble = last.get(keyOf(author, cause));
        return trouble?.lasting ? now : (trouble?.at ?? Number.NEGATIVE_INFINITY);
      });
      return Math.max(...times);
    },
    askedBackAt: ({ nonce }) => askedBack.get(nonce) ?? Number.NEGATIVE_INFINITY,
  };
}

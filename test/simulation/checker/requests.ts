/** What a participant costs the API server: so many requests a minute at most, and some for each change that somebody else makes. */
import type { Author, Occurrence } from '../history.ts';
import type { Facts } from './facts.ts';

export interface Requests {
  landed(at: number): void;
  asked(at: number, event: Occurrence & { type: 'asked' }): void;
  sweep(at: number): void;
}

const MINUTE_MS = 60_000;
/** Whoever waits looks at least so often, whatever it was asked for: else it could not know that its turn has come. */
const LOOKS_EVERY_MS = 85_000;
/** With nobody else about: polls and renewals, tries after failures, and those of a hand-over. */
const OF_ITSELF = 90;
/** For a change: to read it, and to write; and both again if that collides with others who do the same. */
const PER_CHANGE = 4;

export function newRequests({ waiting, conditions, violate }: Facts): Requests {
  let changes: number[] = [];
  const asked = new Map<string, number[]>();
  const within = (times: number[], at: number) => {
    const first = times.findIndex((time) => time > at - MINUTE_MS);
    return first < 0 ? [] : first < times.length / 2 ? times : times.slice(first);
  };
  const count = (times: number[], at: number) => times.length - times.findIndex((time) => time > at - MINUTE_MS);
  return {
    landed(at) {
      changes.push(at);
      changes = within(changes, at);
    },
    asked(at, { author }: { author: Author }) {
      const times = within([...(asked.get(author.nonce) ?? []), at], at);
      asked.set(author.nonce, times);
      const allowed = OF_ITSELF + PER_CHANGE * (changes.length > 0 ? count(changes, at) : 0);
      if (count(times, at) <= allowed) return;
      violate(at, 'requests are bounded', `${author.name} sent ${count(times, at)} within a minute, where ${allowed} would do`);
    },
    sweep(at) {
      for (const { author, since } of waiting.values()) {
        const last = Math.max(since, asked.get(author.nonce)?.at(-1) ?? 0, conditions.hinderedAt(author, at, ['process']));
        if (at - last > LOOKS_EVERY_MS)
          violate(at, 'who waits looks', `${author.name} waits, and has not asked for ${((at - last) / 1000).toFixed(0)}s`);
      }
    },
  };
}

/** What a participant costs the API server: so many requests a minute at most, and some for each change that somebody else makes. */
import type { Author, Occurrence } from '../history.ts';
import type { Facts, Landed } from './facts.ts';

export interface Requests {
  landed(at: number, write: Landed): void;
  asked(at: number, event: Occurrence & { type: 'asked' }): void;
}

const MINUTE_MS = 60_000;
/** With nobody else about: polls and renewals, tries after failures, and those of a hand-over. */
const OF_ITSELF = 90;
/** For a change: to read it, and to write; and both again if that collides with others who do the same. */
const PER_CHANGE = 4;

export function newRequests({ violate }: Facts): Requests {
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
  };
}

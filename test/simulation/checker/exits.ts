/** How a participant leaves: nothing that it could have removed stays behind, and what it says of that is true. */
import type { Entry } from '../document.ts';
import type { Author, Occurrence } from '../history.ts';
import type { Facts, LandedWrite } from './facts.ts';

export interface Exits {
  landed(at: number, write: LandedWrite): void;
  gaveUp(at: number, event: Occurrence & { type: 'unqueued' }): void;
  said(at: number, event: Occurrence & { type: 'said' }): void;
}

/** For how long an API server must have been silent. */
const SILENCE_MS = 115_000;

export function newExits(facts: Facts): Exits {
  const { sights, conditions, violate } = facts;
  const failedToLeave = new Set<string>();
  const gone = new Set<string>();
  /** The last write of each that came true. */
  const written = new Map<string, { version: number; sentTime: number }>();

  const entryOf = (author: Author) => entryIn(facts, author);

  return {
    landed(at, { author, kind, after, sent }) {
      if (!kind) return;
      const sentTime = sent?.time ?? at;
      written.set(author.nonce, { version: after.version, sentTime });
      const looked = sights.answers(author)[0]?.at ?? 0;
      if (!gone.has(author.nonce) || failedToLeave.has(author.nonce) || looked > sentTime) return;
      violate(
        at,
        'nothing is left behind',
        `${author.name} gave up without looking once more after a write, which came true now`,
      );
    },
    /** It has looked after its last write, and taken out what it saw. */
    gaveUp(at, { author, outcome, patient }) {
      const disturbed = conditions.hinderedAt(author, at, ['process', 'clock']) > at - SILENCE_MS;
      if (patient && !disturbed && outcome.startsWith('unreachable') && at - conditions.askedBackAt(author) < SILENCE_MS)
        violate(at, 'an answer is not silence', `${author.name} gave up, and was asked to come back just now`);
      if (outcome.includes('no room')) violate(at, 'nobody is lost', `${author.name} was refused for lack of room`);
      // A document of a later version, nobody of ours may write to.
      if (/^held|^crashed|version 2/.test(outcome)) return;
      gone.add(author.nonce);
      const entry = entryOf(author);
      const last = written.get(author.nonce);
      if (!entry || !last || failedToLeave.has(author.nonce)) return;
      const [looked] = sights.answers(author);
      const sawIt = (looked?.version ?? 0) >= last.version;
      if (sawIt || last.sentTime >= (looked?.at ?? 0))
        violate(at, 'nothing is left behind', `${author.name} gave up, and its entry ${entry.key} is still there`);
    },
    said(at, { author, what }) {
      if (what === 'could-not-leave') failedToLeave.add(author.nonce);
      else if (entryOf(author)) violate(at, 'what is said is true', `${author.name} says ${what}, and its entry is still there`);
    },
  };
}

/** After a deletion, others may put back a Lease that tells of those who have left, or who can't know of it before they look once more. */
function entryIn({ sights, putBack, doc }: Facts, author: Author): Entry | undefined {
  const looked = sights.answers(author)[0]?.version ?? 0;
  if (looked < (putBack.get(author.nonce) ?? 0)) return undefined;
  return [...(doc?.holders ?? []), ...(doc?.waiters ?? [])].find(({ nonce }) => nonce === author.nonce);
}

/** What each author has been shown of the Lease, by answers and by its watch, and since when: what it could know. */
import { type Doc, docOf } from '../document.ts';
import type { Author, Occurrence } from '../history.ts';
import type { Hold } from './facts.ts';

/** Since when an author has been shown a holder, and the holder's present text: over a deletion, it is dated anew. */
export interface Sighting {
  text: string;
  at: number;
  first: number;
}

export interface Answered {
  at: number;
  absent: boolean;
  version: number;
}

export interface Sights {
  /** False if that is older than what it knew: no news. */
  show(at: number, event: Occurrence & { type: 'shown' }, holds: Iterable<Hold>): boolean;
  /** What it has been shown of a holder. */
  of(author: Author, holder: Pick<Author, 'nonce'>): Sighting | undefined;
  /** Had it been shown that hold before some moment? */
  hadSeen(author: Author, hold: Hold, before: number): boolean;
  /** What is seen from now on may be older than what was seen before. */
  reset(): void;
  /** What was seen of an earlier claim of this author says nothing of its next. */
  forget(holder: Author): void;
  /** The newest that it has been shown, and when. */
  newest(author: Author): { doc: Doc; at: number } | undefined;
  /** Its last answers, the newest first. */
  answers(author: Author): readonly Answered[];
}

export function newSights(): Sights {
  /** Per author: which holders it has been shown. */
  const shown = new Map<string, Map<string, Sighting>>();
  const newestShown = new Map<string, { doc: Doc; at: number }>();
  const answers = new Map<string, Answered[]>();
  const of = (author: Author, holder: Pick<Author, 'nonce'>) => shown.get(author.nonce)?.get(holder.nonce);

  function note(at: number, author: Author, doc: Doc, holds: Iterable<Hold>): void {
    const seen = shown.get(author.nonce) ?? new Map<string, Sighting>();
    shown.set(author.nonce, seen);
    const add = (nonce: string, entry: string) => {
      const text = `${doc.lease.metadata.uid} ${entry}`;
      const before = seen.get(nonce);
      if (before?.text !== text) seen.set(nonce, { text, at, first: before?.first ?? at });
    };
    for (const { nonce, text } of doc.holders) add(nonce, text);
    if (doc.named === '' || doc.holders.some(({ id }) => id === doc.named)) return;
    const named = namedBySpec(doc, holds);
    if (named) add(named.author.nonce, doc.lease.spec?.renewTime ?? '');
  }

  return {
    show(at, { author, lease, byAnswer }, holds) {
      const doc = lease && docOf(lease);
      if (byAnswer) {
        const answered = { at, absent: lease === undefined, version: doc?.version ?? 0 };
        answers.set(author.nonce, [answered, ...(answers.get(author.nonce) ?? []).slice(0, 9)]);
      }
      const older = doc !== undefined && doc.version < (newestShown.get(author.nonce)?.doc.version ?? 0);
      if (!doc || older) return false;
      newestShown.set(author.nonce, { doc, at });
      note(at, author, doc, holds);
      return true;
    },
    of,
    hadSeen(author, hold, before) {
      const sighting = of(author, hold.author);
      return sighting !== undefined && sighting.first < before;
    },
    reset() {
      newestShown.clear();
    },
    forget({ nonce }) {
      for (const seen of shown.values()) seen.delete(nonce);
    },
    newest: ({ nonce }) => newestShown.get(nonce),
    answers: ({ nonce }) => answers.get(nonce) ?? [],
  };
}

/** Who stands in the spec and has no entry that can be read: of several with one id, the last that had claimed by then. */
function namedBySpec({ named, version }: Doc, holds: Iterable<Hold>): Hold | undefined {
  return [...holds]
    .filter(({ author, claimVersion }) => author.id === named && claimVersion <= version)
    .sort((a, b) => b.claimVersion - a.claimVersion)[0];
}

/** A key for which the work has succeeded is remembered as long as there is room, and never worked on meanwhile; and no other is. */
import type { Author } from '../history.ts';
import type { Facts, Landed } from './facts.ts';
import { keysIn } from './skips.ts';

export interface Once {
  landed(at: number, write: Landed): void;
  succeeded(author: Author): void;
}

const KEYS_MOST = 20;

export function newOnce({ violate }: Facts): Once {
  const worked = new Set<string>();
  return {
    landed(at, { author, kind, before, after }) {
      if (!before || !after || kind === undefined) return;
      const { once } = author.policies ?? {};
      const [were, are] = [keysIn(before), keysIn(after)];
      if (kind === 'claim' && once !== undefined && were.includes(once))
        violate(at, 'once is once', `${author.name} claimed for the key ${once}, which had succeeded`);
      const ends = (kind === 'keep' || kind === 'release') && once !== undefined && worked.has(author.nonce);
      const expected = ends ? [...were.filter((key) => key !== once), once].slice(-KEYS_MOST) : were;
      if (JSON.stringify(are) !== JSON.stringify(expected))
        violate(
          at,
          'what has succeeded is remembered',
          `${author.name} leaves ${are.join(', ')} in place of ${expected.join(', ')}`,
        );
    },
    succeeded: ({ nonce }) => void worked.add(nonce),
  };
}

/** One write by itself: it changes what is its author's to change, and brings no deleted Lease back without its author knowing. */
import type { Facts, LandedWrite } from './facts.ts';
import { checkWrite } from './writes.ts';

export function judgeChanges({ sights, violate }: Facts, at: number, { author, kind, before, after, sent }: LandedWrite): void {
  if (!kind) return;
  const known = sent && sights.answers(author).find((answer) => answer.at <= sent.time);
  if (!before && known && !known.absent) {
    violate(
      at,
      'nothing deleted comes back unawares',
      `${author.name} (${kind}) created the Lease, which was there when it last looked`,
    );
  }
  if (!before) return;
  for (const what of checkWrite({ author, kind, before, after, priority: author.priority ?? 0 })) {
    violate(at, 'nothing of others is changed', `${author.name} (${kind}) ${what}`);
  }
}

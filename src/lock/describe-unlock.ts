/** Why a lock was not unlocked, and what to do instead: the same for command line, Action and library, which differ in what they call their options. */
import { documentAt } from '../documents.ts';
import { formatDuration } from '../durations.ts';
import { describeLease } from '../names.ts';
import type { Holder } from '../protocol/lock-state.ts';
import type { Me } from '../protocol/me.ts';
import { visible } from '../visible.ts';
import { describeHolders } from './describe.ts';
import type { Failed, Unlocked } from './operate.ts';

/** What an entry calls its options. */
export interface UnlockWords {
  /** `--force`: clears a holder that is silent. */
  force: string;
  /** `--force=live`: clears any. */
  forceLive: string;
  /** What shows who holds the lock: `"k8s-lease-lock status deploy"`. */
  status: string;
}

export interface UnlockTold {
  me: Me;
  /** As it was given. */
  holder: string;
  timeoutMs: number;
  now: Date;
  words: UnlockWords;
}

/** One sentence that names the lock. */
export function describeUnlocked(result: Exclude<Unlocked, Failed>, told: UnlockTold): string {
  const subject = describeLease(told.me);
  if (result.kind !== 'unlocked') return `${subject} was not unlocked: ${whyNot(result, told)}`;
  const id = visible(result.holder.id);
  return result.forced ? `cleared ${id}: ${subject} is free. ${STILL_RUNNING}` : `${id} has released ${subject}`;
}

const STILL_RUNNING =
  'A holder that was alive has lost the lock, and stops its command when it learns of that; until then the command may still be running. ' +
  'Nothing stops what runs under a lock taken by "acquire"';

function whyNot(
  result: Exclude<Unlocked, Failed | { kind: 'unlocked' }>,
  { holder, timeoutMs, now, words: { force, forceLive, status } }: UnlockTold,
): string {
  switch (result.kind) {
    case 'not-held':
      return `${visible(holder)} does not hold it; ${describeHolders(result.heldBy, now)}`;
    case 'several':
      return `${visible(holder)} names several holders: give the key of one (${status})`;
    case 'cannot-be-asked':
      return `${visible(result.holder.id)} is a client of another kind, which cannot be asked: stop it where it runs, or use ${force} (${documentAt('troubleshooting.md#a-holder-of-another-program')})`;
    case 'kept':
      return `the work of ${visible(result.holder.id)} has ended, and the lock stays taken for a minimum time: use ${force} to free it now`;
    case 'renewed-lately':
      return `${describeAgo(result)}, so its command may be running: ask it without ${force}, or use ${forceLive}`;
    case 'still-held':
      return (
        `${visible(result.holder.id)} has not released it within ${formatDuration(timeoutMs)}. The request remains in the Lease. ` +
        `See whether the holder is alive (${status}); if it is not, use ${force}`
      );
    default:
      return result satisfies never;
  }
}

function describeAgo({ holder, agoMs }: { holder: Holder; agoMs: number | undefined }): string {
  const id = visible(holder.id);
  return agoMs === undefined
    ? `the Lease does not say when ${id} last renewed it`
    : `${id} renewed it ${formatDuration(agoMs)} ago`;
}

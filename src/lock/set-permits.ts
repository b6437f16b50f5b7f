/** The number of permits of a lock, changed by an administrator while it is used: more lets waiters in, fewer lets nobody in until enough have left. */
import type { Holder } from '../protocol/lock-state.ts';
import { withPermits } from '../protocol/operator-writes.ts';
import { change, type Failed } from './operate.ts';
import type { Participant } from './participant.ts';

export type PermitsSet =
  /** `before` undefined: there was no limit. */
  { kind: 'set'; before: number | undefined; holders: readonly Holder[] } | Failed;

export async function setPermits(participant: Participant, permits: number): Promise<PermitsSet> {
  let before: { permits: number | undefined } | undefined;
  return await change<PermitsSet>(participant, 'waiter', async (state) => {
    before ??= { permits: state.permits };
    const done: PermitsSet = { kind: 'set', before: before.permits, holders: state.holders };
    return { lease: withPermits(state, permits), done };
  });
}

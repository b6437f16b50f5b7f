/** Frees a lock that somebody else holds: the same for command line, Action and library. */
import type { Cluster } from '../api/cluster.ts';
import { sendLeaseEvent } from '../api/lease-event.ts';
import { nameCaller } from '../api/self-subject-review.ts';
import { describeLease } from '../names.ts';
import type { Holder } from '../protocol/lock-state.ts';
import { visible } from '../visible.ts';
import { askToUnlock, forceUnlock, type Unlocked } from './operate.ts';
import type { Participant } from './participant.ts';

/** What is done instead of asking: `silent` clears a holder that has not renewed lately; `live` clears any. */
export const FORCES = ['silent', 'live'] as const;

export interface Unlocking {
  /** Its id, or the key of its entry. */
  holder: string;
  reason: string | undefined;
  force: (typeof FORCES)[number] | undefined;
  /** How long a holder that was asked has for releasing the lock. */
  timeoutMs: number;
  /** Who asks, where the API server does not say. */
  caller: { host: string; user: string | undefined };
  /** The request is written. */
  onAsked?(holder: Holder): void;
}

export async function unlock(cluster: Cluster, participant: Participant, unlocking: Unlocking): Promise<Unlocked> {
  const { holder, reason, force, timeoutMs, caller, onAsked = () => {} } = unlocking;
  const { me, clock, timings } = participant;
  const by = await nameCaller(cluster, clock, timings.requestTimeoutMs, caller);
  const request = { holder, by, reason };
  if (force === undefined) return await askToUnlock(participant, request, { timeoutMs, onAsked });
  const result = await forceUnlock(participant, { ...request, living: force === 'live' });
  if (result.kind === 'unlocked') {
    const note = `${by} cleared the holder ${visible(result.holder.id)} of ${describeLease(me)}${reason ? `: ${visible(reason)}` : ''}`;
    await sendLeaseEvent(cluster, clock, { ...me, uid: undefined, reason: 'LockForceUnlocked', action: 'Unlock', note });
  }
  return result;
}

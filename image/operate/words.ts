/** What a report says of a lock, in words: its state, whether its holder is alive, and what happens next. */
import type { Steady } from '../../src/clock.ts';
import { formatDuration } from '../../src/durations.ts';
import { othersMayTakeAt, standingStillMs } from '../../src/protocol/deadlines.ts';
import type { HolderReport, Life, LockReport } from '../../src/protocol/report.ts';
import { visible } from '../../src/visible.ts';
import type { Colour } from './colour.ts';
import { age } from './table.ts';

/** What stands in the column STATE. */
export type StateWord = 'Free' | 'Alive' | 'Silent' | 'Expired' | 'Dead' | 'Cleared' | 'Kept' | 'Unknown' | 'Foreign' | 'Absent';

const STATES: Record<Life, StateWord> = {
  alive: 'Alive',
  silent: 'Silent',
  expired: 'Expired',
  dead: 'Dead',
  cleared: 'Cleared',
  kept: 'Kept',
  unknown: 'Unknown',
};

export const COLOURS: Record<StateWord, Colour | undefined> = {
  Free: undefined,
  Alive: 'green',
  Silent: 'yellow',
  Expired: 'red',
  Dead: 'red',
  Cleared: 'yellow',
  Kept: undefined,
  Unknown: 'yellow',
  Foreign: undefined,
  Absent: undefined,
};

/** `Foreign`: the API server's own election, which is no lock of this kind. */
export function stateOf({ state, holders: [first] }: LockReport): StateWord {
  if (state.coordinated !== undefined) return 'Foreign';
  return first ? STATES[first.life] : 'Free';
}

/** Whether that holder is alive, in a sentence. */
export function describeLife({ life, renewedAgoMs, renewedBy, expiresInMs, holder, neverRenewed }: HolderReport): string {
  const ago = age(renewedAgoMs);
  const by = renewedBy === 'holder' ? " by the holder's own clock" : '';
  const over = expiresInMs === undefined ? '' : `; its lease ran out ${age(-expiresInMs)} ago`;
  switch (life) {
    case 'alive':
      return `alive: renewed ${ago} ago${by}`;
    case 'silent':
      return neverRenewed
        ? `not renewed since it was acquired ${ago} ago${by}: taken by "acquire", which does not renew, or dead`
        : `silent for ${ago}${by}: it should have renewed, and has not`;
    case 'expired':
      return `expired: silent for ${ago}${by}${over}`;
    case 'dead':
      return `long dead: silent for ${ago}${by}${over}`;
    case 'cleared':
      return 'cleared by another client in spec.holderIdentity; its command may still be running';
    case 'kept':
      return `its work ended ${ago} ago, and the lock stays taken for a minimum time`;
    case 'unknown':
      return `unknown: the Lease does not say when ${visible(holder.id)} last renewed it`;
    default:
      return life satisfies never;
  }
}

/** What kind of client it is, where it is not one of this program. */
export function describeClient({ client, manager }: HolderReport): string | undefined {
  if (client === 'k8slock') return 'K8SLock 0.2.5: its renewTime is the time of its expiry, by its own clock';
  if (client === 'other') return `not of this program${manager ? `: written by ${visible(manager)}` : ''}`;
  return undefined;
}

/** What happens if nobody interferes. */
export function describeNext(report: LockReport): string {
  const { state, holders, queue, stop } = report;
  const [holder] = holders;
  const [first] = queue;
  const next = first ? visible(first.waiter.id) : undefined;
  if (state.coordinated !== undefined)
    return `the API server's own leader election assigns this Lease (${visible(state.coordinated)}): it is no lock`;
  if (!holder) {
    if (next === undefined) return 'the lock is free: the next that asks acquires it';
    return `${next} acquires it; if that one is dead, the next in the queue does after 2s, and so on`;
  }
  if (holders.length > 1) return describeShared(report, next);
  const follows = next === undefined ? 'nobody waits' : `then ${next} acquires it`;
  if (stop !== undefined && isFor(stop.holder, holder))
    return `it has been asked to stop by ${stop.by || 'an unnamed client'}: it stops its command and releases the lock; ${follows}`;
  const { life } = holder;
  if (life === 'dead') return describeDead(holder, next);
  return `${describeFate({ ...holder, life }, next !== undefined)}; ${follows}`;
}

/** Several hold it together. */
function describeShared({ state, holders }: LockReport, next: string | undefined): string {
  const dead = holders.filter(({ life }) => life === 'dead' || life === 'expired').length;
  const gone = dead === 0 ? '' : `; ${dead} of them ${dead === 1 ? 'has' : 'have'} expired`;
  const first = state.waiters[0];
  const room = first?.weight === undefined ? 'when all of them have released the lock' : 'when there is room for it';
  return `${holders.length} hold it together${gone}; ${next === undefined ? 'nobody waits' : `${next} acquires it ${room}`}`;
}

const isFor = (named: string, { holder }: HolderReport): boolean => named === holder.id || named === holder.key;

function describeDead({ holder }: HolderReport, next: string | undefined): string {
  const seenMs = standingStillMs(holder.durationMs ?? 0);
  const who = next === undefined ? 'nobody waits; the next that asks' : next;
  return `${who} acquires the lock after it has seen for ${formatDuration(seenMs)} that the holder is silent`;
}

type Living = HolderReport & { life: Exclude<Life, 'dead'> };

function describeFate({ life, holder, freeInMs, neverRenewed }: Living, waited: boolean): string {
  const durationMs = holder.durationMs ?? 0;
  switch (life) {
    case 'alive':
      return neverRenewed || holder.standing === 'foreign'
        ? 'the holder releases the lock, or renews it, or its lease runs out'
        : 'the holder releases the lock when its command has ended';
    case 'silent':
    case 'expired':
      if (freeInMs !== undefined && freeInMs > 0)
        return `if it does not renew, the lock is free in ${age(freeInMs)} for those who have watched it since`;
      return waited
        ? 'those who have watched it for its whole lease duration take the lock now'
        : `the next that asks watches it for up to ${formatDuration(othersMayTakeAt(0 as Steady, durationMs))} before it acquires the lock`;
    case 'cleared':
      return 'the lock is free when the holder has removed its entry, or has been silent for its whole lease duration';
    case 'kept':
      return `the lock is free in ${age(freeInMs)}`;
    case 'unknown':
      return 'the next that asks watches it for a whole lease duration';
    default:
      return life satisfies never;
  }
}

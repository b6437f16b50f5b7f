/**
 * What a Lease says of its lock to somebody who looks at it once: who holds it and since when, whether that one is alive, who waits. Pure. For people
 * and scripts; nothing is decided by it, since one look cannot tell the dead from the slow (rules.ts decides, by what it has observed).
 */
import type { Steady } from '../clock.ts';
import { visible } from '../visible.ts';
import { keptUntil, longDeadAfterMs, othersMayTakeAt, standingStillMs } from './deadlines.ts';
import { AHEAD_MS, UNLOCKED } from './document.ts';
import { readObject, text } from './entries.ts';
import type { Holder, LockState, StopRequest, Waiter } from './lock-state.ts';
import { renewTimeWriter } from './stamps.ts';

/**
 * `alive`: it has renewed lately. `silent`: it should have renewed since. `expired`: its lease is over, and those who have watched it take the lock.
 * `dead`: for so long that a newcomer takes it, too. `cleared`: another client has cleared or replaced it, and its command may still be stopping.
 * `kept`: its work has ended, and the lock stays taken for a minimum time. `unknown`: the Lease does not say when it last renewed.
 */
export type Life = 'alive' | 'silent' | 'expired' | 'dead' | 'cleared' | 'kept' | 'unknown';

export interface HolderReport {
  holder: Holder;
  life: Life;
  /** `k8slock`: version 0.2.5, which writes its expiry into renewTime. `other`: any other client of leader election, or a person. */
  client: 'k8s-lease-lock' | 'k8slock' | 'other';
  /** The field manager that last wrote renewTime: the name of its program. */
  manager: string | undefined;
  heldMs: number | undefined;
  renewedAgoMs: number | undefined;
  /** Whose clock says so; the holder's where the fields of the Lease are not tracked. */
  renewedBy: 'server' | 'holder' | undefined;
  /** It has not renewed since it acquired: it was taken by "acquire", or died soon. */
  neverRenewed: boolean;
  /** Negative: it has expired. */
  expiresInMs: number | undefined;
  /** When those who have watched it may take the lock, if it does not renew. */
  freeInMs: number | undefined;
}

export interface WaiterReport {
  waiter: Waiter;
  /** 1 is next. */
  place: number;
  waitingMs: number | undefined;
}

export interface LockReport {
  state: LockState;
  /** The one that the spec names comes first. */
  holders: HolderReport[];
  queue: WaiterReport[];
  stop: StopRequest | undefined;
  /** The last holder that was cleared by force. */
  unlocked: Unlocking | undefined;
}

export interface Unlocking {
  holder: string;
  by: string;
  at: string;
  reason: string;
}

/** `nowMs`: by the API server's clock, in milliseconds since 1970. */
export function reportOf(state: LockState, nowMs: number): LockReport {
  const holders = state.holders.map((holder) => reportHolder(holder, state, nowMs));
  return {
    state,
    holders: holders.toSorted((a, b) => Number(a.life === 'cleared') - Number(b.life === 'cleared')),
    queue: state.waiters.map((waiter, i) => ({ waiter, place: i + 1, waitingMs: sinceMs(waiter.since, nowMs) })),
    stop: state.stop,
    unlocked: unlockedIn(state),
  };
}

function unlockedIn({ lease }: LockState): Unlocking | undefined {
  const fields = readObject(lease.metadata.annotations?.[UNLOCKED]);
  const shown = (field: string): string => visible(text(fields?.[field]));
  return fields && { holder: shown('holder'), by: shown('by'), at: shown('at'), reason: shown('reason') };
}

function reportHolder(holder: Holder, state: LockState, nowMs: number): HolderReport {
  const { durationMs, standing } = holder;
  const { acquireTime, renewTime } = state.lease.spec ?? {};
  const written = holder.writtenAtServerMs;
  const writtenAhead = renewTime !== undefined && written !== undefined && Date.parse(renewTime) > written + AHEAD_MS;
  const renewed = standing === 'ousted' ? undefined : (written ?? timeOf(renewTime));
  const agoMs = renewed === undefined ? undefined : Math.max(0, nowMs - renewed);
  const expiry = standing === 'foreign' && writtenAhead;
  const expiresInMs = expiry ? Date.parse(renewTime) - nowMs : left(durationMs, agoMs);
  const client = standing !== 'foreign' ? 'k8s-lease-lock' : expiry ? 'k8slock' : 'other';
  return {
    holder,
    client,
    manager: renewTimeWriter(state.lease),
    life: standing === 'ousted' ? 'cleared' : lifeOf(holder, agoMs),
    heldMs: sinceMs(holder.since, nowMs),
    renewedAgoMs: agoMs,
    renewedBy: agoMs === undefined ? undefined : written === undefined ? 'holder' : 'server',
    neverRenewed:
      standing === 'holds' && !holder.ended && agoMs !== undefined && isFirstWrite(acquireTime, renewTime, durationMs),
    expiresInMs,
    freeInMs: left(durationMs === undefined ? undefined : freeAfter(holder.ended, durationMs), agoMs),
  };
}

const freeAfter = (ended: boolean, durationMs: number): number => (ended ? keptUntil : othersMayTakeAt)(0 as Steady, durationMs);

/** Clients of other kinds renew when they like, at the latest before the end of their lease. */
function lifeOf({ durationMs, standing, ended }: Holder, agoMs: number | undefined): Life {
  if (durationMs === undefined || agoMs === undefined) return 'unknown';
  if (ended) return agoMs <= keptUntil(0 as Steady, durationMs) ? 'kept' : 'expired';
  if (agoMs <= (standing === 'foreign' ? durationMs : standingStillMs(durationMs))) return 'alive';
  if (agoMs <= durationMs) return 'silent';
  return agoMs <= longDeadAfterMs(durationMs) ? 'expired' : 'dead';
}

/** A claim writes one moment into both; renewTime is the expiry where K8SLock 0.2.5 has to understand it. */
function isFirstWrite(acquireTime: string | undefined, renewTime: string | undefined, durationMs = 0): boolean {
  const apartMs = Date.parse(renewTime ?? '') - Date.parse(acquireTime ?? '');
  return apartMs === 0 || apartMs === durationMs;
}

const left = (durationMs: number | undefined, agoMs: number | undefined): number | undefined =>
  durationMs === undefined || agoMs === undefined ? undefined : durationMs - agoMs;

/** By the participant's own clock: good enough for people. */
function sinceMs(since: string, nowMs: number): number | undefined {
  const time = timeOf(since);
  return time === undefined ? undefined : Math.max(0, nowMs - time);
}

function timeOf(text: string | undefined): number | undefined {
  const time = Date.parse(text ?? '');
  return Number.isNaN(time) ? undefined : time;
}

/**
 * When it is whose turn: for how long a holder has to be reckoned with, when there is room for whom, and how long those who are ahead have. Pure, by what I
 * have seen and when; a holder is dead when its entry has stood still long enough on *my* monotonic clock, or long enough by the API server's own clock.
 */
import { later, type Steady } from '../clock.ts';
import { CLOCKS_AGREE_MS, keptUntil, othersMayTakeAt, standingStillMs } from './deadlines.ts';
import { byTurn, type Holder, type Key, type LockState, type Waiter } from './lock-state.ts';
import { isMe, type Me } from './me.ts';
import { isShared, roomAt, type Stay } from './room.ts';
import type { Sighting, View } from './sightings.ts';
import { grantMsOf } from './timings.ts';

/**
 * How long each waiter that is ahead may leave a free lock alone before the next in line takes it. Smaller robs the slow of their turn,
 * larger makes everybody wait longer behind the dead.
 */
const CLAIM_WINDOW_MS = 2000;

export interface Turn {
  at: Steady;
  /** From when on nobody stands before me that may be alive, for all that it shows. */
  firstAt: Steady;
}

/**
 * When it is my turn, if nothing changes: when there is room for me, and each that is ahead of me has had its window for taking its own. One that waits for
 * more room than I need has to show that it is alive. All this counts from when I first saw the last of them: it knows of the others no longer than that.
 */
export function turnOf(
  view: View,
  { stays, ahead, room, me }: { stays: readonly Stay[]; ahead: readonly Waiter[]; room: Steady; me: Me },
  now: Steady,
): Turn {
  const seen = ahead.map(({ key }) => view.waiters.get(key) ?? { firstAt: now, at: now });
  const since = Math.max(view.vacatedAt, ...seen.map(({ firstAt }) => firstAt)) as Steady;
  let passed = since;
  let quiet = since;
  for (const [i, waiter] of ahead.entries()) {
    const itsRoom = roomFor(view, stays, me, waiter.weight);
    const window = (after: Steady) => later(Math.max(after, itsRoom) as Steady, CLAIM_WINDOW_MS);
    const silent = (after: Steady) => later(Math.max(after, seen[i]?.at ?? now) as Steady, silenceMs(waiter, me));
    // By itself, it leaves those before it their windows once it has room.
    const windows = later(Math.max(since, itsRoom) as Steady, (i + 1) * CLAIM_WINDOW_MS);
    passed = itsRoom > room ? (Math.min(Math.max(window(passed), windows), silent(passed)) as Steady) : window(passed);
    quiet = itsRoom > now ? silent(quiet) : window(quiet);
  }
  return { at: Math.max(room, passed) as Steady, firstAt: quiet };
}

/** How long a waiter that stands in the way of others may be silent. */
const silenceMs = ({ durationMs }: Waiter, me: Me): number => othersMayTakeAt(0 as Steady, durationMs ?? me.durationMs);

/** When the first in line has to show that it is alive: where others might go in its place, beside those that share the lock. */
export function showsItselfAt(
  view: View,
  { stays, turn, key, me }: { stays: readonly Stay[]; turn: Turn; key: Key; me: Me },
): Steady | undefined {
  const shown = view.waiters.get(key);
  if (!shown || stays.length === 0 || !stays.every(({ holder }) => isShared(holder))) return undefined;
  return Math.max(turn.firstAt, later(shown.at, me.durationMs / 4)) as Steady;
}

function expiryOf({ deadAt, at, holder, witnessed }: Sighting, me: Me): Steady {
  const statedMs = holder.durationMs ?? me.durationMs;
  const durationMs = holder.granted && witnessed ? grantMsOf(statedMs) : statedMs;
  const freeAt = holder.ended ? keptUntil(at, durationMs) : othersMayTakeAt(at, durationMs);
  return Math.min(deadAt ?? Number.POSITIVE_INFINITY, freeAt) as Steady;
}

export function waitersAhead(state: LockState, place: { priority: number; ticket: number; nonce: string }): Waiter[] {
  return state.waiters.filter((waiter) => waiter.nonce !== place.nonce && byTurn(waiter, place) < 0);
}

/**
 * When the API server stamped a write of mine, nobody had held the lock, or come to wait for it, for longer than the windows of all that stand before
 * me: then they are dead, and must not starve those who do not queue. My own clock adds nothing to that stamp: over the hours of a wait it goes wrong
 * by more than the windows are long.
 */
export function isLongFree({ state, holders, stamp, clockRunsBack }: View, position: number): boolean {
  const { writtenAtServerMs, queuedAtServerMs = 0 } = state;
  if (holders.size > 0 || !stamp || clockRunsBack || writtenAtServerMs === undefined) return false;
  const idleMs = stamp.serverMs - Math.max(writtenAtServerMs, queuedAtServerMs);
  return position > 0 && idleMs > position * CLAIM_WINDOW_MS + CLOCKS_AGREE_MS;
}

/**
 * Whether those who hold the lock may be dead, as far as they are in the way, for all that one look can tell: by the API server's stamps they are, and have
 * only to be seen standing still; or nothing is stamped. The living show themselves by their next renewal.
 */
export function mayBeDead(view: View, me: Me): boolean {
  const blockers = blockersOf(view, me);
  const stays = (until: (one: Sighting) => boolean) =>
    blockers.map((one) => ({
      holder: one.holder,
      until: (until(one) ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY) as Steady,
    }));
  const room = (over: (one: Sighting) => boolean) =>
    roomFor(view, stays(over), me, me.policies?.weight) !== Number.POSITIVE_INFINITY;
  // There is room, and waiters stand before me: they have their turn.
  if (room(() => false)) return view.state.writtenAtServerMs === undefined;
  return room((one) => isSuspect(view, one));
}

/** Changes whenever somebody who may be dead does anything. */
export const suspects = (view: View, me: Me): string[] =>
  blockersOf(view, me)
    .filter((one) => isSuspect(view, one))
    .map(({ fingerprint }) => fingerprint);

function isSuspect({ stamp }: View, { deadAt, holder, at }: Sighting): boolean {
  if (holder.writtenAtServerMs === undefined) return true;
  if (deadAt === undefined || !stamp || holder.durationMs === undefined) return false;
  if (holder.ended) return deadAt <= stamp.receivedAt;
  return deadAt <= Math.max(stamp.receivedAt, later(at, standingStillMs(holder.durationMs)));
}

/** When a participant that does not queue may claim, if nothing changes. */
export function freeFor(view: View, me: Me, now: Steady, ticket = Number.POSITIVE_INFINITY): Steady {
  const ahead = waitersAhead(view.state, { priority: me.priority, ticket, nonce: me.nonce });
  const stays = staysOf(view, me);
  return turnOf(view, { stays, ahead, room: roomFor(view, stays, me, me.policies?.weight), me }, now).at;
}

/** Those who have the lock now, or may still believe so, apart from me. */
export const whoHolds = (view: View, me: Me, now: Steady): Holder[] => living(staysOf(view, me), now);

export const living = (stays: readonly Stay[], now: Steady): Holder[] =>
  stays.filter(({ until }) => until > now).map(({ holder }) => holder);

export const staysOf = (view: View, me: Me): Stay[] =>
  blockersOf(view, me).map((sighting) => ({ holder: sighting.holder, until: expiryOf(sighting, me) }));

/** Whoever has ended and was cleared keeps nothing, and runs nothing. */
const blockersOf = (view: View, me: Me): Sighting[] =>
  [...view.holders.values()].filter(({ holder }) => !isMe(holder, me) && !(holder.ended && holder.standing === 'ousted'));

/** When there is room for somebody of this weight, on my clock; not before the last holder was seen to go. */
export function roomFor({ state, vacatedAt }: View, stays: readonly Stay[], me: Me, weight: number | undefined): Steady {
  return Math.max(vacatedAt, roomAt(stays, weight, state.permits ?? me.policies?.permits)) as Steady;
}

/**
 * The rules of the lock: what may be done with a Lease, given what I have seen of it and when. Pure: time is an argument.
 * This is the one place where "may I?" is answered. It never looks at another machine's wall clock; a holder is dead when its entry has
 * stood still long enough on *my* monotonic clock, or long enough by the API server's own clock. The protocol: docs/protocol.md.
 */
import { later, type Steady } from '../clock.ts';
import { documentAt } from '../documents.ts';
import { describeLease } from '../names.ts';
import { CLOCKS_AGREE_MS, keptUntil, othersMayTakeAt, standingStillMs } from './deadlines.ts';
import { ANNOTATIONS_LIMIT, annotationsSize, keyOf } from './edit.ts';
import type { RawLease } from './lease.ts';
import { byTurn, type Holder, type Key, type LockState, type StopRequest, type Waiter } from './lock-state.ts';
import { findMine, isMe, type Me, type Moment } from './me.ts';
import { olderOfGroup, replacementOf, type Skip, skipFor } from './policies.ts';
import type { Sighting, View } from './sightings.ts';
import { claim, enqueue, type Place, renewal } from './writes.ts';

/**
 * How long each waiter that is ahead may leave a free lock alone before the next in line takes it. Smaller robs the slow of their turn,
 * larger makes everybody wait longer behind the dead.
 */
const CLAIM_WINDOW_MS = 2000;

export type Decision =
  | { kind: 'claim'; lease: RawLease; key: Key }
  /** My own earlier claim has come true: confirm it by one more write before anything is started. */
  | { kind: 'confirm'; lease: RawLease; key: Key }
  | { kind: 'enqueue'; lease: RawLease; place: Place; position: number; heldBy: Holder[] }
  /** Somebody asks me to leave the queue. */
  | { kind: 'stopped'; request: StopRequest }
  /** I need not wait any longer. */
  | { kind: 'skipped'; why: Skip }
  | { kind: 'wait'; until: Steady; position: number; heldBy: Holder[] }
  /** There is no room for me in the queue. */
  | { kind: 'full'; message: string; position: number; heldBy: Holder[] }
  | { kind: 'refused'; message: string };

/** Who asks, and with which ticket, if it has been seen in the queue before: its entry may have vanished since. */
export interface Asking {
  me: Me;
  ticket: number | undefined;
  /** When it came, likewise: it may stand where others stood before. */
  came?: number | undefined;
  /** I have been asked to leave. */
  stop?: StopRequest | undefined;
}

/** What a participant that wants the lock does next. */
export function decide(view: View, { me, ticket: known, came: knownCame, stop }: Asking, moment: Moment): Decision {
  const { state } = view;
  if (state.coordinated) return coordinated(state.coordinated, me);
  const blockers = blockersOf(view, me);
  const heldBy = whoHolds(view, me, moment.now);
  const mine = findMine(state.holders, me);
  if (mine?.standing === 'holds' && view.exists) {
    // A holder of a deleted incarnation may still be running, unaware of my late claim.
    if (heldBy.length > 0) return { kind: 'wait', until: freeAt(view, blockers, [], me), position: 0, heldBy };
    return { kind: 'confirm', key: mine.key, lease: renewal({ view, me, moment }, mine.key) };
  }
  const waiting = findMine(state.waiters, me);
  const request = stop ?? waiting?.stop;
  if (request) return { kind: 'stopped', request };
  const ticket = waiting?.ticket ?? mine?.ticket ?? known;
  const came = waiting?.came ?? mine?.came ?? knownCame ?? ticket;
  const why = skipFor(state, me, came);
  if (why) return { kind: 'skipped', why };
  const place = { ticket: ticket ?? placeOf(state, me), came: came ?? state.next };
  const older = olderOfGroup(state, me, place.came);
  const ahead = waitersAhead(state, { ...place, priority: me.priority, nonce: me.nonce }).filter((one) => !older.includes(one));
  const position = ahead.length;
  const claimAt = isLongFree(view, position) ? moment.now : later(freeAt(view, blockers, ahead, me), position * CLAIM_WINDOW_MS);
  if (claimAt <= moment.now)
    return { kind: 'claim', key: keyOf(place.ticket, me.nonce), lease: claim({ view, me, moment }, place, [...ahead, ...older]) };
  if (waiting && view.exists) return { kind: 'wait', until: claimAt, position, heldBy };
  const lease = enqueue({ view, me }, place);
  if (annotationsSize(lease) > ANNOTATIONS_LIMIT) {
    // Whoever has had a place keeps it: outside the queue until there is room, and its turn comes all the same.
    return ticket === undefined
      ? { kind: 'full', message: full(state, me), position, heldBy }
      : { kind: 'wait', until: claimAt, position, heldBy };
  }
  return { kind: 'enqueue', lease, place, position, heldBy };
}

/** At the end of the queue; or where the first of those stands that give up for me, as far as it counts for my priority. */
function placeOf(state: LockState, me: Me): number {
  const places = olderOfGroup(state, me, state.next).filter(({ priority }) => priority >= me.priority);
  return Math.min(state.next, ...places.map(({ ticket }) => ticket));
}

/**
 * When the API server stamped a write of mine, nobody had held the lock, or come to wait for it, for longer than the windows of all that stand before
 * me: then they are dead, and must not starve those who do not queue. My own clock adds nothing to that stamp: over the hours of a wait it goes wrong
 * by more than the windows are long.
 */
function isLongFree({ state, holders, stamp, clockRunsBack }: View, position: number): boolean {
  const { writtenAtServerMs, queuedAtServerMs = 0 } = state;
  if (holders.size > 0 || !stamp || clockRunsBack || writtenAtServerMs === undefined) return false;
  const idleMs = stamp.serverMs - Math.max(writtenAtServerMs, queuedAtServerMs);
  return position > 0 && idleMs > position * CLAIM_WINDOW_MS + CLOCKS_AGREE_MS;
}

/**
 * Whether a holder may be dead for all that one look can tell: by the API server's stamps it is, and has only to be seen standing still; or nothing is
 * stamped. A living one shows itself by its next renewal.
 */
export function mayBeDead(view: View, me: Me): boolean {
  const blockers = blockersOf(view, me);
  const { stamp, state } = view;
  // Free, and waiters stand before me: they have their turn.
  if (blockers.length === 0) return state.writtenAtServerMs === undefined;
  return blockers.every(({ deadAt, holder, at }) => {
    if (state.writtenAtServerMs === undefined) return true;
    if (deadAt === undefined || !stamp || holder.durationMs === undefined) return false;
    if (holder.ended) return deadAt <= stamp.receivedAt;
    return deadAt <= Math.max(stamp.receivedAt, later(at, standingStillMs(holder.durationMs)));
  });
}

/** When a participant that does not queue may claim, if nothing changes. */
export function freeFor(view: View, { me, ticket = Number.POSITIVE_INFINITY }: Asking): Steady {
  const ahead = waitersAhead(view.state, { priority: me.priority, ticket, nonce: me.nonce });
  return later(freeAt(view, blockersOf(view, me), ahead, me), ahead.length * CLAIM_WINDOW_MS);
}

/** Those who have the lock now, or may still believe so, apart from me. */
export function whoHolds(view: View, me: Me, now: Steady): Holder[] {
  return blockersOf(view, me)
    .filter((sighting) => expiryOf(sighting, me) > now)
    .map(({ holder }) => holder);
}

/** Whoever has ended and was cleared keeps nothing, and runs nothing. */
const blockersOf = (view: View, me: Me): Sighting[] =>
  [...view.holders.values()].filter(({ holder }) => !isMe(holder, me) && !(holder.ended && holder.standing === 'ousted'));

function coordinated(why: string, me: Me): Decision {
  const message =
    `${describeLease(me)} belongs to the API server's coordinated leader election (${why}): use another name ` +
    `(${documentAt('troubleshooting.md#a-lease-of-a-leader-election')})`;
  return { kind: 'refused', message };
}

function full({ waiters }: LockState, me: Me): string {
  return `${describeLease(me)} has no room for another waiter: its queue has ${waiters.length} (${documentAt('troubleshooting.md#the-queue-is-full')})`;
}

/**
 * When the lock is free for me, on my clock. Only exclusive requests exist: every holder blocks every other. A waiter ahead
 * counts from when I first saw it, so that one which has just put itself back has its whole window.
 */
function freeAt(view: View, blockers: Sighting[], ahead: Waiter[], me: Me): Steady {
  const moments = [
    view.vacatedAt,
    ...blockers.map((sighting) => expiryOf(sighting, me)),
    ...[...view.waiters].filter(([key]) => ahead.some((waiter) => waiter.key === key)).map(([, seenAt]) => seenAt),
  ];
  return Math.max(...moments) as Steady;
}

function expiryOf({ deadAt, at, holder }: Sighting, me: Me): Steady {
  const durationMs = holder.durationMs ?? me.durationMs;
  const freeAt = holder.ended ? keptUntil(at, durationMs) : othersMayTakeAt(at, durationMs);
  return Math.min(deadAt ?? Number.POSITIVE_INFINITY, freeAt) as Steady;
}

function waitersAhead(state: LockState, place: { priority: number; ticket: number; nonce: string }): Waiter[] {
  return state.waiters.filter((waiter) => waiter.nonce !== place.nonce && byTurn(waiter, place) < 0);
}

export type HoldJudgement = { kind: 'mine'; stop: StopRequest | undefined } | { kind: 'lost'; reason: string };

/** What a Lease that exists says to somebody who believes that he holds it under `key`. */
export function judgeHold(state: LockState, me: Me, key: Key): HoldJudgement {
  const named = state.lease.spec?.holderIdentity ?? '';
  const mine = state.holders.find((holder) => holder.key === key);
  // An entry made unreadable by somebody, while the spec still names me: mine, and the next renewal mends it.
  const intact = mine?.standing === 'holds' ? mine.id === me.id : mine?.id === '' && named === me.id;
  if (!intact) return { kind: 'lost', reason: lossReason(named, me, mine !== undefined) };
  if (state.coordinated)
    return {
      kind: 'mine',
      stop: { holder: me.id, by: 'coordinated leader election', kind: 'coordinated', reason: state.coordinated },
    };
  const asked = state.stop?.holder === me.id || state.stop?.holder === key ? state.stop : undefined;
  return { kind: 'mine', stop: asked ?? (mine && replacementOf(state, mine, me)) };
}

function lossReason(named: string, me: Me, entryRemains: boolean): string {
  if (named === '') return entryRemains ? 'another client cleared the holder' : 'another client cleared the lock';
  if (named === me.id) return 'the holder entry was removed: another process uses the same id, or someone edited the Lease';
  return `it is held by ${named}`;
}

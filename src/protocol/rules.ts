/**
 * The rules of the lock: what may be done with a Lease, given what I have seen of it and when. Pure: time is an argument.
 * This is the one place where "may I?" is answered. It never looks at another machine's wall clock; a holder is dead when its entry has
 * stood still long enough on *my* monotonic clock, or long enough by the API server's own clock. The protocol: docs/protocol.md.
 */
import { NEVER, type Steady } from '../clock.ts';
import { documentAt } from '../documents.ts';
import { describeLease } from '../names.ts';
import { ANNOTATIONS_LIMIT, annotationsSize, keyOf } from './edit.ts';
import type { RawLease } from './lease.ts';
import type { Holder, Key, LockState, StopRequest, Waiter } from './lock-state.ts';
import { findMine, type Me, type Moment } from './me.ts';
import { agedPriority, agesAt, olderOfGroup, replacementOf, type Skip, skipFor } from './policies.ts';
import { describePermits, type Stay } from './room.ts';
import type { View } from './sightings.ts';
import { isLongFree, living, roomFor, showsItselfAt, staysOf, type Turn, turnOf, waitersAhead } from './turns.ts';
import { claim, enqueue, type Place, renewal } from './writes.ts';

export type Decision =
  | { kind: 'claim'; lease: RawLease; key: Key }
  /** My own earlier claim has come true, or the lock was handed to me: `lease` confirms it, before anything is started that needs more time than a grant. */
  | { kind: 'confirm'; lease: RawLease; holder: Holder }
  | { kind: 'enqueue'; lease: RawLease; place: Place; position: number; heldBy: Holder[] }
  /** Somebody asks me to leave the queue. */
  | { kind: 'stopped'; request: StopRequest }
  /** I need not wait any longer. */
  | { kind: 'skipped'; why: Skip }
  /** `outside`: there is no room for me in the queue. */
  | { kind: 'wait'; until: Steady; position: number; heldBy: Holder[]; outside?: boolean }
  | { kind: 'refused'; message: string };

/** Who asks, and with which ticket, if it has been seen in the queue before: its entry may have vanished since. */
export interface Asking {
  me: Me;
  ticket: number | undefined;
  /** When it came, likewise: it may stand where others stood before. */
  came?: number | undefined;
  /** The ticket that it would have got when it came, had there been room. */
  arrived?: number | undefined;
  /** For how long it has waited; undefined: it has just come. */
  waitedMs?: number | undefined;
  /** I have been asked to leave. */
  stop?: StopRequest | undefined;
}

/** What a participant that wants the lock does next. */
export function decide(view: View, asking: Asking, moment: Moment): Decision {
  const { me, ticket: known, came: knownCame, arrived, waitedMs = 0, stop } = asking;
  const { state } = view;
  if (state.coordinated) return coordinated(state.coordinated, me);
  const stays = staysOf(view, me);
  const room = roomFor(view, stays, me, me.policies?.weight);
  const heldBy = room > moment.now ? living(stays, moment.now) : [];
  const mine = findMine(state.holders, me);
  const waiting = findMine(state.waiters, me);
  const request = stop ?? waiting?.stop;
  if (mine?.standing === 'holds' && view.exists) {
    // A holder of a deleted incarnation may still be running, unaware of my late claim.
    if (heldBy.length > 0) return request ? { kind: 'stopped', request } : { kind: 'wait', until: room, position: 0, heldBy };
    // What I have claimed, I wanted; what was handed to me, I may not want any more.
    const why = mine.granted ? skipFor(state, me, mine.came) : undefined;
    if (why) return { kind: 'skipped', why };
    return { kind: 'confirm', holder: mine, lease: renewal({ view, me, moment }, mine.key) };
  }
  if (request) return { kind: 'stopped', request };
  const ticket = waiting?.ticket ?? mine?.ticket ?? known;
  const came = waiting?.came ?? mine?.came ?? knownCame ?? ticket;
  const why = skipFor(state, me, came);
  if (why) return { kind: 'skipped', why };
  const misfit = ticket === undefined ? misfitOf(state, me) : undefined;
  if (misfit) return { kind: 'refused', message: misfit };
  const place = { ticket: ticket ?? placeOf(state, me, arrived), came: came ?? Math.min(state.next, arrived ?? NEVER) };
  const older = olderOfGroup(state, me, place.came);
  // The document says who stands before whom, to all alike.
  const priority = waiting?.priority ?? agedPriority(me, waitedMs);
  const ahead = waitersAhead(state, { ...place, priority, nonce: me.nonce }).filter((one) => !older.includes(one));
  const turn = turnOf(view, { stays, ahead, room, me }, moment.now);
  if (turn.at <= moment.now || isLongFree(view, ahead.length)) {
    const change = { passedOver: [...ahead, ...older], beside: living(stays, moment.now) };
    return { kind: 'claim', key: keyOf(place.ticket, me.nonce), lease: claim({ view, me, moment }, place, change) };
  }
  const queueing = { me, moment, waitedMs, stays, turn, place, ahead };
  return inQueue(view, queueing, { position: ahead.length, heldBy });
}

interface Queueing {
  me: Me;
  moment: Moment;
  waitedMs: number;
  stays: readonly Stay[];
  turn: Turn;
  place: Place;
  ahead: readonly Waiter[];
}

/** Joins the queue, stays in it, or writes anew: to show those behind that it is alive, or that it is older than it was. */
function inQueue(
  view: View,
  { me, moment, waitedMs, stays, turn, place, ahead }: Queueing,
  told: { position: number; heldBy: Holder[] },
): Decision {
  const { waiters } = view.state;
  const waiting = view.exists ? findMine(waiters, me) : undefined;
  const showAt = waiting && showsItselfAt(view, { stays, turn, key: waiting.key, me });
  const ageAt = waiting && agesAt(waiting, { ahead, me, waitedMs, now: moment.now });
  const writeAt = Math.min(showAt ?? NEVER, ageAt ?? NEVER) as Steady;
  if (waiting && writeAt > moment.now) return { kind: 'wait', until: Math.min(turn.at, writeAt) as Steady, ...told };
  const priority = waiting && (ageAt ?? NEVER) > moment.now ? waiting.priority : agedPriority(me, waitedMs);
  const lease = enqueue({ view, me: { ...me, priority } }, place, waiting && moment.mark);
  if (annotationsSize(lease) <= ANNOTATIONS_LIMIT) return { kind: 'enqueue', lease, place, ...told };
  // Outside of the queue, until there is room; its turn comes all the same.
  return { kind: 'wait', until: turn.at, outside: true, ...told };
}

/** At the end of the queue, as it was when I came; or where the first of those stands that give up for me, as far as it counts for my priority. */
function placeOf(state: LockState, me: Me, arrived: number = NEVER): number {
  const places = olderOfGroup(state, me, state.next).filter(({ priority }) => priority >= me.priority);
  return Math.min(state.next, arrived, ...places.map(({ ticket }) => ticket));
}

/** Why this lock is not for me. */
function misfitOf({ permits }: LockState, me: Me): string | undefined {
  const { permits: expected, weight = 0 } = me.policies ?? {};
  const has = `${describeLease(me)} has ${describePermits(permits)}`;
  if (permits !== undefined && expected !== undefined && permits !== expected)
    return `${has}, not ${expected}: give the number that it has, or change it (${documentAt('policies.md#permits')})`;
  const most = permits ?? expected;
  if (most !== undefined && weight > most)
    return `${describeLease(me)} has ${describePermits(most)}, and a weight of ${weight} never fits (${documentAt('policies.md#permits')})`;
  return undefined;
}

function coordinated(why: string, me: Me): Decision {
  const message =
    `${describeLease(me)} belongs to the API server's coordinated leader election (${why}): use another name ` +
    `(${documentAt('troubleshooting.md#a-lease-of-a-leader-election')})`;
  return { kind: 'refused', message };
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

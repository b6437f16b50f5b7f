/**
 * The rules of the lock: what may be done with a Lease, given what I have seen of it and when. Pure: time is an argument.
 * This is the one place where "may I?" is answered. It never looks at another machine's wall clock; a holder is dead when its entry has
 * stood still long enough on *my* monotonic clock, or long enough by the API server's own clock. The protocol: docs/protocol.md.
 */
import { later, type Monotonic, NEVER } from '../clock.ts';
import {
  type About,
  ANNOTATIONS_LIMIT,
  annotationsSize,
  asNew,
  byTurn,
  edit,
  type Holder,
  type HolderText,
  type Key,
  keyOf,
  type LockState,
  microTime,
  newLease,
  type RawLease,
  type RawSpec,
  type StopRequest,
  type Waiter,
} from './document.ts';

/**
 * How long each waiter that is ahead may leave a free lock alone before the next in line takes it. Smaller robs the slow of their turn,
 * larger makes everybody wait longer behind the dead.
 */
export const CLAIM_WINDOW_MS = 2000;

/** Who I am on this lock. `ticket` is set once I have been seen in the queue, and kept if my entry vanishes. */
export interface Me {
  namespace: string;
  name: string;
  id: string;
  nonce: string;
  ticket?: number;
  priority: number;
  durationMs: number;
  about: About;
  /** When I came, by my wall clock: for people. */
  since: string;
  /** Write the expiry into renewTime, as K8SLock 0.2.5 expects of everyone. */
  legacyExpiry: boolean;
  labels?: Record<string, string>;
}

/** The last time an entry was seen to change: received then, on my clock. */
interface Sighting {
  fingerprint: string;
  at: Monotonic;
  /** The incarnation of the Lease that it was seen in. */
  uid: string | undefined;
  /** From when on it is dead by the API server's own clock. */
  deadAt: Monotonic | undefined;
  holder: Holder;
}

/** What I know of one lock: the newest document, and since when things are as they are. */
export interface View {
  state: LockState;
  /** False: the Lease does not exist (any more) and `state` is how it was last known. */
  exists: boolean;
  holders: ReadonlyMap<Key, Sighting>;
  /** When the last holder was seen to go. */
  vacatedAt: Monotonic;
  /** When each waiter was first seen. */
  waiters: ReadonlyMap<Key, Monotonic>;
}

export interface Reading {
  state: LockState;
  exists: boolean;
  receivedAt: Monotonic;
  /** The API server's clock when it answered, in milliseconds since 1970; absent for a watch event. */
  serverMs?: number | undefined;
}

export function observe(before: View | undefined, reading: Reading): View {
  // A deleted Lease is remembered as it was: whoever held it may still be running, and whoever waited is still waiting.
  const state = reading.exists ? reading.state : (before?.state ?? reading.state);
  const holders = new Map<Key, Sighting>();
  const broken = before !== undefined && isAnotherIncarnation(before, reading);
  for (const holder of state.holders)
    holders.set(holder.key, sight(broken ? undefined : before?.holders.get(holder.key), holder, state, reading));
  for (const [key, sighting] of before?.holders ?? []) {
    // Gone in the same incarnation: it left, or whoever removed it knew that it was dead. Gone in another one: it may not know yet.
    if (!holders.has(key) && state.uid !== undefined && sighting.uid !== state.uid) {
      holders.set(key, broken ? { ...sighting, at: reading.receivedAt, deadAt: undefined } : sighting);
    }
  }
  const someoneLeft = [...(before?.holders.keys() ?? [])].some((key) => !holders.has(key));
  // Someone may have held and left between two readings: those ahead then have their windows from now.
  const changedHands = before !== undefined && (broken || before.state.transitions !== state.transitions);
  const waiters = new Map(state.waiters.map(({ key }) => [key, before?.waiters.get(key) ?? reading.receivedAt]));
  return {
    state,
    exists: reading.exists,
    holders,
    waiters,
    vacatedAt: before && !someoneLeft && !changedHands ? before.vacatedAt : reading.receivedAt,
  };
}

/**
 * Within one incarnation a compare-and-set proves that nothing newer than my view exists, so that an old sighting is as good as a new one. Over a
 * deletion nothing proves it: the holder may have renewed unseen just before, and is given its whole duration from now.
 */
function isAnotherIncarnation(before: View, { exists, state }: Reading): boolean {
  return exists ? before.state.uid !== undefined && before.state.uid !== state.uid : before.exists;
}

function sight(before: Sighting | undefined, holder: Holder, state: LockState, reading: Reading): Sighting {
  const known = before?.fingerprint === holder.fingerprint ? before : undefined;
  return {
    fingerprint: holder.fingerprint,
    at: known?.at ?? reading.receivedAt,
    deadAt: known?.deadAt ?? longDeadAt(holder, state, reading),
    uid: state.uid,
    holder,
  };
}

/**
 * When a holder that stays silent is dead by the API server's own clock, so that a newcomer need not watch it for a whole duration. No
 * participant's clock is involved; the API servers of one cluster have to agree within a minute. Less than a minute would trust them more
 * than they deserve. Told for the future, too: else one who comes a moment later, when it is dead, would overtake me.
 */
function longDeadAt(
  { durationMs }: Holder,
  { writtenAtServerMs }: LockState,
  { receivedAt, serverMs }: Reading,
): Monotonic | undefined {
  if (durationMs === undefined || writtenAtServerMs === undefined || serverMs === undefined) return undefined;
  const silentMs = serverMs - writtenAtServerMs;
  return later(receivedAt, Math.max(0, durationMs + Math.max(60_000, durationMs) - silentMs));
}

/** What others add to my duration before they take my lock: it absorbs clocks that run at different rates. */
export const expiryMarginMs = (durationMs: number): number => Math.max(2000, durationMs / 10);

export type Decision =
  | { kind: 'claim'; lease: RawLease; key: Key }
  /** My own earlier claim has come true: confirm it by one more write before anything is started. */
  | { kind: 'confirm'; lease: RawLease; key: Key }
  | { kind: 'enqueue'; lease: RawLease; ticket: number; position: number; heldBy: Holder[] }
  | { kind: 'wait'; until: Monotonic; position: number; heldBy: Holder[] }
  | { kind: 'refused'; message: string };

export interface Moment {
  now: Monotonic;
  wall: Date;
  /** The mark of the write that this decision may lead to: never used before. */
  mark: string;
}

/** What a participant that wants the lock does next. */
export function decide(view: View, me: Me, moment: Moment): Decision {
  const { state } = view;
  const subject = `Lease ${me.namespace}/${me.name}`;
  if (state.coordinated) {
    return {
      kind: 'refused',
      message: `${subject} belongs to the API server's coordinated leader election (${state.coordinated}): use another name (docs/protocol.md#coordinated)`,
    };
  }
  const blockers = [...view.holders.values()].filter(({ holder }) => !isMe(holder, me));
  const heldBy = blockers.filter((sighting) => expiryOf(sighting, me) > moment.now).map(({ holder }) => holder);
  const mine = findMine(state.holders, me);
  if (mine?.standing === 'holds' && view.exists) {
    // A holder of a deleted incarnation may still be running, unaware of my late claim.
    if (heldBy.length > 0) return { kind: 'wait', until: freeAt(view, blockers, [], me), position: 0, heldBy };
    return { kind: 'confirm', key: mine.key, lease: renewal(state, me, mine.key, moment) };
  }
  const waiting = findMine(state.waiters, me);
  const ticket = waiting?.ticket ?? mine?.ticket ?? me.ticket;
  const ahead = waitersAhead(state, { priority: me.priority, ticket: ticket ?? Number.POSITIVE_INFINITY, nonce: me.nonce });
  const position = ahead.length;
  const claimAt = later(freeAt(view, blockers, ahead, me), position * CLAIM_WINDOW_MS);
  if (claimAt <= moment.now) {
    const mineNow = ticket ?? state.next;
    return { kind: 'claim', key: keyOf(mineNow, me.nonce), lease: claim(view, me, mineNow, ahead, moment) };
  }
  if (waiting && view.exists) return { kind: 'wait', until: claimAt, position, heldBy };
  const place = ticket ?? state.next;
  const lease = enqueued(view, me, place);
  if (annotationsSize(lease) > ANNOTATIONS_LIMIT) {
    return {
      kind: 'refused',
      message: `${subject} has no room for another waiter: ${state.waiters.length} stand in its queue (docs/protocol.md#limits)`,
    };
  }
  return { kind: 'enqueue', lease, ticket: place, position, heldBy };
}

/**
 * When the lock is free for me, on my clock. Only exclusive requests exist: every holder blocks every other. Whoever waits ahead counts from
 * when I first saw him, so that one who has just put himself back has his whole window.
 */
function freeAt(view: View, blockers: Sighting[], ahead: Waiter[], me: Me): Monotonic {
  const moments = [
    view.vacatedAt,
    ...blockers.map((sighting) => expiryOf(sighting, me)),
    ...[...view.waiters].filter(([key]) => ahead.some((waiter) => waiter.key === key)).map(([, seenAt]) => seenAt),
  ];
  return Math.max(...moments) as Monotonic;
}

function expiryOf({ deadAt, at, holder }: Sighting, me: Me): Monotonic {
  const durationMs = holder.durationMs ?? me.durationMs;
  return Math.min(deadAt ?? NEVER, later(at, durationMs + expiryMarginMs(durationMs))) as Monotonic;
}

function waitersAhead(state: LockState, place: { priority: number; ticket: number; nonce: string }): Waiter[] {
  return state.waiters.filter((waiter) => waiter.nonce !== place.nonce && byTurn(waiter, place) < 0);
}

/** "Me" is this id and this nonce: two processes that were given one id by mistake exclude each other. */
function findMine<T extends { id: string; nonce: string }>(entries: readonly T[], me: Me): T | undefined {
  return entries.find((entry) => isMe(entry, me));
}

const isMe = (entry: { id: string; nonce: string }, me: Me): boolean => entry.id === me.id && entry.nonce === me.nonce;

function claim(view: View, me: Me, ticket: number, passedOver: Waiter[], moment: Moment): RawLease {
  const { state } = view;
  const key = keyOf(ticket, me.nonce);
  return edit(baseOf(view, me), {
    holders: {
      ...removed(state.holders.filter((holder) => holder.standing !== 'foreign').map((holder) => holder.key)),
      [key]: holderText(me, moment, microTime(moment.wall)),
    },
    waiters: removed([...passedOver.map((waiter) => waiter.key), ...state.unreadable, ...ownKeys(state.waiters, me)]),
    lock: { next: Math.max(state.next, ticket + 1), stop: undefined },
    spec: {
      ...heldSpec(me, moment, state.lease.spec),
      acquireTime: microTime(moment.wall),
      leaseTransitions: state.transitions + 1,
    },
  });
}

function enqueued(view: View, me: Me, ticket: number): RawLease {
  const { state } = view;
  return edit(baseOf(view, me), {
    waiters: {
      ...removed([...state.unreadable, ...ownKeys(state.waiters, me)]),
      [keyOf(ticket, me.nonce)]: { id: me.id, since: me.since, priority: me.priority, about: me.about },
    },
    lock: { next: Math.max(state.next, ticket + 1) },
  });
}

/** The next write of a holder: only the mark and the time change. */
export function renewal(state: LockState, me: Me, key: Key, moment: Moment): RawLease {
  const since = findMine(state.holders, me)?.since ?? state.lease.spec?.acquireTime;
  const waiters = removed(ownKeys(state.waiters, me)); // A claim may have come true late, over a Lease that was put back meanwhile.
  return edit(state.lease, {
    holders: { [key]: holderText(me, moment, since) },
    waiters,
    spec: heldSpec(me, moment, state.lease.spec),
  });
}

/** Puts a deleted Lease back as its living holder knew it. */
export function restored(state: LockState, me: Me, key: Key, moment: Moment): RawLease {
  return asNew(renewal(state, me, key, moment));
}

/** The document without me, as holder or as waiter; undefined if nothing of mine is in it. */
export function withdrawn(state: LockState, me: Me, wall: Date): { lease: RawLease; asHolder: boolean } | undefined {
  const mine = findMine(state.holders, me);
  const waiting = ownKeys(state.waiters, me);
  const asHolder = mine?.standing === 'holds';
  if (!mine && waiting.length === 0) return undefined;
  const lease = edit(state.lease, {
    holders: removed(mine ? [mine.key] : []),
    waiters: removed([...waiting, ...state.unreadable]),
    ...(asHolder && {
      lock: { stop: undefined },
      // What client-go writes on release; 0.2.5 of K8SLock takes it, too, since the time is past.
      spec: { holderIdentity: '', leaseDurationSeconds: 1, renewTime: microTime(wall) },
    }),
  });
  return { lease, asHolder };
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
      stop: { holder: me.id, by: 'coordinated leader election', kind: 'replace', reason: state.coordinated },
    };
  return { kind: 'mine', stop: state.stop?.holder === me.id || state.stop?.holder === key ? state.stop : undefined };
}

function lossReason(named: string, me: Me, entryRemains: boolean): string {
  if (named === '') return entryRemains ? 'another client cleared the holder' : 'another client cleared the lock';
  if (named === me.id) return 'my entry was removed, by another process with the same id or by hand';
  return `it is held by ${named}`;
}

function baseOf({ exists, state }: View, me: Me): RawLease {
  const lease = exists ? state.lease : asNew(state.lease);
  if (!me.labels) return lease;
  return { ...lease, metadata: { ...lease.metadata, labels: { ...lease.metadata.labels, ...me.labels } } };
}

function holderText(me: Me, moment: Moment, since: string | undefined): HolderText {
  return { id: me.id, mark: moment.mark, durationMs: me.durationMs, since, about: me.about };
}

function heldSpec(me: Me, { wall }: Moment, before: RawSpec | undefined): RawSpec {
  const written = wall.getTime() + (me.legacyExpiry ? me.durationMs : 0);
  // client-go compares whole seconds: a renewal within the same second, or by a clock set back, would look like none.
  const last = before?.holderIdentity === me.id && before.renewTime ? Date.parse(before.renewTime) : Number.NaN;
  const renewTime = Number.isNaN(last) ? written : Math.max(written, last + 1000);
  return { holderIdentity: me.id, leaseDurationSeconds: me.durationMs / 1000, renewTime: microTime(new Date(renewTime)) };
}

function ownKeys(waiters: Waiter[], me: Me): Key[] {
  return waiters.filter((waiter) => isMe(waiter, me)).map((waiter) => waiter.key);
}

function removed(keys: Key[]): Record<Key, undefined> {
  return Object.fromEntries(keys.map((key) => [key, undefined]));
}

/** What is known of a Lease that has never existed. */
export function absentLease(me: Me): RawLease {
  return newLease(me.namespace, me.name);
}

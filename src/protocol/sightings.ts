/**
 * What a participant has observed of a lock, and since when: the memory that rules.ts judges by. Pure: the moment of a reading is an argument. No
 * other machine's wall clock is involved.
 */
import { later, type Steady } from '../clock.ts';
import { keptUntil, longDeadAfterMs, standingStillMs } from './deadlines.ts';
import { newerVersion } from './lease.ts';
import type { Holder, Key, LockState, Waiter } from './lock-state.ts';

/** The last time an entry was seen to change: received then, on my clock. */
export interface Sighting {
  fingerprint: string;
  at: Steady;
  /** The incarnation of the Lease that it was seen in. */
  uid: string | undefined;
  /** The lock was handed to it before my eyes: no more than that can have happened. Else it may have written since, in a Lease that is gone. */
  witnessed: boolean;
  /** From when on it is dead by the API server's own clock. */
  deadAt: Steady | undefined;
  holder: Holder;
}

/** When a waiter was first seen, and when its entry last changed: one that stands before those who could go shows that it is alive. */
export interface WaiterSighting {
  firstAt: Steady;
  fingerprint: string;
  at: Steady;
}

/** What I know of one lock: the newest document, and since when things are as they are. */
export interface View {
  state: LockState;
  /** False: the Lease does not exist (any more) and `state` is how it was last known. */
  exists: boolean;
  holders: ReadonlyMap<Key, Sighting>;
  /** When the last holder was seen to go. */
  vacatedAt: Steady;
  waiters: ReadonlyMap<Key, WaiterSighting>;
  /** The last time that I saw the API server's clock; undefined before it has stamped a write of mine. */
  stamp: Stamp | undefined;
  newestStampMs: number;
  /** Its stamps have run backwards once: for this participant they say nothing any more. */
  clockRunsBack: boolean;
}

export interface Reading {
  state: LockState;
  exists: boolean;
  receivedAt: Steady;
}

export function observe(before: View | undefined, reading: Reading): View {
  // A deleted Lease is remembered as it was: whoever held it may still be running, and whoever waited is still waiting.
  const state = reading.exists ? reading.state : (before?.state ?? reading.state);
  const holders = new Map<Key, Sighting>();
  const wiped = (before?.state.isWritten ?? false) && !state.isWritten;
  const setBack = before !== undefined && isSetBack(before, reading);
  const broken = before !== undefined && (wiped || setBack || isAnotherIncarnation(before, reading));
  for (const holder of state.holders) holders.set(holder.key, sight(broken ? undefined : before, holder, state, reading));
  for (const [key, sighting] of before?.holders ?? []) {
    // Gone in the same incarnation: it left, or whoever removed it knew that it was dead. Gone in another one: it may not know yet.
    if (!holders.has(key) && state.uid !== undefined && (wiped || setBack || sighting.uid !== state.uid)) {
      // Somebody has put another Lease in the place of this one: it is remembered as if that had been a deletion.
      const { uid } = wiped || setBack ? { uid: undefined } : sighting;
      holders.set(key, broken ? { ...sighting, uid, at: reading.receivedAt, witnessed: false } : sighting);
    }
  }
  const someoneLeft = [...(before?.holders.keys() ?? [])].some((key) => !holders.has(key));
  // Someone may have held and left between two readings: those ahead then have their windows from now.
  const changedHands = before !== undefined && (broken || hasChangedHands(before.state, state));
  const hasRoom = before !== undefined && before.state.permits !== state.permits;
  const waiters = new Map(
    state.waiters.map((waiter) => [waiter.key, sightWaiter(before?.waiters.get(waiter.key), waiter, reading)]),
  );
  return withDeaths({
    state,
    exists: reading.exists,
    holders,
    waiters,
    vacatedAt: before && !someoneLeft && !changedHands && !hasRoom ? before.vacatedAt : reading.receivedAt,
    stamp: broken ? undefined : stampAfter(before, reading),
    newestStampMs: Math.max(before?.newestStampMs ?? 0, state.writtenAtServerMs ?? 0, state.queuedAtServerMs ?? 0),
    clockRunsBack: before?.clockRunsBack ?? false,
  });
}

/** A former leader that clears the lock of another writes back the transitions that it knew: then only the stamp tells. */
const hasChangedHands = (before: LockState, now: LockState): boolean =>
  before.transitions !== now.transitions ||
  (before.holders.length + now.holders.length === 0 && before.writtenAtServerMs !== now.writtenAtServerMs);

/**
 * Within one incarnation a compare-and-set proves that nothing newer than my view exists, so that an old sighting is as good as a new one. Over a
 * deletion nothing proves it: the holder may have renewed unseen just before, and is given its whole duration from now.
 */
function isAnotherIncarnation(before: View, { exists, state }: Reading): boolean {
  return exists ? before.state.uid !== undefined && before.state.uid !== state.uid : before.exists;
}

/**
 * The same Lease as it was before what I have seen of it: etcd has come back from a backup. Its versions go back, unless the restore has raised them; then
 * fewer tickets have been given. Who has held it since the backup may not know yet that it no longer does.
 */
function isSetBack({ state: seen, exists }: View, { state, exists: nowExists }: Reading): boolean {
  if (!nowExists || seen.uid === undefined || seen.uid !== state.uid) return false;
  // An answer of before may have said late that there is none, while there was one again: what is newer than it is no return.
  const older = exists
    ? newerVersion(seen.resourceVersion, state.resourceVersion)
    : !newerVersion(state.resourceVersion, seen.resourceVersion);
  return older || (state.isWritten && state.next < seen.next);
}

function sight(view: View | undefined, holder: Holder, state: LockState, reading: Reading): Sighting {
  const before = view?.holders.get(holder.key);
  const known = before?.fingerprint === holder.fingerprint ? before : undefined;
  const saw = view?.exists && view.state.uid === state.uid;
  return {
    fingerprint: holder.fingerprint,
    at: known?.at ?? reading.receivedAt,
    witnessed: known?.witnessed ?? (saw === true && before === undefined),
    deadAt: undefined,
    uid: state.uid,
    holder,
  };
}

function sightWaiter(before: WaiterSighting | undefined, { fingerprint }: Waiter, { receivedAt }: Reading): WaiterSighting {
  return {
    firstAt: before?.firstAt ?? receivedAt,
    fingerprint,
    at: before?.fingerprint === fingerprint ? before.at : receivedAt,
  };
}

/** The API server's clock, as it stamped a write, and when I received that: at that moment it showed no less. */
export interface Stamp {
  serverMs: number;
  receivedAt: Steady;
}

/** A new write of a holder is stamped by the same clock. */
function stampAfter(before: View | undefined, { state, receivedAt }: Reading): Stamp | undefined {
  const { writtenAtServerMs: serverMs } = state;
  if (!before?.stamp || serverMs === undefined || serverMs === before.state.writtenAtServerMs) return before?.stamp;
  return { serverMs, receivedAt };
}

/** The API server has stamped a write of my own. Only its own stamps count: a `Date` header may be a proxy's. */
export function stamped(view: View, stamp: Stamp): View {
  // Earlier than what it has stamped before: several clocks, or one that was set back. Neither is to be believed.
  const clockRunsBack = view.clockRunsBack || stamp.serverMs < view.newestStampMs - TOLERATED_MS;
  return withDeaths({ ...view, stamp, newestStampMs: Math.max(view.newestStampMs, stamp.serverMs), clockRunsBack });
}

/**
 * What the API server's clock says of the silence of those whom I see. It is asked again whenever anything changes: somebody else may change the entry of
 * a dead holder, and does not bring it back to life.
 */
function withDeaths(view: View): View {
  const { state, stamp, clockRunsBack } = view;
  const holders = new Map(
    [...view.holders].map(([key, sighting]) => {
      const { writtenAtServerMs } = sighting.holder;
      const told = stamp && writtenAtServerMs !== undefined && !clockRunsBack && sighting.uid === state.uid;
      return [key, { ...sighting, deadAt: told ? longDeadAt(sighting, writtenAtServerMs, stamp) : undefined }];
    }),
  );
  return { ...view, holders };
}

/** API servers stamp whole seconds, and several agree only roughly. */
const TOLERATED_MS = 5000;

/**
 * When a holder that stays silent is dead by the API server's own clock, so that a newcomer need not watch it for a whole duration. Known in advance,
 * too: else a newcomer that comes a moment later, when it is dead, would overtake a waiter.
 */
function longDeadAt({ at, holder }: Sighting, writtenAtServerMs: number, stamp: Stamp): Steady | undefined {
  const { durationMs, ended } = holder;
  if (durationMs === undefined) return undefined;
  const silentMs = stamp.serverMs - writtenAtServerMs;
  // Nothing of it runs, so that a clock that is wrong costs some of the time that was asked for, and nobody's safety.
  if (ended) return later(stamp.receivedAt, Math.max(0, keptUntil(0 as Steady, durationMs) - silentMs));
  const byStamps = later(stamp.receivedAt, Math.max(0, longDeadAfterMs(durationMs) - silentMs));
  return Math.max(byStamps, later(at, standingStillMs(durationMs))) as Steady;
}

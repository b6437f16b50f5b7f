/**
 * What a participant has observed of a lock, and since when: the memory that rules.ts judges by. Pure: the moment of a reading is an argument. No
 * other machine's wall clock is involved.
 */
import { later, type Monotonic } from '../clock.ts';
import type { Holder, Key, LockState } from './document.ts';

/** The last time an entry was seen to change: received then, on my clock. */
export interface Sighting {
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

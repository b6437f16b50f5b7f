/**
 * The documents that an administrator writes: a request to stop, a lock without one of its holders, a queue in another order. Pure. Each changes exactly the
 * entry that is named, in the Lease as it was read; everything else is written back as it came.
 */
import { UNLOCKED, WAITER } from './document.ts';
import { edit } from './edit.ts';
import { readObject } from './entries.ts';
import type { RawLease } from './lease.ts';
import type { Holder, LockState, StopRequest, Waiter } from './lock-state.ts';
import { leftSpec } from './writes.ts';

/** Who writes, why, and when, for people. */
export interface Signed {
  by: string;
  reason: string | undefined;
  wall: Date;
}

const timeOf = ({ wall }: Signed): string => `${wall.toISOString().slice(0, 19)}Z`;

/** Asks this holder to stop its command and to release the lock. By its key: others may have the same id. */
export function stopRequest({ lease }: LockState, holder: Holder, signed: Signed): RawLease {
  const { by, reason } = signed;
  const stop: StopRequest = {
    holder: holder.key,
    by,
    kind: 'unlock',
    ...(reason !== undefined && { reason }),
    at: timeOf(signed),
  };
  return edit(lease, { lock: { stop } });
}

/** The lock without this holder: its entry and its name in the spec together, since those who wait honour an entry that is left alone. */
export function withoutHolder(state: LockState, holder: Holder, signed: Signed): RawLease {
  const others = state.holders.filter(({ key, standing }) => key !== holder.key && standing === 'holds');
  const isAsked = others.length === 0 || state.stop?.holder === holder.key;
  const lease = edit(state.lease, {
    ...(holder.standing !== 'foreign' && { holders: { [holder.key]: undefined } }),
    // An entry that the spec contradicts is not what holds the lock now.
    ...(holder.standing !== 'ousted' && {
      ...(isAsked && { lock: { stop: undefined } }),
      spec: leftSpec(others, state.lease.spec, signed.wall),
    }),
  });
  const { by, reason } = signed;
  return annotated(lease, { [UNLOCKED]: JSON.stringify({ holder: holder.id, by, at: timeOf(signed), reason }) });
}

/** The lock with another number of permits. Who holds it goes on; more are let in, or none until there is room. */
export const withPermits = ({ lease }: LockState, permits: number | undefined): RawLease => edit(lease, { lock: { permits } });

/** Asks this waiter to leave the queue. */
export function leaveRequest({ lease }: LockState, waiter: Waiter, signed: Signed): RawLease {
  const { by, reason } = signed;
  const fields = readObject(lease.metadata.annotations?.[WAITER + waiter.key]);
  const stop = { by, kind: 'unlock', ...(reason !== undefined && { reason }), at: timeOf(signed) };
  return annotated(lease, { [WAITER + waiter.key]: JSON.stringify({ ...fields, stop }) });
}

/** The queue without this waiter. A living one puts itself back. */
export function withoutWaiter({ lease }: LockState, waiter: Waiter): RawLease {
  return edit(lease, { waiters: { [waiter.key]: undefined } });
}

/**
 * The queue with this waiter at another place. The tickets stay the same, and are dealt out again among those of its priority: a waiter recognises its
 * entry by its nonce, and takes its ticket from there. Undefined: that place belongs to another priority.
 */
export function withWaiterAt({ lease, waiters }: LockState, waiter: Waiter, place: number): RawLease | undefined {
  const equals = waiters.filter(({ priority }) => priority === waiter.priority);
  const firstPlace = waiters.findIndex(({ priority }) => priority === waiter.priority);
  const at = place - 1 - firstPlace;
  if (at < 0 || at >= equals.length) return undefined;
  const order = equals.filter(({ key }) => key !== waiter.key);
  order.splice(at, 0, waiter);
  const tickets = distinct(equals.map(({ ticket }) => ticket));
  const texts = lease.metadata.annotations ?? {};
  const changes: Record<string, string | undefined> = Object.fromEntries(equals.map(({ key }) => [WAITER + key, undefined]));
  for (const [i, { key, nonce }] of order.entries())
    changes[`${WAITER}${String(tickets[i]).padStart(6, '0')}-${nonce}`] = texts[WAITER + key];
  // The parser takes the counter to be above every ticket, whatever is written.
  return annotated(lease, changes);
}

/** Ascending; two of one number, which only a person can have written, would be ordered by nonce. */
function distinct(tickets: readonly number[]): number[] {
  let last = -1;
  return tickets
    .toSorted((a, b) => a - b)
    .map((ticket) => {
      last = Math.max(ticket, last + 1);
      return last;
    });
}

function annotated(lease: RawLease, changes: Record<string, string | undefined>): RawLease {
  const kept = Object.entries({ ...lease.metadata.annotations, ...changes }).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  );
  return { ...lease, metadata: { ...lease.metadata, annotations: Object.fromEntries(kept) } };
}

/** By its key, or by its id where just one has it. */
export function findNamed<T extends { key: string; id: string }>(
  entries: readonly T[],
  named: string,
): T | 'several' | undefined {
  const key = entries.find((entry) => entry.key === named);
  if (key) return key;
  const [first, second] = entries.filter(({ id }) => id === named);
  return second ? 'several' : first;
}

/** The queue of a lock, changed by an administrator. */
import { later, type Monotonic, waitUntil } from '../clock.ts';
import { parseLease } from '../protocol/document.ts';
import type { LockState, Waiter } from '../protocol/lock-state.ts';
import { findNamed, leaveRequest, type Signed, withoutWaiter, withWaiterAt } from '../protocol/operator-writes.ts';
import { change, type Failed } from './operate.ts';
import type { Participant } from './participant.ts';

export type QueueEdited =
  /** `left`: it was asked, and has left. `removed`: it did not answer, and its entry is gone. */
  | { kind: 'left' | 'removed' | 'moved'; waiter: Waiter }
  /** It has acquired the lock meanwhile. */
  | { kind: 'holds'; waiter: Waiter }
  | { kind: 'not-waiting'; waiters: Waiter[] }
  | { kind: 'several' }
  /** That place belongs to waiters of another priority. */
  | { kind: 'no-such-place'; waiter: Waiter; from: number; to: number }
  | Failed;

export interface RemoveRequest {
  /** Its key, or its id. */
  waiter: string;
  by: string;
  reason: string | undefined;
}

const LOOK_MS = 250;

/** Asks the waiter to leave; one that has not after `timeoutMs` is taken for dead, and its entry is removed. A living one would put itself back. */
export async function removeWaiter(
  participant: Participant,
  { waiter: named, by, reason }: RemoveRequest,
  { timeoutMs, onAsked }: { timeoutMs: number; onAsked(waiter: Waiter): void },
): Promise<QueueEdited> {
  const { clock } = participant;
  const until = later(clock.now(), timeoutMs);
  const signed: Signed = { by, reason, wall: clock.wall() };
  const asked = await change<QueueEdited>(participant, 'waiter', async (state) => {
    const waiter = findWaiter(state, named);
    return 'kind' in waiter ? { done: waiter } : { lease: leaveRequest(state, waiter, signed), done: { kind: 'left', waiter } };
  });
  if (asked.kind !== 'left') return asked;
  const { waiter } = asked;
  onAsked(waiter);
  const now = await whereabouts(participant, waiter, until);
  if (now !== 'waits') return now === 'holds' ? { kind: 'holds', waiter } : asked;
  return await change<QueueEdited>(participant, 'waiter', async (state) => {
    const same = state.waiters.find(({ key }) => key === waiter.key);
    return same ? { lease: withoutWaiter(state, same), done: { kind: 'removed', waiter } } : { done: asked };
  });
}

export async function moveWaiter(participant: Participant, named: string, place: number): Promise<QueueEdited> {
  return await change<QueueEdited>(participant, 'waiter', async (state) => {
    const waiter = findWaiter(state, named);
    if ('kind' in waiter) return { done: waiter };
    const lease = withWaiterAt(state, waiter, place);
    return lease ? { lease, done: { kind: 'moved', waiter } } : { done: noSuchPlace(state, waiter) };
  });
}

function findWaiter({ waiters }: LockState, named: string): Waiter | (QueueEdited & { kind: 'not-waiting' | 'several' }) {
  const found = findNamed(waiters, named);
  if (found === 'several') return { kind: 'several' };
  return found ?? { kind: 'not-waiting', waiters };
}

function noSuchPlace({ waiters }: LockState, waiter: Waiter): QueueEdited {
  const places = waiters.flatMap(({ priority }, i) => (priority === waiter.priority ? [i + 1] : []));
  return { kind: 'no-such-place', waiter, from: Math.min(...places), to: Math.max(...places) };
}

/** Where it is as soon as it waits no more, or at `until`. */
async function whereabouts(
  { client, clock, timings }: Participant,
  { id, nonce }: Waiter,
  until: Monotonic,
): Promise<'waits' | 'holds' | 'gone'> {
  const isIt = (entry: { id: string; nonce: string }) => entry.id === id && entry.nonce === nonce;
  for (;;) {
    const answer = await client.read({ timeoutMs: timings.requestTimeoutMs });
    const parsed = answer.kind === 'lease' ? parseLease(answer.lease) : undefined;
    if (parsed?.kind === 'state' && !parsed.state.waiters.some(isIt)) return parsed.state.holders.some(isIt) ? 'holds' : 'gone';
    if (clock.now() >= until) return 'waits';
    await waitUntil(clock, Math.min(later(clock.now(), LOOK_MS), until) as Monotonic);
  }
}

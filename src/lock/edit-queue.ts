/** The queue of a lock, changed by an administrator. A living waiter that is removed puts itself back: it has to be ended where it runs. */
import { later, type Monotonic, waitUntil } from '../clock.ts';
import { parseLease } from '../protocol/document.ts';
import type { LockState, Waiter } from '../protocol/lock-state.ts';
import { findNamed, withoutWaiter, withWaiterAt } from '../protocol/operator-writes.ts';
import { change, type Failed } from './operate.ts';
import type { Participant } from './participant.ts';

export type QueueEdited =
  | { kind: 'removed' | 'moved' | 'returned'; waiter: Waiter }
  | { kind: 'not-waiting'; waiters: Waiter[] }
  | { kind: 'several' }
  /** That place belongs to waiters of another priority. */
  | { kind: 'no-such-place'; waiter: Waiter; from: number; to: number }
  | Failed;

/** How long a living waiter near the front takes to put itself back; those further back only poll. */
const RETURN_MS = 3000;
const LOOK_MS = 250;

export async function removeWaiter(participant: Participant, named: string): Promise<QueueEdited> {
  const result = await change<QueueEdited>(participant, 'waiter', async (state) => {
    const waiter = findWaiter(state, named);
    return 'kind' in waiter ? { done: waiter } : { lease: withoutWaiter(state, waiter), done: { kind: 'removed', waiter } };
  });
  if (result.kind !== 'removed') return result;
  return (await returns(participant, result.waiter)) ? { ...result, kind: 'returned' } : result;
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
  return { kind: 'no-such-place', waiter, from: places[0] ?? 1, to: places.at(-1) ?? 1 };
}

async function returns({ client, clock, timings }: Participant, { id, nonce }: Waiter): Promise<boolean> {
  const until = later(clock.now(), RETURN_MS);
  while (clock.now() < until) {
    await waitUntil(clock, Math.min(later(clock.now(), LOOK_MS), until) as Monotonic);
    const answer = await client.read({ timeoutMs: timings.requestTimeoutMs });
    const parsed = answer.kind === 'lease' ? parseLease(answer.lease) : undefined;
    if (parsed?.kind !== 'state') continue;
    const entries = [...parsed.state.waiters, ...parsed.state.holders];
    if (entries.some((entry) => entry.id === id && entry.nonce === nonce)) return true;
  }
  return false;
}

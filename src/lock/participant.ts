/** One participant of one lock: what it needs to know, what it asks for, and what it may get. The words of lock.ts, without the deeds. */

import type { LeaseClient } from '../api/lease-client.ts';
import type { Clock, Monotonic } from '../clock.ts';
import type { Holder, StopRequest } from '../protocol/document.ts';
import type { Me, Moment } from '../protocol/rules.ts';
import type { Timings } from '../protocol/timings.ts';
import type { Emit } from './events.ts';

/** All that a participant needs to know or use; made once, passed down. */
export interface Participant {
  client: LeaseClient;
  clock: Clock;
  me: Me;
  timings: Timings;
  /** Whether a Lease that does not exist may be made. */
  createIfAbsent: boolean;
  /** How often a waiter reads at least, besides being told of changes; undefined: once a minute. */
  pollEveryMs?: number | undefined;
  /** A text never used before: it tells one write of mine from every other. */
  newMark(): string;
  /** 0 <= x < 1, for jitter. */
  random(): number;
  emit: Emit;
  /** Who I am to the API server: an id in place of my own, where that was derived and a policy wants it otherwise; undefined if it won't say. */
  whoAmI?: ((timeoutMs: number) => Promise<string | undefined>) | undefined;
}

export interface AcquireRequest {
  /** Undefined: for ever. 0: one try, without joining the queue. */
  timeoutMs?: number | undefined;
  signal?: AbortSignal | undefined;
}

export type Acquisition =
  | { kind: 'held'; lock: HeldLock }
  | { kind: 'busy'; heldBy: Holder[]; position: number; waitedMs: number }
  | { kind: 'aborted' }
  /** `status` 401/403: the API; 0: the rules of the lock. Trying again changes nothing. */
  | { kind: 'refused'; status: number; message: string }
  | { kind: 'unreachable'; message: string };

export interface HeldLock {
  readonly holder: string;
  /** Fencing token: grows with every acquisition of this lock. Decimal, of any length. */
  readonly token: string;
  readonly transitions: number;
  /** Aborts, with an Error as its reason, when the lock is no longer mine or will not be by the time that the command is stopped. */
  readonly lost: AbortSignal;
  /** Looks at the clock instead of waiting for a timer: true if `lost` has aborted, or must have by now. */
  isLost(): boolean;
  /** Aborts, with a StopRequest as its reason, when somebody asks the holder to stop; the lock stays mine until released. */
  readonly stopRequested: AbortSignal;
  /** From when on the command must be on its way out. */
  stopBy(): Monotonic;
  /** From when on another may have the lock: every process must be gone. */
  expiresAt(): Monotonic;
  /** To be called once every process is gone. Ends within two request timeouts; a failure is told, and the lock then expires by itself. */
  release(): Promise<Released>;
  /** Ends renewal without releasing: for a command that could not be seen to end. */
  abandon(): void;
}

export type Released = { kind: 'released' } | { kind: 'gone' } | { kind: 'failed'; message: string };

export class LockLostError extends Error {
  override readonly name = 'LockLostError';
}

export const stopRequestOf = (lock: HeldLock): StopRequest => lock.stopRequested.reason as StopRequest;

export function momentOf({ clock, newMark }: Participant): Moment {
  return { now: clock.now(), wall: clock.wall(), mark: newMark() };
}

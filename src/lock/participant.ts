/** One participant of one lock: what it needs to know, what it asks for, and what it may get. Types, and two helpers. */

import type { LeaseClient } from '../api/lease-client.ts';
import type { Refusal } from '../api/refusals.ts';
import type { Clock } from '../clock.ts';
import type { Deadlines } from '../protocol/deadlines.ts';
import type { Holder, StopRequest } from '../protocol/lock-state.ts';
import type { Me, Moment } from '../protocol/me.ts';
import type { Skip } from '../protocol/policies.ts';
import type { Timings } from '../protocol/timings.ts';
import type { Emit } from './events.ts';

/** All that a participant needs to know or use; made once, passed down, never changed. */
export interface Participant {
  client: LeaseClient;
  clock: Clock;
  me: Me;
  timings: Timings;
  /** Whether a Lease that does not exist may be created. */
  createIfAbsent: boolean;
  /** Whether a holder that is long dead by the API server's stamps may be followed before its lease has been seen to run out; undefined: yes. */
  trustStamps?: boolean | undefined;
  /** How often a waiter reads at least, besides being notified of changes; undefined: once a minute. */
  pollEveryMs?: number | undefined;
  /** A text never used before: it tells one write of mine from every other. */
  newMark(): string;
  /** 0 <= x < 1, for jitter. */
  random(): number;
  /** Who I am to the API server: an id in place of my own, where that was derived and a policy wants it otherwise; undefined if it won't say. */
  whoAmI?: ((timeoutMs: number) => Promise<string | undefined>) | undefined;
}

export interface AcquireRequest {
  /** Undefined: indefinitely. 0: one try, without joining the queue. */
  timeoutMs?: number | undefined;
  signal?: AbortSignal | undefined;
  /** What is done under the lock is ended by its deadlines, without a grace if need be: it may begin before my own first write is answered. */
  killable?: boolean | undefined;
  /** Notified of everything that happens to this lock, until it is released or not acquired. */
  onEvent?: Emit | undefined;
}

export type Acquisition = { kind: 'held'; lock: HeldLock } | NotAcquired;

export type NotAcquired =
  | { kind: 'busy'; heldBy: Holder[]; position: number; waitedMs: number }
  | { kind: 'aborted' }
  /** Somebody has asked it to leave the queue. */
  | { kind: 'stopped'; request: StopRequest }
  /** It need not wait any longer. */
  | { kind: 'skipped'; why: Skip }
  | Refused
  /** `unusable`: no request can be made, however often it is tried. */
  | { kind: 'unreachable'; message: string; unusable?: true };

/** Trying again changes nothing: the API server refused, or the Lease cannot be this lock. */
export interface Refused {
  kind: 'refused';
  /** `document`: a Lease of another kind or version, or a full queue. `absent`: it does not exist and must not be created. */
  reason: Refusal | 'document' | 'absent';
  /** Of the API server's answer; undefined where it was not the API server that refused. */
  status: number | undefined;
  message: string;
}

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
  /** By the last renewal. */
  deadlines(): Deadlines;
  /** To be called once every process is gone. Ends within two request timeouts; after a failure the lock expires by itself. */
  release(work?: Work): Promise<Released>;
  /** Ends renewal without releasing: for a command that could not be seen to end. */
  abandon(): void;
}

/** What has become of the work under the lock. Only where it has succeeded, nobody else has to do it (`once`); where it has begun, `minHold` counts. */
export type Work = 'not-begun' | 'ended' | 'succeeded';

export type Released =
  | { kind: 'released' }
  | { kind: 'gone' }
  | { kind: 'failed'; message: string; reason?: Refusal | undefined };

export class LockLostError extends Error {
  override readonly name = 'LockLostError';
}

export const stopRequestOf = (lock: Pick<HeldLock, 'stopRequested'>): StopRequest => lock.stopRequested.reason as StopRequest;

export function momentOf({ clock, newMark }: Participant): Moment {
  return { now: clock.steady(), wall: clock.wall(), mark: newMark() };
}

/** What to do where the lock is not free: wait for it; fail; skip what it is wanted for; or ask the holder to stop, and wait. */
export const ON_BUSY = ['wait', 'fail', 'skip', 'replace'] as const;
export type OnBusy = (typeof ON_BUSY)[number];

/** How long to wait: a participant that does not want to wait tries once, unless a time to wait is given as well. */
export function timeoutOf(timeoutMs: number | undefined, onBusy: OnBusy | undefined): number | undefined {
  return timeoutMs ?? (onBusy === 'fail' || onBusy === 'skip' ? 0 : undefined);
}

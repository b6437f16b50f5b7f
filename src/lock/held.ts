/**
 * A held lock from the inside: what is known of it, how requests go, and when it is lost. Its deadline is armed apart from any request.
 */
import type { Monotonic } from '../clock.ts';
import { type Deadlines, deadlinesOf } from '../protocol/deadlines.ts';
import type { Key, LockState } from '../protocol/lock-state.ts';
import type { Timings } from '../protocol/timings.ts';
import type { Emit } from './events.ts';
import { LockLostError, type Participant } from './participant.ts';

export interface Hold {
  participant: Participant;
  emit: Emit;
  key: Key;
  known: Known;
  requests: Requests;
  lost: AbortController;
  stop: AbortController;
  /** Renewal is over: lost, released or abandoned. */
  ended: AbortController;
  /** Undoes the timer of the deadline. */
  disarm: () => void;
}

/** What I know of the lock: the Lease as last seen, and from when my deadlines count. */
export interface Known {
  state: LockState;
  exists: boolean;
  /** Just before the send of my last write that is known to have succeeded. */
  sentAt: Monotonic;
  /** Until there is one: the lock was handed to me, and is mine for no longer than that. */
  grant: Timings | undefined;
}

/** How requests go. */
export interface Requests {
  /** When each attempt without an answer was sent, by its mark: a read then tells which of them landed. */
  attempts: Map<string, Monotonic>;
  renewAt: Monotonic;
  failures: number;
  lastFailure: string | undefined;
  /** Wakes the renewal; `nudged` remembers a nudge that came while a request was under way. */
  nudge: () => void;
  nudged: boolean;
}

export const timingsOf = ({ known, participant }: Hold): Timings => known.grant ?? participant.timings;

export const deadlinesFor = (held: Hold): Deadlines => deadlinesOf(held.known.sentAt, timingsOf(held));

export function arm(held: Hold): void {
  const { clock } = held.participant;
  held.disarm();
  held.disarm = clock.at(deadlinesFor(held).stopBy, () => expireIfDue(held));
}

/** Ends the hold if its deadline has passed; true if it has ended. Called after every reply, before the reply is believed. */
export function expireIfDue(held: Hold): boolean {
  const { clock } = held.participant;
  const { sentAt } = held.known;
  if (held.ended.signal.aborted) return true;
  if (clock.now() < deadlinesFor(held).stopBy) return false;
  const { lastFailure } = held.requests;
  const seconds = ((clock.now() - sentAt) / 1000).toFixed(1);
  lose(held, `it could not be renewed for ${seconds}s${lastFailure ? `: ${lastFailure}` : ''}`);
  return true;
}

export function lose(held: Hold, reason: string): void {
  if (held.ended.signal.aborted) return;
  held.emit({ type: 'lost', reason });
  held.lost.abort(new LockLostError(reason));
}

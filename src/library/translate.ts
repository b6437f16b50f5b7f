/** From what the core says to the values and errors that users of the library see. */

import { describeNotAcquired } from '../lock/describe.ts';
import type { LockEvent as CoreEvent, NotAcquired, Participant } from '../lock/index.ts';
import type { Failed } from '../lock/operate.ts';
import type { Holder, StopRequest, Waiter } from '../protocol/lock-state.ts';
import { LockError } from './lock-error.ts';
import type { LockEvent, LockHolder, LockStopRequest, LockWaiter } from './types.ts';

/** The error for an acquisition that failed. */
export function errorOf(acquisition: NotAcquired, { me, clock }: Participant, signal: AbortSignal | undefined): LockError {
  const lock = `${me.namespace}/${me.name}`;
  switch (acquisition.kind) {
    case 'busy': {
      const { heldBy, position, waitedMs } = acquisition;
      const by = heldBy.length > 0 ? `held by ${heldBy.map(({ id }) => id).join(', ')}` : 'being handed to a waiter';
      const ahead = position > 0 ? `, and ${position} in the queue come first` : '';
      const message = `the lock ${lock} is ${by}${ahead}; waited ${Math.round(waitedMs / 100) / 10}s. Wait for longer, or try again later`;
      return new LockError('busy', message, { heldBy: heldBy.map(holderOf) });
    }
    case 'aborted':
      return new LockError('aborted', `waiting for the lock ${lock} was ended by its signal`, { cause: signal?.reason });
    case 'stopped':
      return new LockError('stopped', describeNotAcquired(acquisition, me, clock.wall()));
    case 'skipped':
      return new LockError('skipped', describeNotAcquired(acquisition, me, clock.wall()));
    case 'refused':
      return new LockError('refused', acquisition.message, { status: acquisition.status });
    case 'unreachable':
      return new LockError(acquisition.unusable ? 'configuration' : 'unreachable', acquisition.message);
    default:
      return acquisition satisfies never;
  }
}

/** The error for a look at the lock, or a change of it, that failed. */
export const failureOf = (failed: Failed): LockError =>
  failed.kind === 'failed'
    ? new LockError(failed.unusable ? 'configuration' : 'unreachable', failed.message)
    : new LockError('refused', failed.message, { status: failed.status });

export function lostError({ me }: Participant, cause: unknown): LockError {
  const why = cause instanceof Error ? cause.message : String(cause);
  const message = `the lock ${me.namespace}/${me.name} is lost: ${why}. Another may run now: stop the work, and acquire the lock again`;
  return new LockError('lost', message, { cause });
}

export function holderOf({ id, since, durationMs, standing, about }: Holder): LockHolder {
  return { id, since, durationMs, foreign: standing !== 'holds', ...about };
}

export function waiterOf({ id, since, priority, about }: Waiter): LockWaiter {
  return { id, since, priority, ...about };
}

/** Without what is the same in every event. */
type Plain<T> = T extends unknown ? Omit<T, 'lock' | 'holder'> : never;

/** Without the moments on this process's own scale, which mean nothing to anybody else. */
export function eventOf(event: Exclude<CoreEvent, { type: 'renamed' }>): Plain<LockEvent> {
  switch (event.type) {
    case 'waiting': {
      const { type, position, queue, heldBy } = event;
      return { type, position, queue, heldBy: heldBy.map(holderOf) };
    }
    case 'trouble': {
      const { type, doing, message, retryInMs } = event;
      return { type, doing, message, retryInMs };
    }
    case 'resumed':
      return { ...event, from: holderOf(event.from) };
    case 'restored':
      return { ...event, heldBy: event.heldBy.map(holderOf) };
    case 'acquired': {
      const { type, waitedMs, token, transitions } = event;
      return { type, waitedMs, token, transitions };
    }
    case 'renewed':
      return { type: event.type, queue: event.queue };
    case 'stop-requested':
      return { type: event.type, request: requestOf(event.request) };
    default:
      return event;
  }
}

export function requestOf({ by, kind, reason }: StopRequest): LockStopRequest {
  return { by, kind, ...(reason !== undefined && { reason }) };
}

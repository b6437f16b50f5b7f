/**
 * When things have to happen, given when something was sent or seen. Pure, and the only place with this arithmetic:
 *
 *     sent          renewAt        stopBy            killBy   expiresAt               othersMayTakeAt
 *     |--renewEvery--|              |---grace---------|-reap-|margin|                  |
 *     |------------------------------ duration --------------------|- expiry margin --|
 *
 * A holder counts from before the *send* of its last write that succeeded, whoever waits from when it *received* the change, so that the holder's
 * end always comes first. docs/protocol.md#durations.
 */
import { later, type Monotonic, type Steady } from '../clock.ts';
import { requestTimeoutOf, type Timings } from './timings.ts';

export interface Deadlines {
  /** When the next renewal is due. */
  renewAt: Monotonic;
  /** From when on the command must be on its way out: SIGTERM. */
  stopBy: Monotonic;
  /** From when on a command that is left is killed: SIGKILL. */
  killBy: Monotonic;
  /** From when on another may have the lock: every process must be gone. */
  expiresAt: Monotonic;
  /** What is kept in hand before that, in milliseconds. */
  marginMs: number;
}

/** Of a hold whose last write that succeeded was sent at `sentAt`. */
export function deadlinesOf(sentAt: Monotonic, timings: Timings): Deadlines {
  const { durationMs, renewEveryMs, killBudgetMs, reapMs, marginMs } = timings;
  return {
    renewAt: later(sentAt, renewEveryMs),
    stopBy: later(sentAt, durationMs - killBudgetMs - marginMs),
    killBy: later(sentAt, durationMs - reapMs - marginMs),
    expiresAt: later(sentAt, durationMs),
    marginMs,
  };
}

export interface StandInDeadlines {
  terminateAt: Monotonic;
  killAt: Monotonic;
}

/**
 * When the supervisor acts in place of a guard that has not: half of the margin later than the guard itself, so that a guard that does its work is not
 * interfered with; the other half is left to the end.
 */
export function standInFor({ stopBy, killBy, marginMs }: Deadlines): StandInDeadlines {
  return { terminateAt: later(stopBy, marginMs / 2), killAt: later(killBy, marginMs / 2) };
}

/** What others add to a holder's duration before they take its lock: it absorbs clocks that run at different rates. */
const expiryMarginMs = (durationMs: number): number => Math.max(2000, durationMs / 10);

/** From when on others may take the lock of a holder whose entry was last seen to change at `seenAt`. */
export function othersMayTakeAt(seenAt: Steady, durationMs: number): Steady {
  return later(seenAt, durationMs + expiryMarginMs(durationMs));
}

/** Of a holder whose work has ended nothing runs any more: stamps are whole seconds, and the lock is to stay taken for no less than was asked for. */
export const KEPT_MARGIN_MS = 2000;

/** From when on the lock is free that a holder has left taken. */
export const keptUntil = (seenAt: Steady, durationMs: number): Steady => later(seenAt, durationMs + KEPT_MARGIN_MS);

/**
 * How long an entry must have stood still before one's own eyes, although the API server's stamps say that its holder died long ago: a punctual holder
 * would have renewed meanwhile. It survives a step of the API server's clock.
 */
export const standingStillMs = (durationMs: number): number => durationMs / 4 + 2 * requestTimeoutOf(durationMs);

/** The API servers of one cluster have to agree within a minute. Less would trust their clocks more than they deserve. */
export const CLOCKS_AGREE_MS = 60_000;

/** For how long a holder must have been silent by the API server's stamps to be dead. */
export const longDeadAfterMs = (durationMs: number): number => durationMs + Math.max(CLOCKS_AGREE_MS, durationMs);

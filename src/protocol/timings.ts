/**
 * The durations of a lock, derived from two of them, and the sum that they must satisfy. A set under which a command could outlive its lock is
 * refused here, before anything is locked. It refuses with numbers: each entry has names of its own for them (lock/describe.ts).
 */

/**
 * How long a lock outlives a participant that has died. Longer makes everyone wait longer after a crash; shorter leaves less time for an API server
 * that does not answer, and for the command to stop.
 */
export const DEFAULT_LEASE_DURATION = '60s';

/** What most programs need to stop by themselves, well below the thirty seconds of a Pod. */
export const DEFAULT_KILL_GRACE = '10s';

export interface Timings {
  /** D: how long the lock is mine after the send of the last write that succeeded. Whole seconds, as the Lease API wants. */
  durationMs: number;
  renewEveryMs: number;
  requestTimeoutMs: number;
  /** What a holder keeps in hand for clocks that run at different rates. */
  marginMs: number;
  /** Between SIGTERM and SIGKILL. */
  killGraceMs: number;
  /** For SIGKILL to be carried out and seen. */
  reapMs: number;
  /** What stopping the command takes at most: grace and reaping. */
  killBudgetMs: number;
}

export interface TooShort {
  kind: 'too-short';
  /** What follows from the durations that were given. */
  derived: Timings;
  /** What the lease would have to last for them, at least. */
  neededMs: number;
  /** The shortest lease duration that leaves time for this grace, in whole seconds. */
  shortestMs: number;
  /** The longest grace that this lease duration leaves time for; undefined if there is none. */
  longestGraceMs: number | undefined;
}

export type TimingsResult =
  | { kind: 'timings'; timings: Timings }
  /** The Lease API knows whole seconds only, and at least one. */
  | { kind: 'not-whole-seconds'; durationMs: number }
  | TooShort;

/** Derives every duration from the lease's and the grace, in milliseconds. `renewEveryMs` replaces a quarter of the lease's. */
export function timings(durationMs: number, killGraceMs: number, renewEveryMs?: number): TimingsResult {
  if (!Number.isInteger(durationMs / 1000) || durationMs < 1000) return { kind: 'not-whole-seconds', durationMs };
  const derived = derive(durationMs, killGraceMs, renewEveryMs);
  const neededMs = needed(derived);
  if (neededMs <= durationMs) return { kind: 'timings', timings: derived };
  const shortestMs = shortest(killGraceMs, { fromMs: durationMs, renewEveryMs });
  const spareMs = durationMs - needed(derive(durationMs, 0, renewEveryMs));
  // Rounded down to what is printed exactly.
  const step = spareMs < 10_000 ? 100 : 1000;
  const longestGraceMs = spareMs >= step ? Math.floor(spareMs / step) * step : undefined;
  return { kind: 'too-short', derived, neededMs, shortestMs, longestGraceMs };
}

/** The shortest lease duration, from one that may be too short, that leaves time for this grace. */
export function shortest(
  killGraceMs: number,
  { fromMs, renewEveryMs }: { fromMs: number; renewEveryMs?: number | undefined },
): number {
  let fitting = fromMs;
  while (needed(derive(fitting, killGraceMs, renewEveryMs)) > fitting) fitting += 1000;
  return fitting;
}

/** The longest interval between renewals that keeps a lock of these durations. */
export const longestRenewEveryMs = ({ durationMs, requestTimeoutMs, killBudgetMs, marginMs }: Timings): number =>
  durationMs - 2 * requestTimeoutMs - killBudgetMs - marginMs;

function derive(durationMs: number, killGraceMs: number, renewEveryMs?: number): Timings {
  if (renewEveryMs !== undefined) return withInterval(durationMs, killGraceMs, renewEveryMs);
  // Below a second renewTime, which must grow by one each time, would run ahead of the clock; the shortest leases leave no choice.
  const seldom = withInterval(durationMs, killGraceMs, Math.max(1000, durationMs / 4));
  return needed(seldom) <= durationMs ? seldom : withInterval(durationMs, killGraceMs, durationMs / 4);
}

function withInterval(durationMs: number, killGraceMs: number, renewEveryMs: number): Timings {
  // A machine under load needs more time to reap than an idle one, so it grows with the lease's duration, up to 2 s.
  const reapMs = Math.min(2000, Math.max(200, durationMs / 20));
  return {
    durationMs,
    renewEveryMs,
    requestTimeoutMs: requestTimeoutOf(durationMs),
    marginMs: Math.max(500, durationMs / 20),
    killGraceMs,
    reapMs,
    killBudgetMs: killGraceMs + reapMs,
  };
}

/** How long one request may take, of a participant with this lease duration. */
export const requestTimeoutOf = (durationMs: number): number => Math.min(5000, durationMs / 6);

/** For how long a lock is somebody's that it was handed to, before its own first write: a dead one costs those behind it no more. */
const GRANT_MS = 10_000;

/** For how long somebody with this lease duration has the lock by a grant alone. */
export const grantMsOf = (durationMs: number): number => Math.min(GRANT_MS, durationMs);

/** Of a hold that rests on a grant alone: what runs under it has no grace. */
export function grantTimings({ reapMs }: Timings, leaseDurationMs: number): Timings {
  const durationMs = grantMsOf(leaseDurationMs);
  const requestTimeoutMs = requestTimeoutOf(durationMs);
  const marginMs = Math.max(500, durationMs / 20);
  const renewEveryMs = durationMs / 10; // Between two tries.
  return { durationMs, renewEveryMs, requestTimeoutMs, marginMs, killGraceMs: 0, reapMs, killBudgetMs: reapMs };
}

const needed = (timings: Timings): number => timings.renewEveryMs + timings.durationMs - longestRenewEveryMs(timings);

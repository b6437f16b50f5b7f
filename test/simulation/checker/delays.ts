/** How long what is promised within some time may take in true time. */
import type { Timings } from '../../../src/protocol/timings.ts';

/** Clocks that run at other rates, timers that are late, and answers on their way. */
export const inTrueMs = (localMs: number): number => localMs * 1.03 + 500;
/** A renewal comes at least so often, and what it collides with is read. */
export const learnsWithinMs = ({ renewEveryMs, requestTimeoutMs }: Timings): number =>
  inTrueMs(renewEveryMs + 2 * requestTimeoutMs);

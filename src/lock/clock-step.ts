/**
 * Notices clocks that contradict each other. It decides nothing: a wall clock that has moved ahead of the monotonic one may have been set by an
 * administrator, or the whole machine was frozen with its monotonic clock; boot time that leapt alone is a fault of the machine, or a suspend. Only the
 * API server can tell whether the lock is still held.
 */
import { type Clock, later } from '../clock.ts';

/** Below it lie time servers that correct a clock by steps. */
const STEP_MS = 2000;

export interface ClockListener {
  /** The wall clock has moved ahead. */
  onStep(): void;
  /** Boot time has leapt ahead, and the wall clock has not. */
  onDoubt(): void;
}

/** Looks every `everyMs` until undone. */
export function watchClocks(clock: Clock, everyMs: number, { onStep, onDoubt }: ClockListener): () => void {
  let undo = () => {};
  const look = (last: { now: number; wall: number; doubts: number }) => {
    const now = clock.now();
    const wall = clock.wall().getTime();
    const doubts = clock.doubts();
    if (wall - last.wall - (now - last.now) > STEP_MS) onStep();
    if (doubts > last.doubts) onDoubt();
    undo = clock.at(later(now, everyMs), () => look({ now, wall, doubts }));
  };
  look({ now: clock.now(), wall: clock.wall().getTime(), doubts: clock.doubts() });
  return () => undo();
}

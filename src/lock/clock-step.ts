/**
 * Notices a wall clock that has moved ahead of the monotonic one. It decides nothing: an administrator may have set it, or the whole machine was
 * frozen with its monotonic clock, and only the API server can tell whether the lock is still held.
 */
import { type Clock, later } from '../clock.ts';

/** Below it lie time servers that correct a clock by steps. */
const STEP_MS = 2000;

/** Looks every `everyMs` until undone. */
export function onClockStep(clock: Clock, everyMs: number, stepped: () => void): () => void {
  let undo = () => {};
  const look = (lastNow: number, lastWall: number) => {
    const now = clock.now();
    const wall = clock.wall().getTime();
    if (wall - lastWall - (now - lastNow) > STEP_MS) stepped();
    undo = clock.at(later(now, everyMs), () => look(now, wall));
  };
  look(clock.now(), clock.wall().getTime());
  return () => undo();
}

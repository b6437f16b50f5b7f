/**
 * A clock that a test moves by hand. `advance` fires what becomes due, in order; `jump` moves time without firing anything, as for a
 * process that was stopped: its timers are late, and fire with the next `advance`.
 */
import { setImmediate } from 'node:timers/promises';
import type { Clock, Monotonic, Steady } from '../../src/clock.ts';

export const SECOND = 1000;

export interface ManualClock extends Clock {
  advance(ms: number): Promise<void>;
  jump(ms: number): void;
  /** Boot time leaps, and the wall clock does not. */
  doubt(): void;
  /** Moves the wall clock alone, ahead or back. */
  shiftWall(ms: number): void;
}

interface Timer {
  when: number;
  fire: () => void;
}

export function manualClock(start = new Date('2026-01-01T12:00:00Z')): ManualClock {
  let now = 0;
  let doubts = 0;
  let wallOffset = start.getTime();
  const timers = new Set<Timer>();
  const nextDue = (until: number): Timer | undefined =>
    [...timers].filter(({ when }) => when <= until).sort((a, b) => a.when - b.when)[0];
  return {
    now: () => now as Monotonic,
    steady: () => now as Steady,
    doubts: () => doubts,
    doubt() {
      doubts += 1;
    },
    wall: () => new Date(wallOffset + now),
    at(when, fire) {
      const timer = { when, fire };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    async advance(ms) {
      const until = now + ms;
      await settle();
      for (let due = nextDue(until); due; due = nextDue(until)) {
        timers.delete(due);
        now = Math.max(now, due.when);
        due.fire();
        await settle();
      }
      now = until;
      await settle();
    },
    jump(ms) {
      now += ms;
    },
    shiftWall(ms) {
      wallOffset += ms;
    },
  };
}

/** Lets every promise that can go on go on. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 5; i++) await setImmediate();
}

/**
 * One simulated process: a clock of its own that runs at its own rate, and the door through which everything reaches it. While it is
 * paused, timers and messages pile up at the door and come in afterwards in any order; once it has crashed, nothing comes in.
 */
import type { Clock, Monotonic, Steady } from '../../src/clock.ts';
import type { Random } from './random.ts';
import type { World } from './world.ts';

export interface Process {
  clock: Clock;
  /** Lets `happen` run inside: now, after the pause, or never. */
  deliver(happen: () => void): boolean;
  pause(ms: number): void;
  crash(): void;
  jumpWall(ms: number): void;
  /** The machine's boot time leaps ahead: with its wall clock, which is believed, or alone, which is doubted. */
  leap(ms: number, believed: boolean): void;
  /** Like `pause`, and others are judged by a clock that stands still meanwhile. */
  suspend(ms: number): void;
  /** Calls `fire` when the machine's clock shows that, whatever has become of the process. */
  alarm(local: number, fire: () => boolean | undefined): () => void;
  readonly alive: boolean;
  readonly paused: boolean;
  /** By the machine's clock as it runs by itself, without leaps. */
  toLocal(time: number): number;
}

export interface ProcessOptions {
  /** Milliseconds of this clock in one of true time. */
  rate: number;
  wallOffsetMs: number;
  /** How late a timer may fire. */
  latenessMs: number;
  random: Random;
}

/** Calls of `now()` between two events beyond which the code under test is held to go round in circles. */
const CIRCLING = 20_000;

export function newProcess(world: World, { rate, wallOffsetMs, latenessMs, random }: ProcessOptions): Process {
  const bornAt = world.now();
  const origin = random.between(0, 1e7);
  let wallShift = wallOffsetMs;
  let alive = true;
  let pausedUntil = 0;
  let held: (() => void)[] = [];
  let asked = 0;
  let askedAt = -1;
  const toLocal = (time: number) => origin + (time - bornAt) * rate;
  /** How far `now` has leapt ahead, `steady` has stood still, and how many leaps were not believed. */
  let ahead = 0;
  let behind = 0;
  let doubts = 0;
  const alarms = new Set<() => void>();
  const alarm = (local: number, fire: () => boolean | undefined): (() => void) => {
    let armed = 0;
    const undo = () => {
      armed = Number.NaN;
      alarms.delete(arm);
    };
    const arm = () => {
      const mine = ++armed;
      // A thousandth more: in floating point the clock must not show a time just before the one that was asked for.
      const due = Math.max(bornAt + (local - origin - ahead) / rate, world.now()) + 1e-3;
      world.at(due, () => {
        if (mine !== armed) return false;
        undo();
        return fire();
      });
    };
    alarms.add(arm);
    arm();
    return undo;
  };
  const pause = (ms: number) => {
    pausedUntil = Math.max(pausedUntil, world.now() + ms);
    world.at(pausedUntil, resume);
  };
  const deliver = (happen: () => void): boolean => {
    if (!alive) return false;
    if (pausedUntil > world.now()) {
      held.push(happen);
      return false;
    }
    happen();
    return true;
  };
  const resume = () => {
    if (pausedUntil > world.now()) return false;
    const waiting = held;
    held = [];
    for (const happen of shuffled(waiting, random)) world.at(world.now() + random.between(0, 1), () => deliver(happen));
    return false;
  };
  return {
    clock: {
      now() {
        const time = world.now();
        asked = time === askedAt ? asked + 1 : 0;
        askedAt = time;
        if (asked > CIRCLING) throw new Error(`went round in circles: ${CIRCLING} looks at the clock without any time passing`);
        return (toLocal(time) + ahead) as Monotonic;
      },
      steady: () => (toLocal(world.now()) - behind) as Steady,
      doubts: () => doubts,
      wall: () => new Date(EPOCH_MS + Math.round(world.now() + wallShift)),
      at(when, fire) {
        let undone = false;
        const come = () =>
          deliver(() => {
            if (!undone) fire();
          });
        const lateMs = random.next() * latenessMs;
        const undo = alarm(when, () => {
          world.at(world.now() + lateMs, () => (undone ? false : come()));
          return false;
        });
        return () => {
          undone = true;
          undo();
        };
      },
    },
    deliver,
    pause,
    suspend(ms) {
      behind += ms * rate;
      pause(ms);
    },
    leap(ms, believed) {
      if (!believed) {
        doubts += 1;
        return;
      }
      ahead += ms;
      wallShift += ms;
      for (const arm of [...alarms]) arm();
    },
    alarm,
    crash() {
      alive = false;
      held = [];
    },
    jumpWall(ms) {
      wallShift += ms;
    },
    get alive() {
      return alive;
    },
    get paused() {
      return pausedUntil > world.now();
    },
    toLocal,
  };
}

/** When every run begins, by a perfect wall clock. */
export const EPOCH_MS = Date.UTC(2030, 0, 1);

function shuffled<T>(list: T[], random: Random): T[] {
  return list
    .map((item) => ({ item, rank: random.next() }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ item }) => item);
}

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

export const newProcess = (world: World, options: ProcessOptions): Process => new SimulatedProcess(world, options);

class SimulatedProcess implements Process {
  readonly clock: Clock;
  readonly #world: World;
  readonly #options: ProcessOptions;
  readonly #bornAt: number;
  readonly #origin: number;
  readonly #alarms = new Set<() => void>();
  #wallShift: number;
  #alive = true;
  #pausedUntil = 0;
  #held: (() => void)[] = [];
  #asked = 0;
  #askedAt = -1;
  /** How far `now` has leapt ahead, `steady` has stood still, and how many leaps were not believed. */
  #ahead = 0;
  #behind = 0;
  #doubts = 0;

  constructor(world: World, options: ProcessOptions) {
    this.#world = world;
    this.#options = options;
    this.#bornAt = world.now();
    this.#origin = options.random.between(0, 1e7);
    this.#wallShift = options.wallOffsetMs;
    this.clock = {
      now: () => this.#now(),
      steady: () => (this.toLocal(world.now()) - this.#behind) as Steady,
      doubts: () => this.#doubts,
      wall: () => new Date(EPOCH_MS + Math.round(world.now() + this.#wallShift)),
      at: (when, fire) => this.#timer(when, fire),
    };
  }

  get alive(): boolean {
    return this.#alive;
  }

  get paused(): boolean {
    return this.#pausedUntil > this.#world.now();
  }

  toLocal(time: number): number {
    return this.#origin + (time - this.#bornAt) * this.#options.rate;
  }

  alarm(local: number, fire: () => boolean | undefined): () => void {
    let armed = 0;
    const undo = () => {
      armed = Number.NaN;
      this.#alarms.delete(arm);
    };
    const arm = () => {
      const mine = ++armed;
      // A thousandth more: in floating point the clock must not show a time just before the one that was asked for.
      const at = this.#bornAt + (local - this.#origin - this.#ahead) / this.#options.rate;
      this.#world.at(Math.max(at, this.#world.now()) + 1e-3, () => {
        if (mine !== armed) return false;
        undo();
        return fire();
      });
    };
    this.#alarms.add(arm);
    arm();
    return undo;
  }

  pause(ms: number): void {
    this.#pausedUntil = Math.max(this.#pausedUntil, this.#world.now() + ms);
    this.#world.at(this.#pausedUntil, () => this.#resume());
  }

  suspend(ms: number): void {
    this.#behind += ms * this.#options.rate;
    this.pause(ms);
  }

  leap(ms: number, believed: boolean): void {
    if (!believed) {
      this.#doubts += 1;
      return;
    }
    this.#ahead += ms;
    this.#wallShift += ms;
    for (const arm of [...this.#alarms]) arm();
  }

  jumpWall(ms: number): void {
    this.#wallShift += ms;
  }

  crash(): void {
    this.#alive = false;
    this.#held = [];
  }

  deliver(happen: () => void): boolean {
    if (!this.#alive) return false;
    if (this.paused) {
      this.#held.push(happen);
      return false;
    }
    happen();
    return true;
  }

  #resume(): boolean {
    if (this.paused) return false;
    const { random } = this.#options;
    const waiting = this.#held;
    this.#held = [];
    for (const happen of shuffled(waiting, random))
      this.#world.at(this.#world.now() + random.between(0, 1), () => this.deliver(happen));
    return false;
  }

  #now(): Monotonic {
    const time = this.#world.now();
    this.#asked = time === this.#askedAt ? this.#asked + 1 : 0;
    this.#askedAt = time;
    if (this.#asked > CIRCLING) throw new Error(`went round in circles: ${CIRCLING} looks at the clock without any time passing`);
    return (this.toLocal(time) + this.#ahead) as Monotonic;
  }

  #timer(when: number, fire: () => void): () => void {
    let undone = false;
    const come = () =>
      this.deliver(() => {
        if (!undone) fire();
      });
    const lateMs = this.#options.random.next() * this.#options.latenessMs;
    const undo = this.alarm(when, () => {
      this.#world.at(this.#world.now() + lateMs, () => (undone ? false : come()));
      return false;
    });
    return () => {
      undone = true;
      undo();
    };
  }
}

/** When every run begins, by a perfect wall clock. */
export const EPOCH_MS = Date.UTC(2030, 0, 1);

function shuffled<T>(list: T[], random: Random): T[] {
  return list
    .map((item) => ({ item, rank: random.next() }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ item }) => item);
}

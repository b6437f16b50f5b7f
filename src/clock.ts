/**
 * Time, the only place that reads it. Own deadlines live on a monotonic scale that also counts the time a machine was suspended, others are judged on
 * one that does not; the wall clock is for people, for what the Lease API wants written, and for telling a suspend from a faulty boot clock.
 */
import { uptime } from 'node:os';

/**
 * The timers and clocks of the process as they are when this file is loaded: tests of users put fakes in their place (of Sinon, Jest, Vitest, Node), and by
 * a clock that stands still a lock would be neither renewed nor known to be lost. Fakes that are there already know what they replace: the first three are
 * all those of @sinonjs/fake-timers.
 */
type Originals = Pick<typeof globalThis, 'setTimeout' | 'clearTimeout' | 'Date' | 'performance'>;
const { clock: fakes } = globalThis.setTimeout as { clock?: { [name in keyof Originals as `_${name}`]?: Originals[name] } };
const { setTimeout, clearTimeout, RealDate, performance } = {
  setTimeout: fakes?._setTimeout ?? globalThis.setTimeout,
  clearTimeout: fakes?._clearTimeout ?? globalThis.clearTimeout,
  RealDate: fakes?._Date ?? globalThis.Date,
  performance: fakes?._performance ?? globalThis.performance,
};
// Of the performance that is kept, the method is replaced.
const { now } = fakes ? (Object.getPrototypeOf(performance) as Originals['performance']) : performance;
const performanceNow = now.bind(performance);
const dateNow = RealDate.now;
const hrtime = process.hrtime.bigint;

/**
 * Milliseconds on this process's own scale, which also counts the time that the machine was suspended: one's own deadlines go by it. It never goes
 * back. Values of two processes can't be compared.
 */
export type Monotonic = number & { readonly __monotonic: unique symbol };

/**
 * Milliseconds on a scale of its own, which stands still while the machine is suspended and believes no other clock: others are judged by it, since
 * a clock that is ahead would rob them.
 */
export type Steady = number & { readonly __steady: unique symbol };

export const later = <Scale extends number>(from: Scale, ms: number): Scale => (from + ms) as Scale;
export const NEVER = Number.POSITIVE_INFINITY as Monotonic;

export interface Clock {
  now(): Monotonic;
  steady(): Steady;
  /**
   * How often boot time has leapt ahead while the wall clock did not: a fault of the machine's clock (lxcfs going away under a container), or a suspend
   * that the wall clock has missed. `now` does not count such a leap; a holder asks the API server whether it may go on.
   */
  doubts(): number;
  /** What a calendar on the wall says: to be written down for people, never to be compared. */
  wall(): Date;
  /** Calls `fire` once, at `when` or as soon after it as the process runs. Returns the undo. */
  at(when: Monotonic, fire: () => void): () => void;
}

/** Waits until `when` or until the signal aborts, whichever is first; it never rejects. */
export function waitUntil(clock: Clock, when: Monotonic, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = () => {
      undo();
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const undo = when === NEVER ? () => {} : clock.at(when, done);
    signal?.addEventListener('abort', done, { once: true });
  });
}

/** Resolves when the signal aborts; immediately if it has. */
export function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/**
 * Longest sleep of one operating-system timer. Timers stand still while a machine is suspended, so a long one would be late by the
 * whole suspension; in slices it is late by one slice at most. Smaller costs wake-ups, larger lets a command run on after a resume.
 */
const SLICE_MS = 1000;

/** CLOCK_BOOTTIME through `uptime()`: to 10 ms, and counting suspend, on Linux and Windows only (elsewhere it follows the wall clock). */
const bootMs = process.platform === 'linux' || process.platform === 'win32' ? () => uptime() * 1000 : () => 0;

/** A moment on the scales that all processes of one machine share, in milliseconds. */
export interface MachineTime {
  monotonic: number;
  boot: number;
}

const machineNow = (): MachineTime => ({ monotonic: Number(hrtime()) / 1e6, boot: bootMs() });

/** For another process of this machine; both clocks have to be system clocks. */
export function toMachineTime(clock: Clock, when: Monotonic): MachineTime {
  const { monotonic, boot } = machineNow();
  const left = when - clock.now();
  return { monotonic: monotonic + left, boot: boot + left };
}

/** On this process's own scale: by monotonic or boot time, whichever comes first. */
export function fromMachineTime(clock: Clock, { monotonic, boot }: MachineTime): Monotonic {
  const now = machineNow();
  return later(clock.now(), Math.min(monotonic - now.monotonic, now.boot === 0 ? Number.POSITIVE_INFINITY : boot - now.boot));
}

/** How much boot time may gain on monotonic time between two looks before it is a leap; it is read to 10 ms. */
const LEAP_MS = 200;

/** Monotonic time plus the leaps of boot time that the wall clock confirms: a suspend moves both. */
function clockOfOwnDeadlines(): { now(): Monotonic; doubts(): number } {
  const read = () => ({ mono: performanceNow(), boot: bootMs(), wall: dateNow() });
  const start = read();
  let last = start;
  let disbelieved = 0;
  let doubts = 0;
  let latest = 0;
  return {
    now() {
      const at = read();
      const leap = at.boot - last.boot - (at.mono - last.mono);
      const wallLeap = at.wall - last.wall - (at.mono - last.mono);
      // By more than half: a time server may have corrected the wall clock in the same moment.
      const confirmed = leap > 0 && wallLeap > leap / 2;
      if (Math.abs(leap) > LEAP_MS && !confirmed) {
        disbelieved += leap;
        if (leap > 0) doubts += 1;
      }
      last = at;
      // Whichever is further ahead: too early a time would let two commands run together.
      latest = Math.max(latest, at.mono - start.mono, at.boot - start.boot - disbelieved);
      return latest as Monotonic;
    },
    doubts: () => doubts,
  };
}

/** `background`: its timers don't keep the process running. */
export function systemClock({ background = false } = {}): Clock {
  const { now, doubts } = clockOfOwnDeadlines();
  return {
    now,
    doubts,
    steady: () => performanceNow() as Steady,
    wall: () => new RealDate(dateNow()),
    at(when, fire) {
      let timer: NodeJS.Timeout | undefined;
      const arm = () => {
        const from = now();
        const left = when - from;
        // All that wait for long wake up together; just behind the mark, not again at it.
        const sliceMs = Math.ceil(SLICE_MS - (from % SLICE_MS)) + 1;
        timer = left <= 0 ? setTimeout(fire, 0) : setTimeout(left <= sliceMs ? check : arm, Math.min(left, sliceMs));
        if (background) timer.unref();
      };
      const check = () => (now() >= when ? fire() : arm());
      arm();
      return () => clearTimeout(timer);
    },
  };
}

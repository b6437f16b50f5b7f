/**
 * Time, the only place that reads it. Deadlines live on a monotonic scale that also counts the time a machine was
 * suspended; the wall clock is for people and for what the Lease API wants written, and decides nothing.
 */
import { uptime } from 'node:os';

/** Milliseconds on this process's own scale. It never goes back. Values of two processes can't be compared. */
export type Monotonic = number & { readonly __monotonic: unique symbol };

export const later = (from: Monotonic, ms: number): Monotonic => (from + ms) as Monotonic;
export const NEVER = Number.POSITIVE_INFINITY as Monotonic;

export interface Clock {
  now(): Monotonic;
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

const machineNow = (): MachineTime => ({ monotonic: Number(process.hrtime.bigint()) / 1e6, boot: bootMs() });

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

/** `background`: its timers don't keep the process running. */
export function systemClock({ background = false } = {}): Clock {
  const bootAtStart = bootMs();
  const monotonicAtStart = performance.now();
  let latest = 0;
  const now = (): Monotonic => {
    // Whichever is further ahead: too late a time stops a command early, too early a time lets two run at once.
    latest = Math.max(latest, performance.now() - monotonicAtStart, bootMs() - bootAtStart);
    return latest as Monotonic;
  };
  return {
    now,
    wall: () => new Date(),
    at(when, fire) {
      let timer: NodeJS.Timeout | undefined;
      const arm = () => {
        const left = when - now();
        timer = left <= 0 ? setTimeout(fire, 0) : setTimeout(left <= SLICE_MS ? check : arm, Math.min(left, SLICE_MS));
        if (background) timer.unref();
      };
      const check = () => (now() >= when ? fire() : arm());
      arm();
      return () => clearTimeout(timer);
    },
  };
}

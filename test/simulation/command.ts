/** A command and its watchdog: they live outside the guard's process, on the same machine and clock, whatever happens to the guard. */
import type { Timings } from '../../src/protocol/timings.ts';
import type { Surroundings } from './client.ts';
import type { Author } from './history.ts';
import type { Process } from './process.ts';
import type { Random } from './random.ts';

export interface Command {
  /** Asks it to end, and sees to it that it does. */
  stop(why: string): void;
  onStopping(happen: () => void): void;
  /** The watchdog hears of a renewal. */
  heard(stopBy: number): void;
  /** Its guard is gone. */
  orphan(diesToo: boolean): void;
}

interface CommandOptions {
  process: Process;
  random: Random;
  author: Author;
  times: Timings;
  stopBy: number;
  has(fault: string): boolean;
  onReaped(): void;
}

export function newCommand({ world, listen }: Surroundings, options: CommandOptions): Command {
  const { process, random, author, times, has, onReaped } = options;
  const { reapMs } = times;
  let over = false;
  let stopping = false;
  let deadline = options.stopBy + times.killGraceMs;
  let unwatch = () => {};
  let tell: () => void = () => {};
  const end = (how: string) => {
    if (over) return;
    over = true;
    listen(world.now(), { type: 'ended', author, clock: process.toLocal(world.now()), how });
    process.deliver(onReaped);
  };
  const dieIn = (localMs: number, how: string) => {
    process.alarm(process.clock.now() + localMs, () => {
      const had = !over;
      end(how);
      return had;
    });
  };
  const guardDog = () => {
    unwatch();
    unwatch = process.alarm(deadline, () => {
      if (!over) dieIn(random.next() * reapMs, 'killed by the watchdog');
      return false;
    });
  };
  const stop = (why: string) => {
    if (stopping || over) return;
    stopping = true;
    tell();
    if (!has('stubborn') && random.chance(0.6)) dieIn(random.next() * times.killGraceMs, `ended after ${why}`);
    else dieIn(times.killGraceMs + random.next() * reapMs, `killed after ${why}`);
  };
  guardDog();
  const work = random.chance(0.15) ? random.about(times.durationMs * 3) : random.about(times.durationMs / 4);
  world.at(world.now() + work, () => {
    // A command that ends by itself may leave children that take their time.
    if (over) return false;
    if (random.chance(0.8)) end('ended by itself');
    else return process.deliver(() => stop('its main process ended'));
    return true;
  });
  return {
    stop,
    onStopping(happen) {
      tell = happen;
    },
    heard(stopBy) {
      deadline = stopBy + times.killGraceMs;
      guardDog();
    },
    orphan(diesToo) {
      if (diesToo) end('died with its guard');
    },
  };
}

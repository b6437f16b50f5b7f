/** A command and its supervisor: they live outside the guard's process, on the same machine and clock, whatever happens to the guard. */
import type { Timings } from '../../src/protocol/timings.ts';
import type { Surroundings } from './client.ts';
import type { Author } from './history.ts';
import type { Process } from './process.ts';
import type { Random } from './random.ts';

export interface Command {
  /** Asks it to end, and sees to it that it does. */
  stop(why: string): void;
  onStopping(happen: () => void): void;
  /** The supervisor hears of a renewal. */
  heard(killBy: number): void;
  endedByItself(): boolean;
  /** Its guard is gone. */
  orphan(diesToo: boolean): void;
}

interface CommandOptions {
  process: Process;
  random: Random;
  author: Author;
  times: Timings;
  killBy: number;
  has(fault: string): boolean;
  onReaped(): void;
}

export const newCommand = (around: Surroundings, options: CommandOptions): Command => new SimulatedCommand(around, options);

class SimulatedCommand implements Command {
  readonly #around: Surroundings;
  readonly #options: CommandOptions;
  #over = false;
  #byItself = false;
  #stopping = false;
  #deadline: number;
  #unwatch = () => {};
  #tell: () => void = () => {};

  constructor(around: Surroundings, options: CommandOptions) {
    const { random, times } = options;
    const { world } = around;
    this.#around = around;
    this.#options = options;
    this.#deadline = options.killBy;
    this.#watch();
    const work = random.chance(0.15) ? random.about(times.durationMs * 3) : random.about(times.durationMs / 4);
    world.at(world.now() + work, () => this.#work());
  }

  stop(why: string): void {
    const { random, times, has } = this.#options;
    if (this.#stopping || this.#over) return;
    this.#stopping = true;
    this.#tell();
    if (!has('stubborn') && random.chance(0.6)) this.#dieIn(random.next() * times.killGraceMs, `ended after ${why}`);
    else this.#dieIn(times.killGraceMs + random.next() * times.reapMs, `killed after ${why}`);
  }

  readonly endedByItself = (): boolean => this.#byItself;

  onStopping(happen: () => void): void {
    this.#tell = happen;
  }

  heard(killBy: number): void {
    this.#deadline = killBy;
    this.#watch();
  }

  orphan(diesToo: boolean): void {
    if (diesToo) this.#end('died with its guard');
  }

  #end(how: string): void {
    if (this.#over) return;
    this.#over = true;
    const { world, listen } = this.#around;
    const { process, author, onReaped } = this.#options;
    listen(world.now(), { type: 'ended', author, clock: process.toLocal(world.now()), how });
    process.deliver(onReaped);
  }

  #dieIn(localMs: number, how: string): void {
    const { process } = this.#options;
    process.alarm(process.clock.now() + localMs, () => {
      const had = !this.#over;
      this.#end(how);
      return had;
    });
  }

  #watch(): void {
    const { process, random, times } = this.#options;
    this.#unwatch();
    this.#unwatch = process.alarm(this.#deadline, () => {
      if (!this.#over) this.#dieIn(random.next() * times.reapMs, 'killed by the supervisor');
      return false;
    });
  }

  /** A command that ends by itself may leave children that take their time. */
  #work(): boolean {
    if (this.#over) return false;
    if (!this.#options.random.chance(0.8)) return this.#options.process.deliver(() => this.stop('its main process ended'));
    this.#byItself = true;
    this.#end('ended by itself');
    return true;
  }
}

/** The time of a small world, one for all, and what is due at which moment. It goes from one moment at which something is due to the next. */

export interface Timer {
  whose: string;
  time: number;
  fire: () => void;
  /** It only looks, and is no move of its own. */
  idle: boolean;
}

export interface Timers {
  now(): number;
  add(timer: Timer): () => void;
  /** The first of each participant whose time has come. */
  due(): Timer[];
  /** Takes it out, to be fired. */
  take(timer: Timer): void;
  /** When the next is due. */
  next(): number;
  /** Lets time go to that moment; those that only look do so on the way. */
  pass(): void;
  vanish(whose: string): void;
  /** What is still to come, in words. */
  pending(): string[];
}

export function newTimers(): Timers {
  let now = 0;
  const timers = new Set<Timer>();
  const next = () => Math.min(...[...timers].map(({ time, idle }) => (idle ? Number.POSITIVE_INFINITY : time)));
  return {
    now: () => now,
    add(timer) {
      timers.add(timer);
      return () => timers.delete(timer);
    },
    due() {
      const first = new Map<string, Timer>();
      for (const timer of timers) if (!timer.idle && timer.time <= now && !first.has(timer.whose)) first.set(timer.whose, timer);
      return [...first.values()];
    },
    take: (timer) => void timers.delete(timer),
    next,
    pass() {
      const until = next();
      const looks = () => [...timers].filter(({ time, idle }) => idle && time < until).sort((a, b) => a.time - b.time);
      for (let [look] = looks(); look; [look] = looks()) {
        timers.delete(look);
        now = Math.max(now, look.time);
        look.fire();
      }
      now = until;
    },
    vanish(whose) {
      for (const timer of timers) if (timer.whose === whose) timers.delete(timer);
    },
    pending: () =>
      [...timers]
        .filter(({ idle }) => !idle)
        .map(({ whose, time }) => `${whose} ${time}`)
        .sort(),
  };
}

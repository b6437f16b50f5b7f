/** How a supervisor and its command behave in one run. Times are milliseconds. */
import type { Random } from '../../simulation/random.ts';

const NEVER = Number.POSITIVE_INFINITY;

export interface Behaviour {
  /** How late messages are, at most, in both directions. */
  delayMs: number;
  /** How long the first process lives by itself, and those that it leaves behind. */
  livesMs: number;
  orphansLiveMs: number;
  /** How long it takes to end after SIGTERM; infinite: it ignores it. */
  endsInMs: number;
  /** The program is not there. */
  missing: boolean;
  /** Those that it has left behind have left its group as well: nobody finds them once the supervisor is killed. */
  strays: boolean;
  underFirst: boolean;
  /** When the supervisor is stopped, for how long, and when it is killed; infinite: never. */
  stoppedAt: number;
  stoppedForMs: number;
  killedAt: number;
}

export function behaviourOf(random: Random): Behaviour {
  const rarely = (mean: number) => (random.chance(0.3) ? random.about(mean) : NEVER);
  return {
    delayMs: random.pick([0, 5, 200, 2000]),
    livesMs: random.pick([0, 10, 5000, 100_000, 400_000]),
    orphansLiveMs: random.pick([0, 0, 1000, 60_000]),
    endsInMs: random.pick([0, 1000, 8000, NEVER]),
    missing: random.chance(0.03),
    stoppedAt: rarely(60_000),
    stoppedForMs: random.pick([1000, 20_000, 300_000]),
    strays: random.chance(0.5),
    underFirst: random.chance(0.5),
    killedAt: random.chance(0.15) ? random.about(60_000) : NEVER,
  };
}

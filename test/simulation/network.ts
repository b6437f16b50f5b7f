/**
 * What may happen to a request on its way: nothing, a wait, a loss on either way, an arrival long after it was given up, a second
 * arrival, an answer that refuses. The weather changes between calm and rough, and now and then one participant is cut off.
 */
import type { Random } from './random.ts';
import type { World } from './world.ts';

/** What an API server may refuse, for as long as its RBAC is not read, a token is rotated, a webhook fails, a namespace is gone. */
export type Refused = 401 | 403 | 404 | 422;

export interface Fate {
  /** Undefined: it never arrives. */
  arrivesAfterMs: number | undefined;
  /** Undefined: the answer never arrives. */
  answersAfterMs: number | undefined;
  /** It arrives once more, so long after the first time. */
  againAfterMs: number | undefined;
  /** It stays in the network until the Lease is deleted, and arrives just then. */
  arrivesAtDeletion: boolean;
  /** Which of two arrivals the answer speaks of. */
  answerOfSecond: boolean;
  verdict: 'served' | 'throttled' | 'failed' | 'failed-but-done' | 'refused-connection' | Refused;
  /** What a refusal asks for, in seconds. */
  retryAfter: number | undefined;
}

export interface Network {
  fate(participant: string): Fate;
  /** How long a watch event takes, and whether its connection lives on. */
  watchLagMs(): number;
  /** A watch can't go on from where it was. */
  watchForgets(): boolean;
  watchFate(): 'lives' | 'closes' | 'falls-silent' | 'doubles';
  isCutOff(participant: string): boolean;
  /** Nothing reaches this participant, or comes from it, for so long. */
  cutOff(participant: string, ms: number): void;
  isRough(): boolean;
  /** How long nothing has hindered the requests of this participant. */
  calmForMs(participant: string): number;
}

export interface NetworkOptions {
  random: Random;
  has(fault: string): boolean;
}

export function newNetwork(world: World, { random, has }: NetworkOptions): Network {
  let roughUntil = 0;
  let calmUntil = random.between(5_000, 120_000);
  const cutOff = new Map<string, number>();
  const troubled = ['delay', 'loss', 'late', 'duplicate', 'errors', 'watch', 'partition', 'revenant', 'refusals'].some(has);
  const isRough = () => {
    const now = world.now();
    while (troubled && now >= roughUntil && now >= calmUntil) {
      roughUntil = calmUntil + random.about(60_000);
      calmUntil = roughUntil + random.about(120_000);
    }
    return now < roughUntil;
  };
  // Now and then the API server has more to do than it can, for minutes on end.
  let throttledFrom = has('throttle') ? random.about(300_000) : Number.POSITIVE_INFINITY;
  let throttledUntil = throttledFrom + random.between(60_000, 600_000);
  let calmAgainAt = 0;
  const isThrottled = () => {
    const now = world.now();
    while (has('throttle') && now >= throttledUntil) {
      calmAgainAt = throttledUntil;
      throttledFrom = throttledUntil + random.about(600_000);
      throttledUntil = throttledFrom + random.between(60_000, 600_000);
    }
    return has('throttle') && now >= throttledFrom;
  };
  const verdictOf = (): Fate['verdict'] => {
    if (isThrottled()) return 'throttled';
    if (rough('refusals', 0.1)) return random.pick<Refused>([401, 403, 403, 404, 422]);
    if (!rough('errors', 0.1)) return 'served';
    return random.pick<Fate['verdict']>(['throttled', 'failed', 'failed-but-done', 'failed-but-done', 'refused-connection']);
  };
  const isCutOff = (participant: string) => (cutOff.get(participant) ?? 0) > world.now();
  const rough = (fault: string, probability: number) => has(fault) && isRough() && random.chance(probability);
  return {
    isRough: () => isRough() || isThrottled(),
    calmForMs: (participant) =>
      isRough() || isThrottled() ? 0 : Math.max(0, world.now() - Math.max(roughUntil, calmAgainAt, cutOff.get(participant) ?? 0)),
    isCutOff,
    cutOff: (participant, ms) => void cutOff.set(participant, world.now() + ms),
    fate(participant) {
      if (rough('partition', has('stubborn') ? 0.03 : 0.01)) cutOff.set(participant, world.now() + random.about(30_000));
      const cut = isCutOff(participant);
      const slow = rough('delay', 0.3) ? random.about(3000) : 0;
      const late = rough('late', 0.05) ? random.between(1000, 60_000) : 0;
      const toServer = random.between(1, 20) + slow * random.next() + late;
      const toClient = random.between(1, 20) + (rough('delay', 0.3) ? random.about(3000) : 0);
      const verdict = verdictOf();
      const again = rough('duplicate', 0.05) ? random.between(0, 5000) : undefined;
      return {
        arrivesAfterMs: cut || rough('loss', 0.05) ? undefined : toServer,
        answersAfterMs: cut || rough('loss', 0.08) ? undefined : toClient,
        againAfterMs: again,
        arrivesAtDeletion: rough('revenant', 0.1),
        answerOfSecond: again !== undefined && random.chance(0.5),
        verdict,
        retryAfter: verdict === 'throttled' ? random.pick([1, 1, 5, 60, 7200]) : undefined,
      };
    },
    watchLagMs: () => (rough('watch', 0.2) ? random.about(4000) : random.between(1, 40)),
    watchForgets: () => rough('watch', 0.2),
    watchFate() {
      if (rough('watch', 0.02)) return 'closes';
      if (rough('watch', 0.02)) return 'falls-silent';
      if (rough('watch', 0.05)) return 'doubles';
      return 'lives';
    },
  };
}

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

export const newNetwork = (world: World, options: NetworkOptions): Network => new SimulatedNetwork(world, options);

const ROUGH_FAULTS = ['delay', 'loss', 'late', 'duplicate', 'errors', 'watch', 'partition', 'revenant', 'refusals'];

class SimulatedNetwork implements Network {
  readonly #world: World;
  readonly #random: Random;
  readonly #has: (fault: string) => boolean;
  readonly #cutOff = new Map<string, number>();
  readonly #troubled: boolean;
  #roughUntil = 0;
  #calmUntil: number;
  /** Now and then the API server has more to do than it can, for minutes on end. */
  #throttledFrom: number;
  #throttledUntil: number;
  #calmAgainAt = 0;

  constructor(world: World, { random, has }: NetworkOptions) {
    this.#world = world;
    this.#random = random;
    this.#has = has;
    this.#troubled = ROUGH_FAULTS.some(has);
    this.#calmUntil = random.between(5_000, 120_000);
    this.#throttledFrom = has('throttle') ? random.about(300_000) : Number.POSITIVE_INFINITY;
    this.#throttledUntil = this.#throttledFrom + random.between(60_000, 600_000);
  }

  isRough(): boolean {
    return this.#isRough() || this.#isThrottled();
  }

  calmForMs(participant: string): number {
    if (this.#isRough() || this.#isThrottled()) return 0;
    const since = Math.max(this.#roughUntil, this.#calmAgainAt, this.#cutOff.get(participant) ?? 0);
    return Math.max(0, this.#world.now() - since);
  }

  isCutOff(participant: string): boolean {
    return (this.#cutOff.get(participant) ?? 0) > this.#world.now();
  }

  cutOff(participant: string, ms: number): void {
    this.#cutOff.set(participant, this.#world.now() + ms);
  }

  fate(participant: string): Fate {
    const random = this.#random;
    if (this.#rough('partition', this.#has('stubborn') ? 0.03 : 0.01)) this.cutOff(participant, random.about(30_000));
    const cut = this.isCutOff(participant);
    const slow = this.#rough('delay', 0.3) ? random.about(3000) : 0;
    const late = this.#rough('late', 0.05) ? random.between(1000, 60_000) : 0;
    const toServer = random.between(1, 20) + slow * random.next() + late;
    const toClient = random.between(1, 20) + (this.#rough('delay', 0.3) ? random.about(3000) : 0);
    const verdict = this.#verdict();
    const again = this.#rough('duplicate', 0.05) ? random.between(0, 5000) : undefined;
    return {
      arrivesAfterMs: cut || this.#rough('loss', 0.05) ? undefined : toServer,
      answersAfterMs: cut || this.#rough('loss', 0.08) ? undefined : toClient,
      againAfterMs: again,
      arrivesAtDeletion: this.#rough('revenant', 0.1),
      answerOfSecond: again !== undefined && random.chance(0.5),
      verdict,
      retryAfter: verdict === 'throttled' ? random.pick([1, 1, 5, 60, 7200]) : undefined,
    };
  }

  watchLagMs(): number {
    return this.#rough('watch', 0.2) ? this.#random.about(4000) : this.#random.between(1, 40);
  }

  watchForgets(): boolean {
    return this.#rough('watch', 0.2);
  }

  watchFate(): ReturnType<Network['watchFate']> {
    if (this.#rough('watch', 0.02)) return 'closes';
    if (this.#rough('watch', 0.02)) return 'falls-silent';
    if (this.#rough('watch', 0.05)) return 'doubles';
    return 'lives';
  }

  #rough(fault: string, probability: number): boolean {
    return this.#has(fault) && this.#isRough() && this.#random.chance(probability);
  }

  #isRough(): boolean {
    const now = this.#world.now();
    while (this.#troubled && now >= this.#roughUntil && now >= this.#calmUntil) {
      this.#roughUntil = this.#calmUntil + this.#random.about(60_000);
      this.#calmUntil = this.#roughUntil + this.#random.about(120_000);
    }
    return now < this.#roughUntil;
  }

  #isThrottled(): boolean {
    const now = this.#world.now();
    while (this.#has('throttle') && now >= this.#throttledUntil) {
      this.#calmAgainAt = this.#throttledUntil;
      this.#throttledFrom = this.#throttledUntil + this.#random.about(600_000);
      this.#throttledUntil = this.#throttledFrom + this.#random.between(60_000, 600_000);
    }
    return this.#has('throttle') && now >= this.#throttledFrom;
  }

  #verdict(): Fate['verdict'] {
    const random = this.#random;
    if (this.#isThrottled()) return 'throttled';
    if (this.#rough('refusals', 0.1)) return random.pick<Refused>([401, 403, 403, 404, 422]);
    if (!this.#rough('errors', 0.1)) return 'served';
    return random.pick<Fate['verdict']>(['throttled', 'failed', 'failed-but-done', 'failed-but-done', 'refused-connection']);
  }
}

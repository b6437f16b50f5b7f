/**
 * A participant of ours: the real loop under test, with a guard and a command around it. The command runs while the lock is held, is asked
 * to stop when it is lost, and is killed by a supervisor that needs no guard; the lock is let go once the command is gone.
 */
import type { answerOf } from '../../src/api/answers.ts';
import type { LeaseClient } from '../../src/api/lease-client.ts';
import type { acquire, Emit, HeldLock, LockEvent, Participant, Work } from '../../src/lock/index.ts';
import type { acquireAll } from '../../src/lock/several.ts';
import type { timings } from '../../src/protocol/timings.ts';
import { pickPolicies, pickTimings } from './character.ts';
import { type ClientOptions, newClient, type Surroundings } from './client.ts';
import { type Command, newCommand } from './command.ts';
import type { Author } from './history.ts';
import type { Process } from './process.ts';
import type { Random } from './random.ts';
import { outcomeOf, wordsOf } from './story.ts';

/** The code under test, or a broken copy of it. */
export interface Source {
  acquire: typeof acquire;
  acquireAll: typeof acquireAll;
  timings: typeof timings;
  answerOf: typeof answerOf;
}

/** How a guard may go wrong, for the mutants. */
export interface Conduct {
  releaseBeforeReaping?: boolean;
  /** What was started on a grant is given its grace all the same. */
  graceOnGrant?: boolean;
  twist?: ClientOptions['twist'];
}

export interface OursOptions {
  source: Source;
  conduct: Conduct;
  process: Process;
  random: Random;
  name: string;
  id: string;
  nonce: string;
  has(fault: string): boolean;
}

export interface Ours {
  author: Author;
  /** Settles when this participant is done with the lock, for whatever reason. */
  done: Promise<void>;
  /** Ends the process now; its command dies at once, or by the supervisor. */
  crash(): void;
  /** Asks it to give up waiting, or its work to end. */
  finish(): void;
  state(): 'waiting' | 'holding' | 'over';
}

export const newOurs = (around: Surroundings, options: OursOptions): Ours => new OneOfOurs(around, options);

class OneOfOurs implements Ours {
  readonly author: Author;
  readonly done: Promise<void>;
  readonly #around: Surroundings;
  readonly #options: OursOptions;
  readonly #participant: Participant;
  readonly #timeoutMs: number | undefined;
  readonly #killable: boolean;
  readonly #giveUp = new AbortController();
  #command: Command | undefined;
  #state: ReturnType<Ours['state']> = 'waiting';

  constructor(around: Surroundings, options: OursOptions) {
    const { random, name, id, nonce, has, source } = options;
    this.#around = around;
    this.#options = options;
    const times = pickTimings(source, random);
    const labels = random.chance(0.1) ? { team: name } : undefined;
    const priority = has('priority') && random.chance(has('ageing') ? 0.6 : 0.2) ? random.pick([1, 5]) : 0;
    const policies = pickPolicies(random, has);
    this.author = { name, kind: 'ours', id, nonce, durationMs: times.durationMs, times, priority, labels, policies };
    this.#participant = this.#newParticipant(times);
    this.#timeoutMs = this.#pickPatience();
    this.#killable = has('direct') && random.chance(0.8);
    this.done = this.#live().then(
      () => {
        this.#state = 'over';
        options.process.crash();
      },
      (error: unknown) => {
        this.#state = 'over';
        this.#tell(`threw ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
        throw error;
      },
    );
  }

  crash(): void {
    const { world, listen } = this.#around;
    const { process, random } = this.#options;
    const { author } = this;
    listen(world.now(), { type: 'troubled', author, source: 'process', by: 'crashed', lasting: true });
    process.crash();
    if (this.#state === 'waiting') listen(world.now(), { type: 'unqueued', author, outcome: 'crashed' });
    this.#state = 'over';
    this.#command?.orphan(random.chance(0.5));
  }

  finish(): void {
    this.#giveUp.abort();
  }

  state(): ReturnType<Ours['state']> {
    return this.#state;
  }

  #tell(text: string): void {
    const { world, listen } = this.#around;
    listen(world.now(), { type: 'told', author: this.author, text });
  }

  #after(ms: number, happen: () => void): void {
    const { world } = this.#around;
    world.at(world.now() + ms, () => this.#options.process.deliver(happen));
  }

  #newClient(): LeaseClient {
    const { process, random, has, source, conduct } = this.#options;
    const plain = newClient(this.#around, {
      process,
      author: this.author,
      twist: conduct.twist,
      answerOf: source.answerOf,
      deaf: has('no-watch') && random.chance(0.5),
    });
    return {
      ...plain,
      write: (lease, how) => {
        // Given up just while a write is on its way: what becomes of it must be looked up.
        const impatient = has('impatience') && this.#state === 'waiting' && random.chance(0.01);
        if (impatient) this.#after(random.between(0, 40), () => this.finish());
        return plain.write(lease, how);
      },
    };
  }

  #newParticipant(times: Participant['timings']): Participant {
    const { process, random, name, id, nonce, has } = this.#options;
    const { priority = 0, labels, policies } = this.author;
    let marks = 0;
    return {
      client: this.#newClient(),
      clock: process.clock,
      timings: times,
      createIfAbsent: !(has('no-create') && random.chance(0.05)),
      newMark: () => `${nonce}/${++marks}`,
      random: () => random.next(),
      me: {
        namespace: 'ns',
        name: 'lock',
        id,
        nonce,
        priority,
        durationMs: times.durationMs,
        about: { who: name },
        since: process.clock.wall().toISOString(),
        legacyExpiry: has('legacy') || has('nameless'),
        policies,
        ...(labels && { labels }),
      },
    };
  }

  /** How long it waits: 0 for one try, undefined for ever; and some give up in between. */
  #pickPatience(): number | undefined {
    const { random, has } = this.#options;
    const kind = random.next();
    if (!has('impatience')) return undefined;
    const oneTry = kind < (has('one-try') ? 0.15 : 0.05);
    const timeoutMs = oneTry ? 0 : kind < 0.2 ? random.about(60_000) : undefined;
    if (kind > 0.92) this.#after(random.about(60_000), () => this.finish());
    return timeoutMs;
  }

  #onEvent(event: LockEvent): void {
    const { world, network, listen } = this.#around;
    const { author } = this;
    const gone = event.type === 'left-queue' || (event.type === 'released' && event.keptMs === 0);
    if (gone) listen(world.now(), { type: 'said', author, what: event.type });
    else this.#tell(wordsOf(event));
    if (event.type === 'release-failed') listen(world.now(), { type: 'said', author, what: 'could-not-leave' });
    if (event.type === 'lost') {
      const calmForMs = network.calmForMs(this.#options.name);
      listen(world.now(), { type: 'lost', author, reason: event.reason, calmForMs });
    }
    if (event.type === 'stop-requested') listen(world.now(), { type: 'stopping', author, kind: event.request.kind });
    if (event.type === 'renewed') this.#command?.heard(event.deadlines.killBy);
  }

  async #live(): Promise<void> {
    const { world, listen } = this.#around;
    const { author } = this;
    const timeoutMs = this.#timeoutMs;
    const patient = timeoutMs === undefined;
    listen(world.now(), { type: 'queued', author, patient, oneTry: timeoutMs === 0 });
    const onEvent: Emit = (event) => this.#onEvent(event);
    const { source } = this.#options;
    const request = { timeoutMs, signal: this.#giveUp.signal, onEvent, killable: this.#killable };
    const acquisition = await source.acquire(this.#participant, request);
    listen(world.now(), { type: 'unqueued', author, outcome: outcomeOf(acquisition), patient });
    if (acquisition.kind !== 'held') return;
    this.#state = 'holding';
    await this.#guard(acquisition.lock);
  }

  #workOf({ endedByItself }: Command, lock: HeldLock): Work {
    const { author } = this;
    if (author.policies?.once === undefined || !endedByItself() || lock.isLost() || this.#options.random.chance(0.3))
      return 'ended';
    this.#around.listen(this.#around.world.now(), { type: 'succeeded', author });
    return 'succeeded';
  }

  async #guard(lock: HeldLock): Promise<void> {
    const { world, listen } = this.#around;
    const { process, random, has, conduct } = this.#options;
    const { author } = this;
    const { promise, resolve } = Promise.withResolvers<void>();
    listen(world.now(), { type: 'started', author, token: lock.token });
    const { timings: times } = this.#participant;
    const { stopBy, killBy: by } = lock.deadlines();
    const killBy = by === stopBy && conduct.graceOnGrant ? by + times.killGraceMs : by;
    const running = newCommand(this.#around, { process, random, author, times, has, killBy, onReaped: resolve });
    this.#command = running;
    lock.lost.addEventListener('abort', () => running.stop('the lock was lost'), { once: true });
    lock.stopRequested.addEventListener('abort', () => running.stop('it was asked to stop'), { once: true });
    this.#giveUp.signal.addEventListener('abort', () => running.stop('its guard was told to end'), { once: true });
    if (lock.lost.aborted) running.stop('the lock was lost at once');
    if (conduct.releaseBeforeReaping) {
      // The mutant lets go as soon as it has sent the signal.
      lock.stopRequested.addEventListener('abort', () => void lock.release(), { once: true });
      running.onStopping(() => void lock.release());
    }
    await promise;
    if (random.chance(0.02)) lock.abandon();
    else if (!conduct.releaseBeforeReaping) await lock.release(this.#workOf(running, lock));
  }
}

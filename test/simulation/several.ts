/**
 * Participants that want several locks, all or none: the real `acquireAll` under test, with one API server for each lock, and one command under all that are
 * held. Each names its locks in an order of its own.
 */
import type { LockEvent, Participant } from '../../src/lock/index.ts';
import type { HeldLocks } from '../../src/lock/several.ts';
import { pickTimings } from './character.ts';
import { newClient, type Surroundings } from './client.ts';
import { type Command, newCommand } from './command.ts';
import type { Author } from './history.ts';
import type { Ours, Source } from './ours.ts';
import { machineOf } from './plan.ts';
import { newProcess, type Process } from './process.ts';
import { type Random, randomOf } from './random.ts';
import { newServer, type Server } from './server.ts';
import { hear, type Life, type Stage } from './stage.ts';
import { wordsOf } from './story.ts';

const LOCKS = ['a', 'b', 'c'];
const NAMES = ['alice', 'bob', 'carol', 'dave', 'erin', 'frank', 'grace', 'heidi', 'ivan', 'judy'];

export function populateWithSeveral(stage: Stage, participants: number, source: Source): void {
  const servers = new Map<string, Server>();
  for (const lock of LOCKS) {
    const server = newServer(stage.world, { random: randomOf(stage.seed, `server-${lock}`), skewsMs: [0] });
    hear(stage, server);
    servers.set(lock, server);
  }
  for (let i = 0; i < participants; i += 1) inhabit(stage, { name: NAMES[i] ?? `p${i}`, servers, source });
}

interface Making {
  name: string;
  servers: ReadonlyMap<string, Server>;
  source: Source;
}

function inhabit(stage: Stage, { name, ...making }: Making): void {
  const { world, has } = stage;
  const random = randomOf(stage.seed, name);
  const machine = machineOf(random, has);
  let lives = 0;
  const live = (): boolean => {
    if (stage.ending) return false;
    lives += 1;
    const process = newProcess(world, { ...machine, latenessMs: 2, random });
    const life: Life = { process };
    stage.alive.add(life);
    const over = (afterMs: number) => {
      if (stage.alive.delete(life)) world.at(world.now() + afterMs, live);
    };
    const one = new OneOfSeveral(stage, { ...making, process, random, name, nonce: `${name}${lives}` });
    life.ours = one;
    const done = () => over(random.about(20_000));
    one.done.then(done, done);
    if (has('crash') && random.chance(0.15))
      world.at(world.now() + random.about(20_000), () => {
        if (!stage.alive.has(life)) return false;
        one.crash();
        over(random.about(30_000));
        return true;
      });
    return true;
  };
  world.at(random.between(0, 10_000), live);
}

interface Options extends Making {
  process: Process;
  random: Random;
  nonce: string;
}

class OneOfSeveral implements Ours {
  readonly author: Author;
  readonly done: Promise<void>;
  readonly #stage: Stage;
  readonly #options: Options;
  readonly #authors: readonly Author[];
  readonly #giveUp = new AbortController();
  #held: HeldLocks | undefined;
  #command: Command | undefined;
  #state: ReturnType<Ours['state']> = 'waiting';

  constructor(stage: Stage, options: Options) {
    const { random, name, nonce, source } = options;
    this.#stage = stage;
    this.#options = options;
    const times = pickTimings(source, random);
    this.author = { name, kind: 'ours', id: nonce, nonce, durationMs: times.durationMs, times };
    this.#authors = inAnyOrder(random).map((lock) => ({ ...this.author, lock }));
    this.done = this.#live(times).finally(() => {
      this.#state = 'over';
      options.process.crash();
    });
  }

  crash(): void {
    const { world, listen } = this.#stage;
    this.#options.process.crash();
    listen(world.now(), { type: 'troubled', author: this.author, source: 'process', by: 'crashed', lasting: true });
    if (this.#state === 'waiting') listen(world.now(), { type: 'unqueued', author: this.author, outcome: 'crashed' });
    this.#state = 'over';
    this.#command?.orphan(this.#options.random.chance(0.3));
  }

  finish(): void {
    this.#giveUp.abort();
  }

  state(): ReturnType<Ours['state']> {
    return this.#state;
  }

  #participantOf(author: Author, timings: Participant['timings']): Participant {
    const { process, random, servers, nonce } = this.#options;
    const { lock = '' } = author;
    const around: Surroundings = { ...this.#stage, server: servers.get(lock) ?? this.#stage.server };
    let marks = 0;
    return {
      client: newClient(around, { process, author }),
      clock: process.clock,
      timings,
      createIfAbsent: true,
      newMark: () => `${nonce}/${++marks}`,
      random: () => random.next(),
      me: {
        ...{ namespace: 'ns', name: lock, id: nonce, nonce, priority: 0, durationMs: timings.durationMs, about: {} },
        ...{ since: process.clock.wall().toISOString(), legacyExpiry: false },
      },
    };
  }

  #onEvent(event: LockEvent, of: Participant): void {
    const { world, listen } = this.#stage;
    const author = this.#authors.find(({ lock }) => lock === of.me.name) ?? this.author;
    listen(world.now(), { type: 'told', author, text: `${of.me.name}: ${wordsOf(event)}` });
    if (event.type === 'release-failed') listen(world.now(), { type: 'said', author, what: 'could-not-leave' });
    if (event.type === 'renewed' && this.#held) this.#command?.heard(this.#held.deadlines().killBy);
  }

  async #live(timings: Participant['timings']): Promise<void> {
    const { world, listen, has } = this.#stage;
    const { random, source } = this.#options;
    const { author } = this;
    const kind = has('impatience') ? random.next() : 1;
    const timeoutMs = kind < 0.1 ? 0 : kind < 0.3 ? random.about(60_000) : undefined;
    if (kind > 0.92 && kind < 1)
      world.at(world.now() + random.about(60_000), () => this.#options.process.deliver(() => this.finish()));
    listen(world.now(), { type: 'queued', author, patient: timeoutMs === undefined, timeoutMs });
    const all = this.#authors.map((one) => this.#participantOf(one, timings)) as [Participant, ...Participant[]];
    const acquisition = await source.acquireAll(all, {
      timeoutMs,
      signal: this.#giveUp.signal,
      killable: has('direct'),
      onEvent: (event, of) => this.#onEvent(event, of),
    });
    listen(world.now(), { type: 'unqueued', author, outcome: acquisition.kind });
    if (acquisition.kind !== 'held') return;
    this.#state = 'holding';
    await this.#work(acquisition.lock, timings);
  }

  async #work(lock: HeldLocks, times: Participant['timings']): Promise<void> {
    const { world, listen, has } = this.#stage;
    const { process, random } = this.#options;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#held = lock;
    for (const author of this.#authors) listen(world.now(), { type: 'started', author, token: '' });
    const command = newCommand(this.#commandStage(), {
      ...{ process, random, author: this.author, times, has, killBy: lock.deadlines().killBy, onReaped: resolve },
    });
    this.#command = command;
    lock.lost.addEventListener('abort', () => command.stop('a lock was lost'), { once: true });
    lock.stopRequested.addEventListener('abort', () => command.stop('it was asked to stop'), { once: true });
    this.#giveUp.signal.addEventListener('abort', () => command.stop('its guard was told to end'), { once: true });
    if (lock.lost.aborted) command.stop('a lock was lost at once');
    await promise;
    await lock.release();
  }

  /** One command ends under all of its locks. */
  #commandStage(): Surroundings {
    return {
      ...this.#stage,
      listen: (at, event) => {
        if (event.type !== 'ended') return this.#stage.listen(at, event);
        for (const author of this.#authors) this.#stage.listen(at, { ...event, author });
      },
    };
  }
}

/** Some of the locks, each at most once. */
function inAnyOrder(random: Random): string[] {
  const left = [...LOCKS];
  const count = random.pick([1, 2, 2, 3]);
  return Array.from({ length: count }, () => left.splice(Math.floor(random.next() * left.length), 1)[0] ?? '');
}

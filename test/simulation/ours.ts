/**
 * A participant of ours: the real loop under test, with a guard and a command around it. The command runs while the lock is held, is asked
 * to stop when it is lost, and is killed by a watchdog that needs no guard; the lock is let go once the command is gone.
 */
import type { answerOf } from '../../src/api/answers.ts';
import type { LeaseClient } from '../../src/api/lease-client.ts';
import type { acquire, Emit, HeldLock, LockEvent, Participant } from '../../src/lock/index.ts';
import type { timings } from '../../src/protocol/timings.ts';
import { type ClientOptions, newClient, type Surroundings } from './client.ts';
import { type Command, newCommand } from './command.ts';
import type { Author } from './history.ts';
import type { Process } from './process.ts';
import type { Random } from './random.ts';

/** The code under test, or a broken copy of it. */
export interface Source {
  acquire: typeof acquire;
  timings: typeof timings;
  answerOf: typeof answerOf;
}

/** How a guard may go wrong, for the mutants. */
export interface Conduct {
  releaseBeforeReaping?: boolean;
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
  /** Ends the process now; its command dies at once, or by the watchdog. */
  crash(): void;
  /** Asks it to give up waiting, or its work to end. */
  finish(): void;
  state(): 'waiting' | 'holding' | 'over';
}

export function newOurs(around: Surroundings, options: OursOptions): Ours {
  const { world, network, listen } = around;
  const { process, random, name, id, nonce, has, source } = options;
  const times = pickTimings(source, random);
  const labels = random.chance(0.1) ? { team: name } : undefined;
  const priority = has('priority') && random.chance(0.2) ? random.pick([1, 5]) : 0;
  const author: Author = { name, kind: 'ours', id, nonce, durationMs: times.durationMs, times, priority, labels };
  const plain = newClient(around, {
    process,
    author,
    manager: (as) => (as === 'holder' ? 'k8s-lease-lock' : 'k8s-lease-lock-waiter'),
    twist: options.conduct.twist,
    answerOf: source.answerOf,
    deaf: has('no-watch') && random.chance(0.5),
  });
  let marks = 0;
  let command: Command | undefined;
  let state: ReturnType<Ours['state']> = 'waiting';
  const giveUp = new AbortController();
  const client: LeaseClient = {
    ...plain,
    write(lease, how) {
      // Given up just while a write is on its way: what becomes of it must be looked up.
      if (has('impatience') && state === 'waiting' && random.chance(0.01)) after(random.between(0, 40), () => giveUp.abort());
      return plain.write(lease, how);
    },
  };
  const participant: Participant = {
    client,
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
      ...(labels && { labels }),
    },
  };
  const onEvent: Emit = (event) => {
    if (event.type === 'released' || event.type === 'left-queue') listen(world.now(), { type: 'said', author, what: event.type });
    else listen(world.now(), { type: 'told', author, text: describe(event) });
    if (event.type === 'release-failed') listen(world.now(), { type: 'said', author, what: 'could-not-leave' });
    if (event.type === 'lost') {
      listen(world.now(), { type: 'lost', author, reason: event.reason, calmForMs: network.calmForMs(name) });
    }
    if (event.type === 'renewed') command?.heard(event.deadlines.stopBy);
  };
  const kind = random.next();
  const timeoutMs = has('impatience')
    ? kind < (has('one-try') ? 0.15 : 0.05)
      ? 0
      : kind < 0.2
        ? random.about(60_000)
        : undefined
    : undefined;
  if (has('impatience') && kind > 0.92) after(random.about(60_000), () => giveUp.abort());

  function after(ms: number, happen: () => void): void {
    world.at(world.now() + ms, () => process.deliver(happen));
  }

  async function live(): Promise<void> {
    listen(world.now(), { type: 'queued', author, patient: timeoutMs === undefined, oneTry: timeoutMs === 0 });
    const acquisition = await source.acquire(participant, { timeoutMs, signal: giveUp.signal, onEvent });
    const outcome =
      acquisition.kind === 'refused' || acquisition.kind === 'unreachable'
        ? `${acquisition.kind}: ${acquisition.message}`
        : acquisition.kind;
    listen(world.now(), { type: 'unqueued', author, outcome, patient: timeoutMs === undefined });
    if (acquisition.kind !== 'held') return;
    state = 'holding';
    await guard(acquisition.lock);
  }

  async function guard(lock: HeldLock): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    listen(world.now(), { type: 'started', author, token: lock.token });
    command = newCommand(around, { process, random, author, times, has, stopBy: lock.deadlines().stopBy, onReaped: resolve });
    const running = command;
    lock.lost.addEventListener('abort', () => running.stop('the lock was lost'), { once: true });
    lock.stopRequested.addEventListener('abort', () => running.stop('it was asked to stop'), { once: true });
    giveUp.signal.addEventListener('abort', () => running.stop('its guard was told to end'), { once: true });
    if (lock.lost.aborted) running.stop('the lock was lost at once');
    if (options.conduct.releaseBeforeReaping) {
      // The mutant lets go as soon as it has sent the signal.
      lock.stopRequested.addEventListener('abort', () => void lock.release(), { once: true });
      running.onStopping(() => void lock.release());
    }
    await promise;
    if (random.chance(0.02)) lock.abandon();
    else if (!options.conduct.releaseBeforeReaping) await lock.release();
  }

  const done = live().then(
    () => {
      state = 'over';
      process.crash();
    },
    (error: unknown) => {
      state = 'over';
      listen(world.now(), {
        type: 'told',
        author,
        text: `threw ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
      });
      throw error;
    },
  );
  return {
    author,
    done,
    crash() {
      listen(world.now(), { type: 'troubled', author, source: 'process', by: 'crashed', lasting: true });
      process.crash();
      if (state === 'waiting') listen(world.now(), { type: 'unqueued', author, outcome: 'crashed' });
      state = 'over';
      command?.orphan(random.chance(0.5));
    },
    finish: () => giveUp.abort(),
    state: () => state,
  };
}

function pickTimings(source: Source, random: Random): Participant['timings'] {
  for (;;) {
    const durationMs = random.pick([3, 6, 10, 15, 15, 30, 60, 120]) * 1000;
    const result = source.timings(durationMs, Math.round(random.next() * durationMs * 0.4));
    if (result.kind === 'timings') return result.timings;
  }
}

function describe(event: LockEvent): string {
  switch (event.type) {
    case 'waiting':
      return `waits at place ${event.position} behind ${event.heldBy.map((holder) => `${holder.id} (${holder.standing})`).join(', ') || 'nobody'}`;
    case 'trouble':
      return `had trouble ${event.doing}: ${event.message}, tries again in ${event.retryInMs.toFixed(0)} ms`;
    default:
      return event.type;
  }
}

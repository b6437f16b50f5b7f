/**
 * `K8SLock` as users of 0.2.5 know it, made safe. It holds at most one lock. `startLocking` keeps the lock until `stopLocking`;
 * `getLock` takes or renews it once, and then it runs out by itself. Nothing is printed; a loss is reported, and is never an unhandled rejection.
 */
import { type Clock, systemClock } from '../clock.ts';
import { acquire, type HeldLock, type Participant } from '../lock/index.ts';
import type { K8SLockOptions, LockInfo } from './k8slock-options.ts';
import { readK8SLockOptions } from './k8slock-settings.ts';
import type { LockError } from './lock-error.ts';
import type { Participants } from './participants.ts';
import { errorOf, lostError } from './translate.ts';

interface Take {
  kept: boolean;
  timeoutMs: number | undefined;
  signal: AbortSignal;
}

interface Hold {
  participant: Participant;
  lock: HeldLock;
  lockId: string;
  /** Whether it goes on being renewed. */
  kept: boolean;
  lost: AbortController;
  disarm: () => void;
}

/** A lock on a Lease, with the interface of 0.2.5. @public */
export class K8SLock {
  /** Name of the Lease. */
  readonly leaseName: string;
  /** Namespace of the Lease, if it was given. */
  readonly namespace: string | undefined;
  /** Who holds the lock, if it was given. */
  readonly lockLeaserId: string | undefined;
  /** How long the lock is kept without being renewed, in seconds. */
  readonly leaseDurationInSeconds: number;
  /** Labels of the Lease. */
  readonly labels: Readonly<Record<string, string>>;
  /** Whether a Lease that does not exist is made. */
  readonly createLeaseIfNotExist: boolean;

  readonly #participants: Participants;
  readonly #onLost: (error: LockError) => void;
  /** For what must not keep the process running: a lock that nobody renews. */
  readonly #background: Clock = systemClock({ background: true });
  #waiting = new AbortController();
  /** What is being asked of the Lease just now; `waits`: indefinitely, if need be. */
  #busy: { waits: boolean; done: Promise<void> } | undefined;
  #starting: Promise<LockInfo> | undefined;
  #held: Hold | undefined;
  /** The last one, once it is lost: its work may go on until `stopLocking` says that it is over. */
  #lost: Hold | undefined;
  #count = 0;

  /** Asks nothing of the API server yet. Throws a `LockError` of code `configuration` if an option is wrong. */
  constructor(options: K8SLockOptions) {
    const settings = readK8SLockOptions(options);
    this.leaseName = settings.leaseName;
    this.namespace = settings.namespace;
    this.lockLeaserId = settings.lockLeaserId;
    this.leaseDurationInSeconds = settings.leaseDurationInSeconds;
    this.labels = settings.labels ?? {};
    this.createLeaseIfNotExist = settings.createLeaseIfNotExist;
    this.#onLost = settings.onLost;
    this.#participants = settings.participants;
  }

  /** Whether this instance has the lock just now; it looks at the clock, and not at the API server. */
  get isLocking(): boolean {
    return this.#held !== undefined && stillHolds(this.#held);
  }

  /** Whether the lock is held and goes on being renewed. */
  get keepLocking(): boolean {
    return this.#held?.kept === true && this.isLocking;
  }

  /** New: of the lock that is held. Aborts, with a `LockError` of code `lost`, when it is lost or has run out; undefined before, and after `stopLocking`. */
  get signal(): AbortSignal | undefined {
    return (this.#held ?? this.#lost)?.lost.signal;
  }

  /**
   * Waits for the lock indefinitely, and then keeps it. Rejects with a `LockError` if the API server refuses or can't be reached. Called again,
   * it waits for the same lock. After `stopLocking` it resolves with `isLocking: false`.
   */
  startLocking(): Promise<LockInfo> {
    if (this.#starting) return this.#starting;
    const starting = this.#start().finally(() => {
      if (this.#starting === starting) this.#starting = undefined;
    });
    this.#starting = starting;
    return starting;
  }

  /**
   * Stops waiting, stops renewing, and releases what is held. It never rejects. With a `lockId` it does so only while that lock is the one
   * held, so that an old one ends no newer lock.
   */
  async stopLocking(lockId?: string): Promise<void> {
    const held = this.#held ?? this.#lost;
    if (typeof lockId === 'string' && lockId !== held?.lockId) return;
    this.#waiting.abort();
    this.#waiting = new AbortController();
    this.#starting = undefined;
    this.#held = undefined;
    this.#lost = undefined;
    await this.#alone(false, async () => {
      if (held) await releaseHeld(held);
    });
  }

  /**
   * Acquires, or renews if this instance has the lock, once: without `startLocking` it runs out after its duration. False if somebody else
   * has it, or if this instance already waits for it; with `waitUntilLock` it waits instead, indefinitely. Rejects with a `LockError` if the API server refuses or can't be reached.
   */
  async getLock(waitUntilLock = false): Promise<boolean> {
    if (this.keepLocking) return true;
    if (!waitUntilLock && this.#busy?.waits) return this.isLocking;
    return await this.#take({ kept: false, timeoutMs: waitUntilLock ? undefined : 0 });
  }

  async #start(): Promise<LockInfo> {
    if (!this.keepLocking) await this.#take({ kept: true, timeoutMs: undefined });
    return { isLocking: this.isLocking, lockId: this.#held?.lockId ?? '' };
  }

  async #take({ kept, timeoutMs }: { kept: boolean; timeoutMs: number | undefined }): Promise<boolean> {
    const { signal } = this.#waiting;
    return await this.#alone(timeoutMs === undefined, async () => {
      if (signal.aborted || this.keepLocking) return this.keepLocking;
      return await this.#acquire({ kept, timeoutMs, signal });
    });
  }

  /** Serialised: all operations of one instance act as one participant, and a late stopLocking must not release a lock acquired after it. */
  async #alone<T>(waits: boolean, act: () => Promise<T>): Promise<T> {
    while (this.#busy) await this.#busy.done;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#busy = { waits, done: promise };
    try {
      return await act();
    } finally {
      this.#busy = undefined;
      resolve();
    }
  }

  async #acquire({ kept, timeoutMs, signal }: Take): Promise<boolean> {
    const { participant, onEvent } = await this.#participants.create(0);
    const acquisition = await acquire(participant, { timeoutMs, signal, onEvent });
    if (acquisition.kind === 'held') {
      if (!signal.aborted) return this.#hold(participant, acquisition.lock, kept);
      await releaseHeld({ participant, lock: acquisition.lock });
      return false;
    }
    participant.client.close();
    if (acquisition.kind === 'aborted') return false;
    if (acquisition.kind !== 'busy') throw errorOf(acquisition, participant, signal);
    if (this.#held) this.#lose(this.#held, new Error('somebody else has taken it'));
    return false;
  }

  #hold(participant: Participant, lock: HeldLock, kept: boolean): boolean {
    // Renewed it has not changed hands; acquired anew, it was somebody else's meanwhile, or free.
    if (this.#held && this.#held.lock.transitions !== lock.transitions) this.#lose(this.#held, new Error('it had run out'));
    const before = this.#held;
    before?.disarm();
    before?.lock.abandon();
    before?.participant.client.close();
    const held: Hold = {
      participant,
      lock,
      kept,
      lockId: before?.lockId ?? `${lock.holder}#${++this.#count}`,
      lost: before?.lost ?? new AbortController(),
      disarm: () => {},
    };
    this.#held = held;
    this.#lost = undefined;
    if (kept) {
      const onLost = () => this.#lose(held, lock.lost.reason);
      lock.lost.addEventListener('abort', onLost, { once: true });
      held.disarm = () => lock.lost.removeEventListener('abort', onLost);
      if (lock.lost.aborted) onLost();
    } else {
      lock.abandon();
      participant.client.close();
      const left = lock.deadlines().stopBy - participant.clock.now();
      held.disarm = this.#background.at((this.#background.now() + left) as ReturnType<Clock['now']>, () =>
        this.#lose(held, new Error('it was not renewed by getLock, nor kept by startLocking')),
      );
    }
    return this.isLocking;
  }

  #lose(held: Hold, why: unknown): void {
    if (this.#held !== held) return;
    this.#held = undefined;
    this.#lost = held;
    held.disarm();
    held.participant.client.close();
    const error = lostError(held.participant, why);
    held.lost.abort(error);
    this.#onLost(error);
  }
}

function stillHolds({ lock, kept, participant, lost }: Hold): boolean {
  if (lost.signal.aborted) return false;
  return kept ? !lock.isLost() : participant.clock.now() < lock.deadlines().stopBy;
}

async function releaseHeld({ participant, lock, disarm }: Pick<Hold, 'participant' | 'lock'> & Partial<Hold>): Promise<void> {
  disarm?.();
  await lock.release();
  participant.client.close();
}

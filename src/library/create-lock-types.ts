/** The modern door as its users see it: what `createLock` takes, and what it gives. */
import type { ClusterAccess, Duration, LockEvent, LockHolder, LockWaiter, ReleaseResult } from './types.ts';

/** What a lock is made of. @public */
export interface CreateLockOptions extends ClusterAccess {
  /** Name of the lock: of its Lease. Lower-case letters, digits, `-` and `.`. */
  name: string;
  /** Namespace of the Lease. Default: that of the context or of the Pod, else `default`. */
  namespace?: string | undefined;
  /** How long the lock outlives a process that has died, a whole number of seconds. It is renewed four times within. Default: `60s`. */
  leaseDuration?: Duration | undefined;
  /** How often the lock is renewed, at least `1s`. Default: a quarter of `leaseDuration`. */
  renewEvery?: Duration | undefined;
  /**
   * How long your code needs to stop once `signal` aborts. It aborts so much earlier before others may take the lock. Default: 0, which
   * still leaves a twentieth of `leaseDuration` (at least 200 ms, at most 2 s) for it.
   */
  stopWithin?: Duration | undefined;
  /** Place in the queue: higher is served first. Default: 0. */
  priority?: number | undefined;
  /** For each of these that it has waited, its priority grows by one, so that it is not overtaken without end; at least `1s`. Default: 0, never. */
  ageStep?: Duration | undefined;
  /** Who holds the lock; a random part is added to it for each acquisition. Default: the Pod or the host. */
  holder?: string | undefined;
  /** Why, for those who wait. */
  reason?: string | undefined;
  /** Where to look, for those who wait. */
  url?: string | undefined;
  /** Labels of the Lease, written when joining the queue and when acquiring. Others that it has are left alone. */
  labels?: Readonly<Record<string, string>> | undefined;
  /** Whether a Lease that does not exist is made. Default: true. */
  createIfAbsent?: boolean | undefined;
  /**
   * Whether a crashed holder may be followed before its lease has been seen to run out, where that is long over by the API server's own clock. Default:
   * true.
   */
  serverClock?: boolean | undefined;
  /** Write the time of expiry into `renewTime`, for locks shared with K8SLock 0.2.5. Default: false. */
  legacyExpiry?: boolean | undefined;
  /** A group of which only the newest matters: older waiters of it give up, with a `LockError` of code `skipped`. Default: none. */
  supersede?: string | undefined;
  /** As holder, finish first, even if a newcomer wants to replace it. Default: false, and `stopRequested` aborts. */
  noReplace?: boolean | undefined;
  /** Hold the lock beside others that share it, and not beside one that does not: readers and writers. Default: false. */
  shared?: boolean | undefined;
  /** Share the lock with so many in all: a semaphore, to be given alike by all that take part; at most 100. Default: the lock's, or no limit. */
  permits?: number | undefined;
  /** Share the lock, and take so many of its permits. Default: 1. */
  weight?: number | undefined;
  /** How long the lock stays taken at least, from when it was acquired, however soon it is released; at most `24h`. Default: 0. */
  minHold?: Duration | undefined;
  /** Told what happens, for logs and metrics. What it throws is ignored. */
  onEvent?: ((event: LockEvent) => void) | undefined;
}

/** How to acquire. @public */
export interface AcquireOptions {
  /** Ends the waiting. It has no effect on a lock that is held already. */
  signal?: AbortSignal | undefined;
  /** How long to wait. Default: indefinitely, or not at all with `onBusy: 'fail'`. */
  timeout?: Duration | undefined;
  /**
   * Wait in the queue; fail immediately if the lock is not free; or `replace`: ask the holder to stop, and wait. That one takes the place of older waiters of
   * its group (`supersede`, by default `default`). Default: `wait`.
   */
  onBusy?: 'wait' | 'fail' | 'replace' | undefined;
  /** A key, such as the scheduled time: rejects with a `LockError` of code `skipped` if the work has succeeded with it, one of the last 20. */
  once?: string | undefined;
  /** Place in the queue: higher is served first. Default: that of the lock. */
  priority?: number | undefined;
}

/** How to try once. @public */
export interface TryAcquireOptions {
  /** Ends the try. */
  signal?: AbortSignal | undefined;
}

/** A lock that is held. It is renewed until it is released or lost. @public */
export interface Held extends AsyncDisposable {
  /** Aborts, with a `LockError` of code `lost` as its reason, while there is still `stopWithin` left before another may have the lock. */
  readonly signal: AbortSignal;
  /** Looks at the clock: false once the lock is lost or released, also where an event loop that was blocked has kept `signal` from saying so. */
  isHeld(): boolean;
  /** Aborts, with a `LockStopRequest` as its reason, when somebody asks the holder to stop. The lock stays held until it is released. */
  readonly stopRequested: AbortSignal;
  /** Fencing token: a decimal number of any length that grows with every acquisition. Compare by length, then as text. */
  readonly token: string;
  /** How often the lock has changed hands. */
  readonly transitions: number;
  /** Who holds it, as written into the Lease. */
  readonly holder: string;
  /**
   * Asks the API server whether the lock is still held, for the moment before something that cannot be undone. False also where that is not certain, as
   * without the right to update the Lease. Rejects with a `LockError`: `refused` or `unreachable`.
   */
  verify(): Promise<boolean>;
  /**
   * Lets go, once the work is over. It never rejects, ends within two request timeouts, and may be called again: that gives the first result.
   */
  release(options?: ReleaseOptions): Promise<ReleaseResult>;
}

/** Several locks that are held together. They are renewed until they are released, or any of them is lost. @public */
export interface HeldAll extends AsyncDisposable {
  /** Aborts, with a `LockError` of code `lost` as its reason, when any of them is lost, as early as `Held.signal`. */
  readonly signal: AbortSignal;
  /** Looks at the clock: false once any of them is lost, or all are released. */
  isHeld(): boolean;
  /** Aborts, with a `LockStopRequest` as its reason, when the holder of any of them is asked to stop. */
  readonly stopRequested: AbortSignal;
  /** Each of them, in the order in which they were acquired, with a fencing token of its own. */
  readonly locks: readonly HeldOne[];
  /** Asks the API server whether all of them are still held, as `Held.verify` does. */
  verify(): Promise<boolean>;
  /** Lets go of all of them. It never rejects, and says what became of the one that went worst. */
  release(options?: ReleaseOptions): Promise<ReleaseResult>;
}

/** One of several locks that are held together. @public */
export interface HeldOne {
  /** Namespace of the Lease. */
  readonly namespace: string;
  /** Name of the lock, and of its Lease. */
  readonly name: string;
  /** Fencing token, as `Held.token`. */
  readonly token: string;
  /** How often the lock has changed hands. */
  readonly transitions: number;
  /** Who holds it, as written into the Lease. */
  readonly holder: string;
}

/** How the work ended. @public */
export interface ReleaseOptions {
  /** It has succeeded, so that nobody has to do it again with the same key (`once`). Default: false; `withLock` says true where the function has ended well. */
  succeeded?: boolean | undefined;
}

/** What the Lease of a lock says just now. @public */
export interface LockStatus {
  /** Whether there is a Lease. */
  exists: boolean;
  /** Whether anybody has the lock. A holder that has died counts until it is known to be dead. */
  held: boolean;
  /** Those who have it. */
  holders: LockHolder[];
  /** The queue, in the order in which it is served. */
  waiters: LockWaiter[];
  /** How often the lock has changed hands. */
  transitions: number;
}

/** Whom to free a lock from. @public */
export interface UnlockOptions {
  /** The holder: its id, as `status` says it, or the key of its entry in the Lease. */
  holder: string;
  /** Why, for the log of the holder. */
  reason?: string | undefined;
  /** How long to wait until a holder that was asked has released the lock. Default: `2m`. */
  timeout?: Duration | undefined;
  /**
   * Clear the holder instead of asking it: `silent`, one that has not renewed lately; `live`, any. Its command may still be running. Default: it is
   * asked to stop.
   */
  force?: 'silent' | 'live' | undefined;
}

/**
 * How that went, with a sentence for people. `unlocked`: the holder has released the lock, or was cleared. `still-held`: it was asked, and has not
 * released it in time. `refused`: nothing was written, since nobody of that name holds it, it renewed lately, or it cannot be asked.
 *
 * @public
 */
export type UnlockResult = { kind: 'unlocked' | 'still-held' | 'refused'; message: string };

/** What belongs to the lock itself. @public */
export interface SetOptions {
  /** How many may share the lock in all, at most 100. With more, waiters are let in; with fewer, nobody is stopped, and nobody let in until enough have left. */
  permits: number;
}

/** A lock: it holds nothing itself, and may be acquired from several places, which exclude each other. @public */
export interface Lock {
  /** Waits for the lock. Rejects with a `LockError`: `busy`, `aborted`, `refused`, `unreachable` or `configuration`. */
  acquire(options?: AcquireOptions): Promise<Held>;
  /** Tries once, without joining the queue: undefined if the lock is not free. Rejects like `acquire`, but for `busy`. */
  tryAcquire(options?: TryAcquireOptions): Promise<Held | undefined>;
  /**
   * Runs a function under the lock, and releases it when the function has ended. Rejects as `acquire` does, or with what the function threw;
   * and with a `LockError` of code `lost` where it ended well but the lock was lost meanwhile.
   */
  withLock<T>(work: (held: Held) => T | PromiseLike<T>, options?: AcquireOptions): Promise<T>;
  /**
   * Frees the lock from somebody else: asks the holder to stop, and waits until it has released the lock; or clears it. Rejects with a `LockError`:
   * `refused`, `unreachable` or `configuration`.
   */
  unlock(options: UnlockOptions): Promise<UnlockResult>;
  /**
   * Changes how many permits the lock has, while it is used. The Lease has to exist. Rejects with a `LockError`: `refused`, `unreachable` or
   * `configuration`.
   */
  set(options: SetOptions): Promise<void>;
  /** Reads the Lease, and changes nothing. Rejects with a `LockError`: `refused`, `unreachable` or `configuration`. */
  status(): Promise<LockStatus>;
}

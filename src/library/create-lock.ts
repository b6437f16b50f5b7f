/**
 * `createLock`: a lock by its name, acquired as an object that says when it is lost. Promised: while `signal` has not aborted, nobody else
 * who follows the protocol has the lock. Not promised: that your code stops when it aborts; that is your part, within `stopWithin`.
 */
import {
  type AcquireAllRequest,
  acquire as acquireLock,
  acquireAll as acquireLocks,
  namedTwice,
  timeoutOf,
} from '../lock/index.ts';
import { problemOfHolder, problemOfMark, problemOfName, problemOfNamespace } from '../names.ts';
import { PERMITS_LIMIT } from '../protocol/lock-state.ts';
import type { Policies } from '../protocol/me.ts';
import {
  DEFAULT_GROUP,
  MIN_HOLD_LIMIT_MS,
  problemOfAgeStep,
  problemOfShare,
  type ShareWish,
  shareOf,
} from '../protocol/policies.ts';
import { DEFAULT_LEASE_DURATION } from '../protocol/timings.ts';
import type { AcquireOptions, CreateLockOptions, Held, HeldAll, Lock } from './create-lock-types.ts';
import { heldAllOf, heldOf } from './held.ts';
import { LockError } from './lock-error.ts';
import { identityWith, type Joined, type Participants, participantsOf } from './participants.ts';
import { setFor } from './set.ts';
import { statusOf } from './status.ts';
import { errorOf } from './translate.ts';
import type { Duration } from './types.ts';
import { unlockFor } from './unlock.ts';
import {
  ACCESS_OPTIONS,
  accessOf,
  callback,
  duration,
  flag,
  integer,
  labelsOf,
  oneOf,
  onlyKnown,
  signalOf,
  text,
  timingsFor,
  wrong,
} from './validate-options.ts';

const OPTIONS = [
  ...ACCESS_OPTIONS,
  ...['name', 'namespace', 'leaseDuration', 'renewEvery', 'stopWithin', 'priority', 'ageStep', 'holder', 'reason', 'url'],
  ...['labels', 'createIfAbsent', 'serverClock', 'legacyExpiry', 'supersede', 'shared', 'permits', 'weight'],
  ...['noReplace', 'minHold', 'onEvent'],
];

/** A participant that is about to acquire. */
interface Wanted extends Joined {
  timeoutMs: number | undefined;
  signal: AbortSignal | undefined;
}

/** How each lock makes a participant of itself, for those that acquire several. */
const WANTS = new WeakMap<Lock, (request: AcquireOptions) => Promise<Wanted>>();

/** Makes a lock. Nothing is asked of the API server yet. Throws a `LockError` of code `configuration` if an option is wrong. @public */
export function createLock(options: CreateLockOptions): Lock {
  const read = readOptions(options);
  const { participants, priority } = read;
  const want = (request: AcquireOptions) => wantedBy(read, options, request);
  const acquire = async (request: AcquireOptions = {}): Promise<Held> => {
    const { participant, timeoutMs, signal, onEvent } = await want(request);
    const acquisition = await acquireLock(participant, { timeoutMs, signal, onEvent });
    if (acquisition.kind === 'held') return heldOf(participant, acquisition.lock);
    participant.client.close();
    throw errorOf(acquisition, participant, signal);
  };

  const lock: Lock = {
    acquire,
    async tryAcquire(request = {}) {
      onlyKnown({ ...request }, ['signal'], 'tryAcquire');
      try {
        return await acquire({ ...request, timeout: 0 });
      } catch (error) {
        if (error instanceof LockError && error.code === 'busy') return undefined;
        throw error;
      }
    },
    async withLock(work, request) {
      const held = await acquire(request);
      try {
        const result = await work(held);
        // The work ended well, but somebody else may have run meanwhile.
        if (!held.isHeld()) throw held.signal.reason;
        await held.release({ succeeded: true });
        return result;
      } finally {
        await held.release();
      }
    },
    unlock: async (request) => await unlockFor(participants, request),
    set: async (wanted) => await setFor(participants, wanted),
    status: async () => await statusOf((await participants.create(priority)).participant),
  };
  WANTS.set(lock, want);
  return lock;
}

async function wantedBy(
  { participants, priority, policies }: ReadOptions,
  options: CreateLockOptions,
  request: AcquireOptions,
): Promise<Wanted> {
  onlyKnown({ ...request }, ['signal', 'timeout', 'onBusy', 'once', 'priority'], 'acquire');
  const wanted = { ...request } as Record<string, unknown>;
  const signal = signalOf(request.signal);
  const onBusy = oneOf(wanted, 'onBusy', ['wait', 'fail', 'replace']);
  const timeoutMs = timeoutOf(duration(request.timeout, 'timeout'), onBusy);
  if (onBusy === 'replace' && timeoutMs === 0)
    throw wrong("onBusy 'replace' waits until the holder has stopped: timeout must not be 0");
  const replaces = onBusy === 'replace';
  const misfit = problemOfShare(shareIn({ ...options }), replaces, optionName);
  if (misfit !== undefined) throw wrong(misfit);
  const { group = replaces ? DEFAULT_GROUP : undefined } = policies;
  const wishes = { ...policies, group, replaces, once: markOf(wanted, 'once', 'key') };
  return { ...(await participants.create(integer(wanted, 'priority') ?? priority, wishes)), timeoutMs, signal };
}

interface ReadOptions {
  participants: Participants;
  priority: number;
  policies: Policies;
}

function readOptions(options: CreateLockOptions): ReadOptions {
  onlyKnown({ ...options }, OPTIONS, 'createLock');
  const given = { ...options } as Record<string, unknown>;
  const name = text(given, 'name');
  if (name === undefined) throw wrong('name is missing: it is the name of the lock, and of its Lease');
  const namespace = text(given, 'namespace');
  const holder = text(given, 'holder');
  const problem =
    problemOfName(name) ??
    (namespace === undefined ? undefined : problemOfNamespace(namespace)) ??
    (holder === undefined ? undefined : problemOfHolder(holder));
  if (problem !== undefined) throw wrong(problem);
  const priority = integer(given, 'priority') ?? 0;
  const participants = participantsOf({
    name,
    namespace,
    access: accessOf(options),
    identity: identityWith(holder),
    about: { reason: text(given, 'reason'), url: text(given, 'url') },
    timings: timingsFor(
      duration(options.leaseDuration ?? DEFAULT_LEASE_DURATION, 'leaseDuration') ?? 0,
      duration(options.stopWithin, 'stopWithin') ?? 0,
      renewalOf(options.renewEvery),
    ),
    createIfAbsent: flag(given, 'createIfAbsent', true),
    trustStamps: flag(given, 'serverClock', true),
    legacyExpiry: flag(given, 'legacyExpiry', false),
    labels: labelsOf(options.labels),
    onEvent: callback(options.onEvent, 'onEvent'),
  });
  return { participants, priority, policies: policiesOf(given, options) };
}

function policiesOf(
  given: Readonly<Record<string, unknown>>,
  { minHold, ageStep }: Pick<CreateLockOptions, 'minHold' | 'ageStep'>,
): Policies {
  const ageStepMs = duration(ageStep, 'ageStep') ?? 0;
  const minHoldMs = duration(minHold, 'minHold') ?? 0;
  if (minHoldMs > MIN_HOLD_LIMIT_MS) throw wrong('minHold is too long: it must be at most 24h');
  const wish = shareIn(given);
  const misfit = problemOfShare(wish, false, optionName) ?? problemOfAgeStep(ageStepMs, 'ageStep');
  if (misfit !== undefined) throw wrong(misfit);
  const group = markOf(given, 'supersede', 'group');
  return { group, declines: flag(given, 'noReplace', false), minHoldMs, ageStepMs, ...shareOf(wish) };
}

const optionName = (option: string): string => (option === 'on-busy' ? 'onBusy' : option);

function shareIn(given: Readonly<Record<string, unknown>>): ShareWish {
  const count = (name: string) => {
    const number = integer(given, name);
    if (number !== undefined && (number < 1 || number > PERMITS_LIMIT))
      throw wrong(`${name} is ${number}: it must be from 1 to ${PERMITS_LIMIT}`);
    return number;
  };
  return { shared: flag(given, 'shared', false), permits: count('permits'), weight: count('weight') };
}

function markOf(given: Readonly<Record<string, unknown>>, name: string, what: 'group' | 'key'): string | undefined {
  const mark = text(given, name);
  const problem = mark === undefined ? undefined : problemOfMark(mark, what);
  if (problem !== undefined) throw wrong(problem);
  return mark;
}

/** Below a second renewTime, which must grow by one each time, would run ahead of the clock. */
function renewalOf(renewEvery: Duration | undefined): number | undefined {
  const ms = duration(renewEvery, 'renewEvery');
  if (ms !== undefined && ms < 1000) throw wrong(`renewEvery is ${ms}ms: it must be at least 1s`);
  return ms;
}

/**
 * Acquires several locks, all or none, within one timeout. They are taken in one order, by namespace and name, whatever order they are given in, so that
 * nobody waits for somebody who waits for him. What is held while the next is waited for is renewed, and given back if the others are not to be had. Rejects
 * as `Lock.acquire` does, with what is true of the first lock that was not acquired.
 *
 * @public
 */
export async function acquireAll(locks: readonly Lock[], request: AcquireOptions = {}): Promise<HeldAll> {
  const made = await Promise.allSettled(locks.map((lock) => wantOf(lock)(request)));
  const wanted = made.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  const participants = wanted.map(({ participant }) => participant);
  try {
    const failed = made.find(({ status }) => status === 'rejected');
    if (failed?.status === 'rejected') throw failed.reason;
    const [first, ...others] = participants;
    if (!first) throw wrong('acquireAll needs at least one lock');
    const twice = namedTwice(participants);
    if (twice) throw wrong(`the lock ${twice.me.namespace}/${twice.me.name} is given twice: give each lock once`);
    const { timeoutMs, signal } = wanted[0] ?? {};
    const onEvent: AcquireAllRequest['onEvent'] = (event, of) =>
      wanted.find(({ participant }) => participant === of)?.onEvent(event);
    const acquisition = await acquireLocks([first, ...others], { timeoutMs, signal, onEvent });
    if (acquisition.kind === 'held') return heldAllOf(acquisition.lock.locks);
    throw errorOf(acquisition, acquisition.of, signal);
  } catch (error) {
    for (const { client } of participants) client.close();
    throw error;
  }
}

function wantOf(lock: Lock): (request: AcquireOptions) => Promise<Wanted> {
  const want = WANTS.get(lock);
  if (!want) throw wrong('acquireAll takes locks that createLock has made');
  return want;
}

/**
 * One contender for a lock: the loop of src/lock on an API server in memory. Each of its requests is written down as `alice GET` or `alice PUT`,
 * and can be interfered with: lost on the way there, or on the way back, or answered by the test.
 */
import type { Answer } from '../../src/api/answers.ts';
import type { LeaseClient } from '../../src/api/lease-client.ts';
import {
  type AcquireRequest,
  type Acquisition,
  acquire,
  type HeldLock,
  type LockEvent,
  type Participant,
} from '../../src/lock/index.ts';
import type { RawLease } from '../../src/protocol/lease.ts';
import type { Me } from '../../src/protocol/me.ts';
import { type Timings, timings } from '../../src/protocol/timings.ts';
import type { LeaseStore, Reply } from '../../src/server/store.ts';
import type { ManualClock } from './manual-clock.ts';

export const NAMESPACE = 'team';
export const NAME = 'deploy';

/** `request`: it never arrives. `answer`: it is done, and nobody is told. `late`: it is done only when `World.land` says so. */
export type Fault = 'request' | 'answer' | 'late' | Answer;

/** The same fault for longer than any test lasts. */
export const always = <F extends Fault>(fault: F): F[] => Array.from({ length: 1000 }, () => fault);

export interface Contender {
  participant: Participant;
  me: Me;
  events: LockEvent[];
  acquire(request?: AcquireRequest): Promise<Acquisition>;
  /** Acquires and insists on it. */
  take(request?: AcquireRequest): Promise<HeldLock>;
  /** Interferes with the next requests of this method, one for each fault. */
  disturb(method: 'GET' | 'PUT', ...faults: Fault[]): void;
  /** Cuts the watch off, silently. */
  deafen(): void;
}

export type ContenderOptions = Partial<Me> & { durationMs?: number; killGraceMs?: number; createIfAbsent?: boolean };

interface Surroundings {
  clock: ManualClock;
  store: LeaseStore;
  requests: string[];
  /** Writes of fault `late`. */
  heldBack: (() => Reply)[];
}

/** What a test does to the traffic of one contender. */
interface Interference {
  GET: Fault[];
  PUT: Fault[];
  deaf: boolean;
}

export function newContender(around: Surroundings, name: string, options: ContenderOptions = {}): Contender {
  const { durationMs = 60_000, killGraceMs = 10_000, createIfAbsent = true, ...who } = options;
  const interference: Interference = { GET: [], PUT: [], deaf: false };
  const events: LockEvent[] = [];
  let marks = 0;
  const me: Me = {
    namespace: NAMESPACE,
    name: NAME,
    id: name,
    nonce: `${name}nonce`,
    priority: 0,
    durationMs,
    about: {},
    since: '',
    legacyExpiry: false,
    ...who,
  };
  const participant: Participant = {
    client: clientFor(around, name, interference, me),
    clock: around.clock,
    me,
    timings: timingsOf(durationMs, killGraceMs),
    createIfAbsent,
    newMark: () => `${name}-${++marks}`,
    random: () => 0.5,
  };
  const onEvent = (event: LockEvent) => void events.push(event);
  return {
    participant,
    me,
    events,
    acquire: (request = {}) => acquire(participant, { onEvent, ...request }),
    async take(request = {}) {
      const acquisition = await acquire(participant, { onEvent, ...request });
      if (acquisition.kind !== 'held') throw new Error(`${name} did not get the lock: ${JSON.stringify(acquisition)}`);
      return acquisition.lock;
    },
    disturb: (method, ...more) => interference[method].push(...more),
    deafen: () => {
      interference.deaf = true;
    },
  };
}

function clientFor(
  { store, requests, heldBack }: Surroundings,
  name: string,
  interference: Interference,
  where: Pick<Me, 'namespace' | 'name'>,
): LeaseClient {
  const exchange = async (method: 'GET' | 'PUT' | 'DRY', act: () => Reply): Promise<Answer> => {
    requests.push(`${name} ${method}`);
    const fault = method === 'DRY' ? undefined : interference[method].shift();
    await Promise.resolve();
    if (fault === undefined) return answer(act());
    if (typeof fault === 'object') return fault;
    if (fault === 'late') heldBack.push(act);
    if (fault === 'answer') act();
    return { kind: 'failed', message: 'no answer within 5s', applied: fault === 'request' ? 'no' : 'unknown' };
  };
  return {
    server: 'memory',
    read: () => exchange('GET', () => store.get(where.namespace, where.name)),
    write: (lease, { manager, dryRun = false }) =>
      exchange(dryRun ? 'DRY' : 'PUT', () => {
        return store.put(where.namespace, where.name, JSON.parse(JSON.stringify(lease)), { manager, dryRun });
      }),
    watch({ onEvent }) {
      const subscription = store.subscribe({ matches: () => true }, ({ type, object }) => {
        if ((object as unknown as RawLease).metadata.name !== where.name) return;
        const lease = type === 'DELETED' ? undefined : (object as unknown as RawLease);
        if (!interference.deaf) queueMicrotask(() => onEvent({ lease }));
      });
      return 'undo' in subscription ? subscription.undo : () => {};
    },
    close() {},
  };
}

function answer({ code, body }: Reply): Answer {
  if (code === 200 || code === 201) return { kind: 'lease', lease: body as unknown as RawLease };
  if (code === 404) return { kind: 'absent' };
  if (code === 409 || code === 422) return { kind: 'conflict' };
  return { kind: 'refused', reason: 'invalid', status: code, message: JSON.stringify(body) };
}

export function timingsOf(durationMs: number, killGraceMs: number): Timings {
  const result = timings(durationMs, killGraceMs);
  if (result.kind !== 'timings') throw new Error(result.kind);
  return result.timings;
}

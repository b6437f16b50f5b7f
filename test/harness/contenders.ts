/**
 * Named contenders for one lock on an API server in memory, all on one manual clock. Every request is written down as `alice GET`,
 * `alice PUT`, and can be interfered with: lost on the way there, or on the way back.
 */

import type { Answer } from '../../src/api/answers.ts';
import type { LeaseClient } from '../../src/api/lease-client.ts';
import type { WatchListener } from '../../src/api/lease-watch.ts';
import {
  type AcquireRequest,
  type Acquisition,
  acquire,
  type HeldLock,
  type LockEvent,
  type Participant,
} from '../../src/lock/index.ts';
import { type LockState, parseLease } from '../../src/protocol/document.ts';
import type { RawLease } from '../../src/protocol/lease.ts';
import type { Me } from '../../src/protocol/me.ts';
import { type Timings, timings } from '../../src/protocol/timings.ts';
import { createLeaseStore, type LeaseStore, type Reply } from '../../src/server/store.ts';
import { type ManualClock, manualClock, settle } from './manual-clock.ts';

const NAMESPACE = 'team';
const NAME = 'deploy';

/** `request`: it never arrives. `answer`: it is done, and nobody is told. `late`: it is done only when `World.land` says so. */
export type Fault = 'request' | 'answer' | 'late' | Answer;

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

export interface World {
  clock: ManualClock;
  store: LeaseStore;
  requests: string[];
  contender(
    name: string,
    options?: Partial<Me> & { durationMs?: number; killGraceMs?: number; createIfAbsent?: boolean },
  ): Contender;
  lease(): RawLease;
  state(): LockState;
  /** Writes as somebody else would, whatever is there. */
  overwrite(change: (lease: RawLease) => RawLease): void;
  remove(): void;
  /** Carries out the writes that were held back, oldest first, and returns the codes they got. */
  land(): number[];
}

export function world(): World {
  const clock = manualClock();
  const requests: string[] = [];
  const heldBack: (() => Reply)[] = [];
  let uids = 0;
  const store = createLeaseStore({ now: () => clock.wall(), uid: () => `uid-${++uids}` });
  const get = () => store.get(NAMESPACE, NAME);
  const put = (lease: unknown, manager: string, dryRun = false) => store.put(NAMESPACE, NAME, lease, { manager, dryRun });

  function contender(name: string, options: Parameters<World['contender']>[1] = {}): Contender {
    const { durationMs = 60_000, killGraceMs = 10_000, createIfAbsent = true, ...who } = options;
    const faults: Record<string, Fault[]> = { GET: [], PUT: [] };
    const events: LockEvent[] = [];
    let deaf = false;
    let marks = 0;
    const exchange = async (method: 'GET' | 'PUT' | 'DRY', act: () => Reply): Promise<Answer> => {
      requests.push(`${name} ${method}`);
      const fault = faults[method]?.shift();
      await settleOnce();
      if (fault === undefined) return answer(act());
      if (typeof fault === 'object') return fault;
      if (fault === 'late') heldBack.push(act);
      if (fault === 'answer') act();
      return { kind: 'failed', message: 'no answer within 5s', applied: fault === 'request' ? 'no' : 'unknown' };
    };
    const client: LeaseClient = {
      server: 'memory',
      read: () => exchange('GET', get),
      write: (lease, { as, dryRun = false }) =>
        exchange(dryRun ? 'DRY' : 'PUT', () =>
          put(JSON.parse(JSON.stringify(lease)), as === 'holder' ? 'k8s-lease-lock' : 'k8s-lease-lock-waiter', dryRun),
        ),
      watch({ onEvent }: WatchListener) {
        const subscription = store.subscribe({ matches: () => true }, ({ type, object }) => {
          if (!deaf) queueMicrotask(() => onEvent({ lease: type === 'DELETED' ? undefined : (object as unknown as RawLease) }));
        });
        return 'undo' in subscription ? subscription.undo : () => {};
      },
      close() {},
    };
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
      client,
      clock,
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
      disturb: (method, ...more) => faults[method]?.push(...more),
      deafen: () => {
        deaf = true;
      },
    };
  }

  const lease = () => {
    const { code, body } = get();
    if (code !== 200) throw new Error(`the Lease can't be read: ${code}`);
    return body as unknown as RawLease;
  };
  return {
    clock,
    store,
    requests,
    contender,
    lease,
    state: () => stateOf(lease()),
    overwrite(change) {
      const { code } = put(change(lease()), 'somebody');
      if (code !== 200) throw new Error(`the Lease can't be overwritten: ${code}`);
    },
    remove: () => store.delete(NAMESPACE, NAME),
    land: () => heldBack.splice(0).map((act) => act().code),
  };
}

export function stateOf(lease: RawLease): LockState {
  const parsed = parseLease(lease);
  if (parsed.kind === 'refused') throw new Error(parsed.message);
  return parsed.state;
}

export function timingsOf(durationMs: number, killGraceMs: number): Timings {
  const result = timings(durationMs, killGraceMs);
  if (result.kind !== 'timings') throw new Error(result.kind);
  return result.timings;
}

/** True once the promise has settled, as far as it can without time passing. */
export async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const mark = () => {
    settled = true;
  };
  promise.then(mark, mark);
  await settle();
  return settled;
}

async function settleOnce(): Promise<void> {
  await Promise.resolve();
}

function answer({ code, body }: Reply): Answer {
  if (code === 200 || code === 201) return { kind: 'lease', lease: body as unknown as RawLease };
  if (code === 404) return { kind: 'absent' };
  if (code === 409 || code === 422) return { kind: 'conflict' };
  return { kind: 'refused', reason: 'invalid', status: code, message: JSON.stringify(body) };
}

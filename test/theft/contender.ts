/** Somebody who wants the lock by the code of the product, with credentials and a wall clock that the test chooses. */
import type { TestContext } from 'node:test';
import type { Cluster } from '../../src/api/cluster.ts';
import { findCluster } from '../../src/api/find-cluster.ts';
import { type Clock, systemClock } from '../../src/clock.ts';
import type { LockEvent } from '../../src/lock/events.ts';
import { newIdentity } from '../../src/lock/identity.ts';
import { type AcquireRequest, type Acquisition, acquire, type HeldLock, type Participant } from '../../src/lock/index.ts';
import { newParticipant } from '../../src/lock/new-participant.ts';
import type { Policies } from '../../src/protocol/me.ts';
import type { Cluster as TestCluster } from '../harness/cluster.ts';
import { timingsOf } from '../harness/contender.ts';

/** How somebody is known to the API server: the headers of each request. */
export type Credentials = Record<string, string>;

export interface ContenderOptions {
  holder?: string;
  durationMs?: number;
  /** Of its wall clock, from the right time. */
  offByMs?: number;
  legacyExpiry?: boolean;
  policies?: Policies;
}

export interface Contender {
  participant: Participant;
  events: LockEvent[];
  acquire(request?: AcquireRequest): Promise<Acquisition>;
  /** Acquires and insists on it. */
  take(): Promise<HeldLock>;
}

interface Place {
  cluster: TestCluster;
  namespace: string;
  name: string;
  who: Credentials;
}

export async function contend(t: TestContext, place: Place, options: ContenderOptions = {}): Promise<Contender> {
  const participant = await participantAt(place, options);
  const events: LockEvent[] = [];
  const onEvent = (event: LockEvent) => void events.push(event);
  // A test that fails leaves nobody behind who waits or renews.
  const over = new AbortController();
  t.after(() => {
    over.abort();
    participant.client.close();
  });
  const get: Contender['acquire'] = async (request = {}) => {
    const signal = request.signal ? AbortSignal.any([request.signal, over.signal]) : over.signal;
    const acquisition = await acquire(participant, { onEvent, killable: true, ...request, signal });
    if (acquisition.kind === 'held') over.signal.addEventListener('abort', acquisition.lock.abandon);
    return acquisition;
  };
  return {
    participant,
    events,
    acquire: get,
    async take() {
      const acquisition = await get();
      if (acquisition.kind !== 'held') throw new Error(JSON.stringify(acquisition));
      return acquisition.lock;
    },
  };
}

async function participantAt(
  { cluster, namespace, name, who }: Place,
  { holder, durationMs = 60_000, offByMs = 0, legacyExpiry = false, policies }: ContenderOptions,
): Promise<Participant> {
  const found = await findCluster({ server: cluster.url, certificateAuthorityData: cluster.ca, env: {} });
  if (found.kind === 'refused') throw new Error(found.message);
  const as: Cluster = {
    ...found.cluster,
    credentials: async (renew) => ({ ...(await found.cluster.credentials(renew)), headers: who }),
  };
  const right = systemClock();
  const clock: Clock = { ...right, wall: () => new Date(right.wall().getTime() + offByMs) };
  const token = who['impersonate-user'] === undefined ? who.authorization?.replace('Bearer ', '') : undefined;
  return newParticipant({
    cluster: as,
    clock,
    namespace,
    name,
    identity: newIdentity({ prefix: holder, token, host: 'runner 7' }),
    about: {},
    priority: 0,
    timings: timingsOf(durationMs, 0),
    createIfAbsent: true,
    legacyExpiry,
    policies,
  });
}

/** What went wrong for any of them: nothing, if every write was let through. */
export const troubles = (...contenders: Contender[]): string[] =>
  contenders.flatMap(({ events }) =>
    events.flatMap((event) => (event.type === 'trouble' ? [event.message] : event.type === 'lost' ? [event.reason] : [])),
  );

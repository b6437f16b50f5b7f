/**
 * A foreign participant after the ways of K8SLock 0.2.5: it writes the moment of expiry into `renewTime`, takes whatever has expired by
 * its wall clock, or bears its own id, and never releases: it only stops renewing. Without an id it writes none: its expiry is all that tells of it.
 */
import type { Monotonic } from '../../src/clock.ts';
import { waitUntil } from '../../src/clock.ts';
import { microTime, type RawLease, type RawSpec } from '../../src/protocol/lease.ts';
import type { Surroundings } from './client.ts';
import type { Foreign, ForeignOptions } from './elector.ts';
import type { Author } from './history.ts';

export function newLegacy(
  around: Surroundings,
  { process, random, name, nonce, nameless = false }: ForeignOptions & { nameless?: boolean },
): Foreign {
  const { world, server, listen, network } = around;
  const durationMs = random.pick([10, 30]) * 1000;
  const id = nameless ? undefined : name;
  const author: Author = { name, kind: 'legacy', id: id ?? '', nonce, durationMs };
  const { clock } = process;
  const sleep = (ms: number) => waitUntil(clock, (clock.now() + ms) as Monotonic);
  let running = false;

  /** No deadline, no signal: it waits for an answer as long as it takes, and an error ends it. */
  const request = <T>(serve: () => T): Promise<T> => {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const fate = network.fate(name);
    const answer = (settle: () => void, afterMs: number | undefined) => {
      world.at(world.now() + (afterMs ?? 120_000), () => process.deliver(settle));
    };
    if (fate.arrivesAfterMs === undefined) {
      answer(() => reject(new Error('connection timed out')), undefined);
      return promise;
    }
    world.at(world.now() + fate.arrivesAfterMs, () => {
      const done = fate.verdict === 'served' || fate.verdict === 'failed-but-done' ? serve() : undefined;
      const good = fate.verdict === 'served' && fate.answersAfterMs !== undefined;
      answer(good ? () => resolve(done as T) : () => reject(new Error('HTTP 5xx')), fate.answersAfterMs);
      return false;
    });
    return promise;
  };

  async function tryLock(): Promise<boolean> {
    const lease = (await request(() => server.get().lease)) ?? (await request(create));
    const spec = lease?.spec ?? {};
    const mine = spec.holderIdentity === id;
    if (!lease || !(Date.parse(spec.renewTime ?? '1970-01-01T00:00:00Z') < clock.wall().getTime() || mine)) return false;
    const change: RawSpec = {
      leaseDurationSeconds: durationMs / 1000,
      ...(id !== undefined && { holderIdentity: id }),
      renewTime: microTime(new Date(clock.wall().getTime() + durationMs)),
      ...(!mine && { leaseTransitions: (spec.leaseTransitions ?? 0) + 1, acquireTime: microTime(clock.wall()) }),
    };
    return await request(() => patch(lease, change));
  }

  /** A PATCH with a version but no uid: of the object as it is, or of none. */
  function patch(lease: RawLease, change: RawSpec): boolean {
    const present = server.get().lease;
    if (!present || present.metadata.resourceVersion !== lease.metadata.resourceVersion) return false;
    server.force({ ...present, spec: { ...present.spec, ...change } }, { author, manager: 'node-fetch' });
    return true;
  }

  function create(): RawLease | undefined {
    const made = server.put({ metadata: { name: 'lock', namespace: 'ns' }, spec: {} }, { author, manager: 'node-fetch' });
    return typeof made === 'string' ? undefined : made;
  }

  async function live(): Promise<void> {
    const patience = clock.now() + random.about(120_000);
    while (!(await tryLock())) {
      if (clock.now() > patience) return;
      await sleep(durationMs);
    }
    running = true;
    listen(world.now(), { type: 'started', author, token: '' });
    const until = clock.now() + random.about(durationMs * 2);
    try {
      do await sleep(durationMs / 2);
      while (clock.now() < until && (await tryLock()));
    } finally {
      end('stopped renewing');
    }
  }

  function end(how: string): void {
    if (!running) return;
    running = false;
    listen(world.now(), { type: 'ended', author, clock: clock.now(), how });
  }

  return {
    author,
    done: live()
      .catch(() => {})
      .then(() => process.crash()),
    crash() {
      process.crash();
      end('crashed');
    },
  };
}

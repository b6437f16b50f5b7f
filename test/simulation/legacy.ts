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

type LegacyOptions = ForeignOptions & { nameless?: boolean };

export function newLegacy(around: Surroundings, options: LegacyOptions): Foreign {
  const legacy = new Legacy(around, options);
  const done = legacy
    .live()
    .catch(() => {})
    .then(() => options.process.crash());
  return { author: legacy.author, done, crash: () => legacy.crash() };
}

class Legacy {
  readonly author: Author;
  readonly #around: Surroundings;
  readonly #options: LegacyOptions;
  readonly #durationMs: number;
  readonly #id: string | undefined;
  #running = false;

  constructor(around: Surroundings, options: LegacyOptions) {
    const { random, name, nonce, nameless = false } = options;
    this.#around = around;
    this.#options = options;
    this.#durationMs = random.pick([10, 30]) * 1000;
    this.#id = nameless ? undefined : name;
    this.author = { name, kind: 'legacy', id: this.#id ?? '', nonce, durationMs: this.#durationMs };
  }

  async live(): Promise<void> {
    const { random, process } = this.#options;
    const { world, listen } = this.#around;
    const { clock } = process;
    const patience = clock.now() + random.about(120_000);
    while (!(await this.#tryLock())) {
      if (clock.now() > patience) return;
      await this.#sleep(this.#durationMs);
    }
    this.#running = true;
    listen(world.now(), { type: 'started', author: this.author, token: '' });
    const until = clock.now() + random.about(this.#durationMs * 2);
    try {
      do await this.#sleep(this.#durationMs / 2);
      while (clock.now() < until && (await this.#tryLock()));
    } finally {
      this.#end('stopped renewing');
    }
  }

  crash(): void {
    this.#options.process.crash();
    this.#end('crashed');
  }

  #end(how: string): void {
    if (!this.#running) return;
    this.#running = false;
    const { world, listen } = this.#around;
    listen(world.now(), { type: 'ended', author: this.author, clock: this.#options.process.clock.now(), how });
  }

  #sleep(ms: number): Promise<void> {
    const { clock } = this.#options.process;
    return waitUntil(clock, (clock.now() + ms) as Monotonic);
  }

  /** No deadline, no signal: it waits for an answer as long as it takes, and an error ends it. */
  #request<T>(serve: () => T): Promise<T> {
    const { world, network } = this.#around;
    const { process, name } = this.#options;
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
  }

  async #tryLock(): Promise<boolean> {
    const { server } = this.#around;
    const { clock } = this.#options.process;
    const lease = (await this.#request(() => server.get().lease)) ?? (await this.#request(() => this.#create()));
    const spec = lease?.spec ?? {};
    const mine = spec.holderIdentity === this.#id;
    if (!lease || !(Date.parse(spec.renewTime ?? '1970-01-01T00:00:00Z') < clock.wall().getTime() || mine)) return false;
    const change: RawSpec = {
      leaseDurationSeconds: this.#durationMs / 1000,
      ...(this.#id !== undefined && { holderIdentity: this.#id }),
      renewTime: microTime(new Date(clock.wall().getTime() + this.#durationMs)),
      ...(!mine && { leaseTransitions: (spec.leaseTransitions ?? 0) + 1, acquireTime: microTime(clock.wall()) }),
    };
    return await this.#request(() => this.#patch(lease, change));
  }

  /** A PATCH with a version but no uid: of the object as it is, or of none. */
  #patch(lease: RawLease, change: RawSpec): boolean {
    const { server } = this.#around;
    const present = server.get().lease;
    if (!present || present.metadata.resourceVersion !== lease.metadata.resourceVersion) return false;
    const write = { author: this.author, manager: 'node-fetch' };
    server.force({ ...present, spec: { ...present.spec, ...change } }, write);
    return true;
  }

  #create(): RawLease | undefined {
    const write = { author: this.author, manager: 'node-fetch' };
    const made = this.#around.server.put({ metadata: { name: 'lock', namespace: 'ns' }, spec: {} }, write);
    return typeof made === 'string' ? undefined : made;
  }
}

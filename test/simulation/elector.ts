/**
 * A foreign participant after the ways of client-go's leader election: it sees whole seconds and the spec alone, dates what it
 * observes by its own clock, and on release overwrites whatever version it has just read, even where that names somebody else.
 */

import type { Answer } from '../../src/api/answers.ts';
import type { LeaseClient } from '../../src/api/lease-client.ts';
import type { Monotonic } from '../../src/clock.ts';
import { waitUntil } from '../../src/clock.ts';
import { microTime, type RawLease, type RawSpec } from '../../src/protocol/lease.ts';
import { newClient, type Surroundings } from './client.ts';
import type { Author } from './history.ts';
import type { Process } from './process.ts';
import type { Random } from './random.ts';

export interface ForeignOptions {
  process: Process;
  random: Random;
  name: string;
  nonce: string;
}

export interface Foreign {
  author: Author;
  done: Promise<void>;
  crash(): void;
}

const RENEW_DEADLINE_MS = 10_000;
const RETRY_MS = 2000;

const DURATION_MS = 15_000;

export function newElector(around: Surroundings, options: ForeignOptions): Foreign {
  const elector = new Elector(around, options);
  return { author: elector.author, done: elector.live().then(() => options.process.crash()), crash: () => elector.crash() };
}

class Elector {
  readonly author: Author;
  readonly #around: Surroundings;
  readonly #options: ForeignOptions;
  readonly #client: LeaseClient;
  #lease: RawLease | undefined;
  /** The record as it was last seen to change, in whole seconds, and when. */
  #record = '';
  #spec: RawSpec | undefined;
  #observedAt = 0;
  #running = false;

  constructor(around: Surroundings, options: ForeignOptions) {
    const { name, nonce, process } = options;
    this.author = { name, kind: 'elector', id: name, nonce, durationMs: DURATION_MS };
    this.#around = around;
    this.#options = options;
    this.#client = newClient(around, { process, author: this.author, manager: 'leader-election' });
  }

  async live(): Promise<void> {
    const { random } = this.#options;
    const patience = this.#later(random.about(300_000));
    while (!(await this.#tryAcquireOrRenew())) {
      if (this.#now() > patience) return;
      await this.#wait(RETRY_MS * (1 + 1.2 * random.next()));
    }
    this.#running = true;
    const { world, listen } = this.#around;
    listen(world.now(), { type: 'started', author: this.author, token: '' });
    const workedBy = this.#later(random.about(20_000));
    do {
      await this.#wait(RETRY_MS);
      if (!(await this.#renewWithinDeadline())) break;
    } while (this.#now() < workedBy);
    this.#end('gave up the lead');
    await this.#release();
  }

  crash(): void {
    this.#options.process.crash();
    this.#end('crashed');
  }

  #end(how: string): void {
    if (!this.#running) return;
    this.#running = false;
    const { world, listen } = this.#around;
    listen(world.now(), { type: 'ended', author: this.author, clock: this.#now(), how });
  }

  #now(): Monotonic {
    return this.#options.process.clock.now();
  }

  #later(ms: number): Monotonic {
    return (this.#now() + ms) as Monotonic;
  }

  #wait(ms: number): Promise<void> {
    return waitUntil(this.#options.process.clock, this.#later(ms));
  }

  #time(): string {
    return microTime(this.#options.process.clock.wall());
  }

  #isLeader(): boolean {
    return this.#spec?.holderIdentity === this.#options.name;
  }

  #isValid(): boolean {
    return this.#observedAt + (this.#spec?.leaseDurationSeconds ?? 0) * 1000 > this.#now();
  }

  #held(): RawSpec {
    return { holderIdentity: this.#options.name, leaseDurationSeconds: DURATION_MS / 1000, renewTime: this.#time() };
  }

  #observe(lease: RawLease): void {
    this.#lease = lease;
    if (recordOf(lease.spec) !== this.#record) this.#believe(lease);
  }

  #believe(lease: RawLease): void {
    this.#record = recordOf(lease.spec);
    this.#spec = lease.spec;
    this.#observedAt = this.#now();
  }

  async #put(spec: RawSpec): Promise<boolean> {
    const base: RawLease = this.#lease ?? { metadata: { name: 'lock', namespace: 'ns' } };
    // A typed model: fields of the spec that it doesn't know are gone.
    const answer = await this.#client.write({ ...base, spec }, { manager: 'leader-election', timeoutMs: 5000 });
    if (answer.kind !== 'lease') return false;
    this.#lease = answer.lease;
    this.#believe(answer.lease);
    return true;
  }

  async #tryAcquireOrRenew(): Promise<boolean> {
    if (this.#isLeader() && this.#isValid()) {
      const acquireTime = () => this.#spec?.acquireTime ?? this.#time();
      const renewed = { ...this.#held(), acquireTime: acquireTime(), leaseTransitions: this.#spec?.leaseTransitions ?? 0 };
      if (await this.#put(renewed)) return true;
    }
    const answer: Answer = await this.#client.read({ timeoutMs: 5000 });
    if (answer.kind === 'absent') {
      this.#lease = undefined;
      return await this.#put({ ...this.#held(), acquireTime: this.#time(), leaseTransitions: 0 });
    }
    if (answer.kind !== 'lease') return false;
    this.#observe(answer.lease);
    if ((this.#spec?.holderIdentity ?? '') !== '' && this.#isValid() && !this.#isLeader()) return false;
    const transitions = this.#spec?.leaseTransitions ?? 0;
    return await this.#put({
      ...this.#held(),
      acquireTime: this.#isLeader() ? (this.#spec?.acquireTime ?? this.#time()) : this.#time(),
      leaseTransitions: this.#isLeader() ? transitions : transitions + 1,
    });
  }

  async #release(): Promise<void> {
    const answer = await this.#client.read({ timeoutMs: 5000 });
    if (answer.kind !== 'lease') return;
    // Fresh version, stale belief: this is how a paused former leader clears the one that came after it.
    this.#lease = answer.lease;
    if (!this.#isLeader()) return;
    const leaseTransitions = this.#spec?.leaseTransitions ?? 0;
    await this.#put({
      holderIdentity: '',
      leaseDurationSeconds: 1,
      renewTime: this.#time(),
      acquireTime: this.#time(),
      leaseTransitions,
    });
  }

  async #renewWithinDeadline(): Promise<boolean> {
    const deadline = this.#later(RENEW_DEADLINE_MS);
    while (this.#now() < deadline) {
      if (await this.#tryAcquireOrRenew()) return this.#now() < deadline;
      await this.#wait(RETRY_MS);
    }
    return false;
  }
}

function recordOf(spec: RawSpec | undefined): string {
  const second = (time: string | undefined) => time?.slice(0, 19);
  const { holderIdentity, leaseDurationSeconds, leaseTransitions, acquireTime, renewTime } = spec ?? {};
  return JSON.stringify([holderIdentity, leaseDurationSeconds, leaseTransitions, second(acquireTime), second(renewTime)]);
}

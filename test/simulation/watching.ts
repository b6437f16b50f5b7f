/** A simulated watch: it may lag, double, close, fall silent, begin with the past, or never come about. */
import type { WatchListener } from '../../src/api/lease-watch.ts';
import type { RawLease } from '../../src/protocol/lease.ts';
import { type ClientOptions, IDLE_MS, SLOW_MS, type Surroundings } from './client.ts';
import type { Network } from './network.ts';
import type { Commit, Write } from './server.ts';

/** Some intermediary may keep a connection open, and alive to look at, that brings nothing any more. */
const FOR_EVER_MS = 24 * 3_600_000;

export interface Watching {
  onEvent: WatchListener['onEvent'];
  since: string | undefined;
}

/** Returns the undo. */
export function watch(around: Surroundings, options: ClientOptions, watching: Watching): () => void {
  const one = new Watch(around, options, watching);
  return () => one.end();
}

class Watch {
  readonly #around: Surroundings;
  readonly #options: ClientOptions;
  readonly #onEvent: Watching['onEvent'];
  #over = false;
  #connection = 0;
  #unsubscribe = () => {};
  #seen: string | undefined;

  constructor(around: Surroundings, options: ClientOptions, { onEvent, since }: Watching) {
    const { world, random } = around;
    this.#around = around;
    this.#options = options;
    this.#onEvent = onEvent;
    this.#seen = since;
    world.at(world.now() + random.between(2, 40), () => this.#connect());
  }

  end(): void {
    this.#over = true;
    this.#unsubscribe();
  }

  #troubled(by: string, lasting: boolean): void {
    const { world, listen } = this.#around;
    listen(world.now(), { type: 'troubled', author: this.#options.author, source: 'watch', by, lasting });
  }

  #hint(lease: RawLease | undefined): void {
    const { world, listen } = this.#around;
    listen(world.now(), { type: 'shown', author: this.#options.author, lease, byAnswer: false });
    this.#onEvent({ lease });
  }

  #broken(by: string, afterMs: number): void {
    const { world } = this.#around;
    this.#troubled(by, true);
    this.#connection += 1;
    this.#unsubscribe();
    world.at(world.now() + afterMs, () => this.#connect());
  }

  #isCutOff(): boolean {
    return this.#around.network.isCutOff(this.#options.author.name);
  }

  #connect(): boolean {
    const { server, network, random } = this.#around;
    const { process, deaf } = this.#options;
    if (this.#over || !process.alive) return false;
    if (deaf) {
      this.#troubled('no right to watch', true);
      return false;
    }
    const send = this.#sender();
    if (this.#isCutOff()) {
      this.#broken('cut off', random.between(1000, 5000));
      return false;
    }
    if (this.#connection > 0) this.#troubled('the watch is back', false);
    const missed = this.#seen === undefined || network.watchForgets() ? undefined : server.since(this.#seen);
    if (missed) for (const lease of missed) send(lease, lease?.metadata.resourceVersion ?? server.version, network.watchLagMs());
    else {
      // Starting anew says that something may have been missed, and tells nothing of a Lease that is gone.
      if (this.#seen !== undefined) process.deliver(() => this.#hint(undefined));
      const { lease } = server.get();
      if (lease) send(lease, server.version, network.watchLagMs());
    }
    this.#unsubscribe = server.onCommit((commit) => this.#committed(commit, send));
    return true;
  }

  #committed({ after, write }: Commit, send: Send): void {
    const { server, network } = this.#around;
    if (!this.#options.process.alive) {
      this.#unsubscribe();
      return;
    }
    const fate = write.deed === 'restore' || this.#isCutOff() ? undefined : network.watchFate();
    const fault = this.#faultOf(write, fate);
    if (fault) {
      this.#broken(...fault);
      return;
    }
    send(after, server.version, network.watchLagMs());
    if (fate === 'doubles') send(after, server.version, network.watchLagMs());
  }

  /** What breaks it off, and for how long. */
  #faultOf({ deed }: Write, fate: ReturnType<Network['watchFate']> | undefined): [by: string, afterMs: number] | undefined {
    const { random } = this.#around;
    // Its API server starts anew, too.
    if (deed === 'restore') return ['a restored etcd', random.between(200, 3000)];
    if (fate === undefined) return ['cut off', random.between(IDLE_MS / 2, IDLE_MS)];
    if (fate === 'closes') return ['a closed watch', random.between(200, 3000)];
    if (fate !== 'falls-silent') return undefined;
    return ['a silent watch', random.chance(0.3) ? FOR_EVER_MS : random.between(IDLE_MS / 2, IDLE_MS)];
  }

  /** Of one connection, which keeps the order: nothing overtakes what went before. */
  #sender(): Send {
    const { world } = this.#around;
    const { process } = this.#options;
    const mine = this.#connection;
    const isOver = () => this.#over || mine !== this.#connection;
    const unread: { lease: RawLease | undefined; version: string; slow: boolean }[] = [];
    let last = 0;
    return (lease, version, lagMs) => {
      last = Math.max(last + 1e-3, world.now() + lagMs);
      const slow = last - world.now() > SLOW_MS;
      if (slow) this.#troubled('a slow watch event', true);
      world.at(last, () => {
        if (isOver() || this.#isCutOff()) return false;
        // After a pause, too, one connection is read in its order.
        unread.push({ lease, version, slow });
        return process.deliver(() => {
          const next = unread.shift();
          if (isOver() || !next) return;
          this.#seen = next.version;
          if (next.slow) this.#troubled('a slow watch', false);
          this.#hint(next.lease);
        });
      });
    };
  }
}

type Send = (lease: RawLease | undefined, version: string, lagMs: number) => void;

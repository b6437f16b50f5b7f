/** Histories written by hand, to hold the checker itself to account: who does what, and when, on a Lease that a simulated server keeps. */
import type { Steady } from '../../../src/clock.ts';
import { parseLease } from '../../../src/protocol/document.ts';
import type { RawLease } from '../../../src/protocol/lease.ts';
import type { Me, Moment } from '../../../src/protocol/me.ts';
import { absentLease, claim, enqueue, renewal, withoutMe } from '../../../src/protocol/writes.ts';
import type { Author, Deed, Occurrence } from '../history.ts';
import { EPOCH_MS } from '../process.ts';
import { randomOf } from '../random.ts';
import { newServer, type Server } from '../server.ts';
import { type Checker, type CheckerOptions, newChecker } from './index.ts';

export interface Actor {
  author: Author;
  me: Me;
}

export interface Scene {
  checker: Checker;
  /** What is done from now on is done then. */
  at(time: number): void;
  actor(name: string, given?: Partial<Me>): Actor;
  tell(event: Occurrence): void;
  /** Each is shown the Lease by its watch. */
  show(...actors: Actor[]): void;
  enqueue(actor: Actor): void;
  claim(actor: Actor): void;
  renew(actor: Actor): void;
  /** Out of the holders, or out of the queue. */
  leave(actor: Actor): void;
  /** A write of somebody else: what it makes of the Lease, undefined to delete it. */
  edit(deed: Deed, change: (lease: RawLease) => RawLease | undefined): void;
  lease(): RawLease | undefined;
}

const ADMIN: Author = { name: 'admin', kind: 'admin', id: '', nonce: 'admin', durationMs: 0 };

export const newScene = (options: Partial<CheckerOptions> = {}): Scene => new PlayedScene(options);

class PlayedScene implements Scene {
  readonly checker: Checker;
  readonly actor = newActor;
  readonly #server: Server;
  #now = 0;
  #marks = 0;

  constructor(options: Partial<CheckerOptions>) {
    this.checker = newChecker({ drift: false, skew: false, gentle: false, ...options });
    const world = { now: () => this.#now, at() {}, run: async () => 0 };
    this.#server = newServer(world, { random: randomOf(1, 'scene'), skewsMs: [0] });
    this.#server.onCommit(({ write: { author, sent, deed }, before, after }) =>
      this.tell({ type: 'commit', author, before, after, ...(sent && { sent }), ...(deed && { deed }) }),
    );
  }

  at(time: number): void {
    this.#now = time;
  }

  tell(event: Occurrence): void {
    this.checker.take(this.#now, event);
  }

  lease(): RawLease | undefined {
    return this.#server.get().lease;
  }

  show(...actors: Actor[]): void {
    for (const { author } of actors) this.tell({ type: 'shown', author, lease: this.lease(), byAnswer: false });
  }

  enqueue({ author, me }: Actor): void {
    this.#put(author, enqueue({ view: this.#view(me), me }, placeAt(this.#view(me).state.next)));
  }

  claim({ author, me }: Actor): void {
    const { state } = this.#view(me);
    const ticket = state.waiters.find(({ nonce }) => nonce === me.nonce)?.ticket ?? state.next;
    const passed = state.waiters.filter((waiter) => waiter.nonce !== me.nonce && waiter.ticket < ticket);
    this.#put(
      author,
      claim({ view: this.#view(me), me, moment: this.#moment() }, placeAt(ticket), { passedOver: passed, beside: [] }),
    );
  }

  renew({ author, me }: Actor): void {
    const mine = this.#view(me).state.holders.find(({ key }) => key.endsWith(`-${me.nonce}`));
    if (mine) this.#put(author, renewal({ view: this.#view(me), me, moment: this.#moment() }, mine.key));
  }

  leave({ author, me }: Actor): void {
    const without = withoutMe(this.#view(me).state, me, this.#moment());
    if (without) this.#put(author, without.lease);
  }

  edit(deed: Deed, change: (lease: RawLease) => RawLease | undefined): void {
    const lease = this.lease();
    const after = lease && change(lease);
    if (after) this.#server.force(after, { author: ADMIN, manager: 'kubectl-edit', deed });
    else this.#server.remove({ author: ADMIN, manager: 'kubectl', deed });
  }

  #view(me: Me) {
    const lease = this.lease();
    const parsed = parseLease(lease ?? absentLease(me));
    if (parsed.kind === 'refused') throw new Error(parsed.message);
    return { state: parsed.state, exists: lease !== undefined };
  }

  #moment(): Moment {
    return { now: this.#now as Steady, wall: new Date(EPOCH_MS + this.#now), mark: `mark${++this.#marks}` };
  }

  #put(author: Author, lease: RawLease): void {
    this.#server.put(lease, { author, manager: 'k8s-lease-lock', sent: { local: this.#now, time: this.#now } });
  }
}

const placeAt = (ticket: number) => ({ ticket, came: ticket });

function newActor(name: string, given: Partial<Me> = {}): Actor {
  const me: Me = {
    ...{ namespace: 'ns', name: 'lock', id: name, nonce: name, priority: 0, durationMs: 60_000, about: {} },
    since: new Date(EPOCH_MS).toISOString(),
    legacyExpiry: false,
    ...given,
  };
  return { me, author: { name, kind: 'ours', id: me.id, nonce: me.nonce, durationMs: me.durationMs, priority: me.priority } };
}

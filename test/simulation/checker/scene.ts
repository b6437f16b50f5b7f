/** Histories written by hand, to hold the checker itself to account: who does what, and when, on a Lease that a simulated server keeps. */
import type { Steady } from '../../../src/clock.ts';
import { parseLease } from '../../../src/protocol/document.ts';
import type { RawLease } from '../../../src/protocol/lease.ts';
import type { Me, Moment } from '../../../src/protocol/me.ts';
import { absentLease, claim, enqueue, renewal, withoutMe } from '../../../src/protocol/writes.ts';
import type { Author, Deed, Occurrence } from '../history.ts';
import { EPOCH_MS } from '../process.ts';
import { randomOf } from '../random.ts';
import { newServer } from '../server.ts';
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

export function newScene(options: Partial<CheckerOptions> = {}): Scene {
  let now = 0;
  let marks = 0;
  const checker = newChecker({ drift: false, skew: false, gentle: false, ...options });
  const tell = (event: Occurrence) => checker.take(now, event);
  const world = { now: () => now, at() {}, run: async () => 0 };
  const server = newServer(world, { random: randomOf(1, 'scene'), skewsMs: [0] });
  server.onCommit(({ write: { author, sent, deed }, before, after }) =>
    tell({ type: 'commit', author, before, after, ...(sent && { sent }), ...(deed && { deed }) }),
  );
  const view = (me: Me) => {
    const { lease } = server.get();
    const parsed = parseLease(lease ?? absentLease(me));
    if (parsed.kind === 'refused') throw new Error(parsed.message);
    return { state: parsed.state, exists: lease !== undefined };
  };
  const moment = (): Moment => ({ now: now as Steady, wall: new Date(EPOCH_MS + now), mark: `mark${++marks}` });
  const put = (author: Author, lease: RawLease) =>
    server.put(lease, { author, manager: 'k8s-lease-lock', sent: { local: now, time: now } });
  return {
    checker,
    at(time) {
      now = time;
    },
    actor: (name, given) => newActor(name, given),
    tell,
    show(...actors) {
      for (const { author } of actors) tell({ type: 'shown', author, lease: server.get().lease, byAnswer: false });
    },
    enqueue({ author, me }) {
      put(author, enqueue({ view: view(me), me }, view(me).state.next));
    },
    claim({ author, me }) {
      const { state } = view(me);
      const ticket = state.waiters.find(({ nonce }) => nonce === me.nonce)?.ticket ?? state.next;
      const passed = state.waiters.filter((waiter) => waiter.nonce !== me.nonce && waiter.ticket < ticket);
      put(author, claim({ view: view(me), me, moment: moment() }, ticket, passed));
    },
    renew({ author, me }) {
      const mine = view(me).state.holders.find(({ key }) => key.endsWith(`-${me.nonce}`));
      if (mine) put(author, renewal({ view: view(me), me, moment: moment() }, mine.key));
    },
    leave({ author, me }) {
      const without = withoutMe(view(me).state, me, moment().wall);
      if (without) put(author, without.lease);
    },
    edit(deed, change) {
      const { lease } = server.get();
      const after = lease && change(lease);
      if (after) server.force(after, { author: ADMIN, manager: 'kubectl-edit', deed });
      else server.remove({ author: ADMIN, manager: 'kubectl', deed });
    },
    lease: () => server.get().lease,
  };
}

function newActor(name: string, given: Partial<Me> = {}): Actor {
  const me: Me = {
    ...{ namespace: 'ns', name: 'lock', id: name, nonce: name, priority: 0, durationMs: 60_000, about: {} },
    since: new Date(EPOCH_MS).toISOString(),
    legacyExpiry: false,
    ...given,
  };
  return { me, author: { name, kind: 'ours', id: me.id, nonce: me.nonce, durationMs: me.durationMs, priority: me.priority } };
}

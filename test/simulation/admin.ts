/**
 * An administrator, and whoever else may write to a Lease: deletes it, unlocks by force, clears the spec, spoils entries, resets field
 * tracking, asks a holder to stop, adds what is none of ours. Its writes come true at once.
 */
import { parseLease } from '../../src/protocol/document.ts';
import type { RawLease } from '../../src/protocol/lease.ts';
import type { LockState, Waiter } from '../../src/protocol/lock-state.ts';
import { leaveRequest, type Signed, withWaiterAt } from '../../src/protocol/operator-writes.ts';
import { LOCK, PREFIX } from './document.ts';
import type { Author, Deed } from './history.ts';
import { DEEDS } from './plan.ts';
import { EPOCH_MS } from './process.ts';
import type { Random } from './random.ts';
import type { Server } from './server.ts';
import type { World } from './world.ts';

export interface AdminOptions {
  world: World;
  server: Server;
  random: Random;
  has(fault: string): boolean;
  told(author: Author, text: string): void;
}

const AUTHOR: Author = { name: 'admin', kind: 'admin', id: '', nonce: 'admin', durationMs: 0 };

/** One deed, chosen among those that this run has; false if there was nothing to do it to. */
export function doDeed(options: AdminOptions): boolean {
  const { server, random, has, told } = options;
  const [first, ...rest] = DEEDS.filter(has);
  const { lease } = server.get();
  if (!first || !lease) return false;
  const chosen = random.pick([first, ...rest]);
  told(AUTHOR, chosen);
  return DO[chosen](new Desk(options, lease));
}

/** What an administrator has in hand: the Lease as it is read, and ways to write another. */
class Desk {
  readonly world: World;
  readonly server: Server;
  readonly random: Random;
  readonly lease: RawLease;
  /** To be changed, and put with `annotated`. */
  readonly annotations: Record<string, string>;

  constructor({ world, server, random }: AdminOptions, lease: RawLease) {
    this.world = world;
    this.server = server;
    this.random = random;
    this.lease = lease;
    this.annotations = { ...lease.metadata.annotations };
  }

  put(next: RawLease, deed: Deed = 'other'): true {
    this.server.force(next, { author: AUTHOR, manager: 'kubectl-edit', deed });
    return true;
  }

  annotated(): RawLease {
    return { ...this.lease, metadata: { ...this.lease.metadata, annotations: this.annotations } };
  }

  /** The spec as the release of a leader election leaves it. */
  vacant(): NonNullable<RawLease['spec']> {
    const renewTime = new Date(EPOCH_MS + this.world.now()).toISOString().replace('Z', '000Z');
    return { ...this.lease.spec, holderIdentity: '', leaseDurationSeconds: 1, renewTime };
  }

  anyWaiter(): [LockState, Waiter] | [] {
    const parsed = parseLease(this.lease);
    if (parsed.kind !== 'state') return [];
    const [first, ...more] = parsed.state.waiters;
    return first ? [parsed.state, this.random.pick([first, ...more])] : [];
  }

  signed(): Signed {
    return { by: 'admin', reason: 'because', wall: new Date(EPOCH_MS + this.world.now()) };
  }

  /** Makes good later what was done, if it is still so. */
  later(meanMs: number, repair: (present: RawLease) => RawLease | undefined): true {
    this.world.at(this.world.now() + this.random.about(meanMs), () => {
      const present = this.server.get().lease;
      const repaired = present && repair(present);
      if (repaired) this.put(repaired);
      return false;
    });
    return true;
  }
}

const withAnnotations = (lease: RawLease, annotations: Record<string, string>): RawLease => ({
  ...lease,
  metadata: { ...lease.metadata, annotations },
});

const DO: Record<(typeof DEEDS)[number], (desk: Desk) => boolean> = {
  delete({ server }) {
    server.remove({ author: AUTHOR, manager: 'kubectl', deed: 'delete' });
    return true;
  },
  unlock(desk) {
    const { annotations } = desk;
    for (const name of Object.keys(annotations)) if (name.startsWith(PREFIX.holder)) delete annotations[name];
    return desk.put({ ...desk.annotated(), spec: desk.vacant() }, 'unlock');
  },
  clear: (desk) => desk.put({ ...desk.lease, spec: desk.vacant() }, 'clear'),
  restore: ({ server, random }) =>
    server.restore(1 + Math.floor(random.next() * 20), { author: AUTHOR, manager: 'etcd', deed: 'restore' }),
  absurd(desk) {
    absurd(desk.annotations, desk.random);
    return desk.put(desk.annotated());
  },
  full(desk) {
    desk.annotations[LARGE] = 'x'.repeat(199_500);
    desk.put(desk.annotated());
    return desk.later(40_000, (present) => {
      const { [LARGE]: _, ...rest } = present.metadata.annotations ?? {};
      return withAnnotations(present, rest);
    });
  },
  spoil(desk) {
    spoil(desk.annotations, desk.random);
    return desk.put(desk.annotated());
  },
  stop(desk) {
    const { annotations, random, lease } = desk;
    const holder = Object.keys(annotations).find((name) => name.startsWith(PREFIX.holder));
    if (!holder) return false;
    const named = random.chance(0.5) ? holder.slice(PREFIX.holder.length) : lease.spec?.holderIdentity;
    const stop = { holder: named, by: 'admin', kind: random.pick(['unlock', 'replace']), reason: 'because' };
    annotations[LOCK] = JSON.stringify({ ...parse(annotations[LOCK]), stop });
    return desk.put(desk.annotated());
  },
  /** As `set --permits` writes it. */
  set(desk) {
    const { annotations, random } = desk;
    annotations[LOCK] = JSON.stringify({ ...parse(annotations[LOCK]), permits: random.pick([1, 2, 3, 3, 5]) });
    return desk.put(desk.annotated());
  },
  /** As `queue --remove` and `queue --move` write it. */
  dismiss(desk) {
    const [state, waiter] = desk.anyWaiter();
    return state && waiter ? desk.put(leaveRequest(state, waiter, desk.signed())) : false;
  },
  move(desk) {
    const [state, waiter] = desk.anyWaiter();
    const place = 1 + Math.floor(desk.random.next() * (state?.waiters.length ?? 0));
    const moved = state && waiter && withWaiterAt(state, waiter, place);
    return moved ? desk.put(moved) : false;
  },
  adorn(desk) {
    const { annotations, random, lease, world } = desk;
    annotations[`example.com/${Math.floor(random.next() * 3)}`] = String(world.now());
    annotations[LOCK] = JSON.stringify({ ...parse(annotations[LOCK]), v: 1, unknown: { later: [1] } });
    // Now and then so much of it that a queue has no room for another.
    if (random.chance(0.01)) annotations[LARGE] = 'x'.repeat(199_500);
    else delete annotations[LARGE];
    const labels = { ...lease.metadata.labels, colour: random.pick(['red', 'blue']) };
    const metadata = { ...lease.metadata, annotations, labels, finalizers: ['example.com/keep'] };
    return desk.put({ ...lease, metadata, spec: { ...lease.spec, unknown: 'field' }, status: { odd: true } } as RawLease);
  },
  tracking: (desk) => desk.put({ ...desk.lease, metadata: { ...desk.lease.metadata, managedFields: [] } }),
  version(desk) {
    const versioned = (text: string | undefined, v: number) => JSON.stringify({ ...parse(text), v });
    desk.annotations[LOCK] = versioned(desk.annotations[LOCK], 2);
    desk.put(desk.annotated());
    return desk.later(5000, (present) => {
      const { annotations = {} } = present.metadata;
      if (parse(annotations[LOCK]).v !== 2) return undefined;
      return withAnnotations(present, { ...annotations, [LOCK]: versioned(annotations[LOCK], 1) });
    });
  },
  coordinate(desk) {
    const field = desk.random.pick(['strategy', 'preferredHolder']);
    desk.put({ ...desk.lease, spec: { ...desk.lease.spec, [field]: 'OldestEmulationVersion' } });
    return desk.later(5000, (present) => {
      if (!present.spec || !(field in present.spec)) return undefined;
      const { [field]: _, ...spec } = present.spec;
      return { ...present, spec };
    });
  },
};

const LARGE = 'example.com/large';

function spoil(annotations: Record<string, string>, random: Random): void {
  const ours = Object.keys(annotations).filter((name) => name.includes('lease-lock.nullplatform.com/'));
  const [first, ...rest] = ours;
  if (!first) return;
  const name = random.pick([first, ...rest]);
  if (random.chance(0.3)) delete annotations[name];
  else annotations[name] = random.pick(['', 'garbage', '[]', '{"id":7}', '{"v":"x","next":-1,"stop":{"holder":""}}', 'null']);
}

/** Numbers that no JSON keeps exactly, or that nobody lives to see. */
function absurd(annotations: Record<string, string>, random: Random): void {
  const name = random.pick([LOCK, ...Object.keys(annotations).filter((key) => key.includes('lease-lock.nullplatform.com/'))]);
  const field = name === LOCK ? 'next' : name.startsWith(PREFIX.holder) ? 'duration' : 'priority';
  // As a duration, the largest that counts would keep everybody out for thirty thousand years: it is the word of whoever may write it.
  const largest = field === 'duration' ? 1e12 : 1e12 - 1;
  const number = random.pick([1e15, 2 ** 53, 1e306, -1, 0, 0.5, 1e12, largest]);
  annotations[name] = JSON.stringify({ ...parse(annotations[name]), [field]: number });
}

function parse(text: string | undefined): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text ?? '{}');
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {};
  } catch {
    return {}; // The administrator repairs what nobody can read.
  }
}

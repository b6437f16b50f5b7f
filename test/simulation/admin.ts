/**
 * An administrator, and whoever else may write to a Lease: deletes it, unlocks by force, clears the spec, spoils entries, resets field
 * tracking, asks a holder to stop, adds what is none of ours. Its writes come true at once.
 */
import type { RawLease } from '../../src/protocol/lease.ts';
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

/** One deed, chosen among those that this run has; the words for it, or undefined if there was nothing to do it to. */
export function doDeed({ world, server, random, has, told }: AdminOptions): boolean {
  const deeds = DEEDS.filter(has);
  const [first, ...rest] = deeds;
  const { lease } = server.get();
  if (!first || !lease) return false;
  const chosen = random.pick([first, ...rest]);
  told(AUTHOR, chosen);
  const put = (next: RawLease, deed: Deed = 'other') => server.force(next, { author: AUTHOR, manager: 'kubectl-edit', deed });
  const time = () => new Date(EPOCH_MS + world.now()).toISOString().replace('Z', '000Z');
  const vacant = { holderIdentity: '', leaseDurationSeconds: 1, renewTime: time() };
  const annotations = { ...lease.metadata.annotations };
  const annotated = (): RawLease => ({ ...lease, metadata: { ...lease.metadata, annotations } });
  switch (chosen) {
    case 'delete':
      server.remove({ author: AUTHOR, manager: 'kubectl', deed: 'delete' });
      return true;
    case 'unlock': {
      for (const name of Object.keys(annotations)) if (name.startsWith(PREFIX.holder)) delete annotations[name];
      put({ ...annotated(), spec: { ...lease.spec, ...vacant } }, 'unlock');
      return true;
    }
    case 'clear':
      put({ ...lease, spec: { ...lease.spec, ...vacant } }, 'clear');
      return true;
    case 'restore':
      return server.restore(1 + Math.floor(random.next() * 20), { author: AUTHOR, manager: 'etcd', deed: 'restore' });
    case 'absurd':
      absurd(annotations, random);
      put(annotated());
      return true;
    case 'full':
      annotations['example.com/large'] = 'x'.repeat(199_500);
      put(annotated());
      world.at(world.now() + random.about(40_000), () => {
        const present = server.get().lease;
        if (!present) return false;
        const { 'example.com/large': _, ...rest } = present.metadata.annotations ?? {};
        put({ ...present, metadata: { ...present.metadata, annotations: rest } });
        return false;
      });
      return true;
    case 'spoil':
      spoil(annotations, random);
      put(annotated());
      return true;
    case 'stop': {
      const holder = Object.keys(annotations).find((name) => name.startsWith(PREFIX.holder));
      if (!holder) return false;
      const named = random.chance(0.5) ? holder.slice(PREFIX.holder.length) : lease.spec?.holderIdentity;
      const lock = {
        ...parse(annotations[LOCK]),
        stop: { holder: named, by: 'admin', kind: random.pick(['unlock', 'replace']), reason: 'because' },
      };
      annotations[LOCK] = JSON.stringify(lock);
      put(annotated());
      return true;
    }
    case 'adorn': {
      annotations[`example.com/${Math.floor(random.next() * 3)}`] = String(world.now());
      annotations[LOCK] = JSON.stringify({ ...parse(annotations[LOCK]), v: 1, unknown: { later: [1] } });
      // Now and then so much of it that a queue has no room for another.
      if (random.chance(0.01)) annotations['example.com/large'] = 'x'.repeat(199_500);
      else delete annotations['example.com/large'];
      const labels = { ...lease.metadata.labels, colour: random.pick(['red', 'blue']) };
      const metadata = { ...lease.metadata, annotations, labels, finalizers: ['example.com/keep'] };
      put({ ...lease, metadata, spec: { ...lease.spec, unknown: 'field' }, status: { odd: true } });
      return true;
    }
    case 'tracking': {
      put({ ...lease, metadata: { ...lease.metadata, managedFields: [] } });
      return true;
    }
    case 'version': {
      const good = annotations[LOCK];
      annotations[LOCK] = JSON.stringify({ ...parse(good), v: 2 });
      put(annotated());
      world.at(world.now() + random.about(5000), () => {
        const present = server.get().lease;
        if (!present || parse(present.metadata.annotations?.[LOCK]).v !== 2) return false;
        const back = {
          ...present.metadata.annotations,
          [LOCK]: JSON.stringify({ ...parse(present.metadata.annotations?.[LOCK]), v: 1 }),
        };
        put({ ...present, metadata: { ...present.metadata, annotations: back } });
        return false;
      });
      return true;
    }
    case 'coordinate': {
      const field = random.pick(['strategy', 'preferredHolder']);
      put({ ...lease, spec: { ...lease.spec, [field]: 'OldestEmulationVersion' } });
      world.at(world.now() + random.about(5000), () => {
        const present = server.get().lease;
        if (!present?.spec || !(field in present.spec)) return false;
        const { [field]: _, ...spec } = present.spec;
        put({ ...present, spec });
        return false;
      });
      return true;
    }
    default:
      return false;
  }
}

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

/**
 * What a Lease says, read by the checker for itself: it shares no code with the parser under test, so that one mistake can't hide another.
 */
import type { RawLease } from '../../src/protocol/lease.ts';

export interface Entry {
  key: string;
  ticket: number;
  nonce: string;
  id: string;
  priority: number;
  durationMs: number;
  /** When it came, counted as tickets are. */
  came: number;
  group: string | undefined;
  replaces: boolean;
  /** It shares the lock; undefined: it needs it alone. */
  weight: number | undefined;
  /** How many permits it expects the lock to have; 0: it does not say. */
  permits: number;
  /** Its work is over, and the lock stays taken. */
  ended: boolean;
  /** The lock was handed to it, and it has not written since. */
  granted: boolean;
  /** The lock may be handed to it. */
  direct: boolean;
  /** It is asked to leave the queue. */
  dismissed: boolean;
  text: string;
}

export interface Doc {
  lease: RawLease;
  version: number;
  named: string;
  /** Those that can be read. */
  holders: Entry[];
  waiters: Entry[];
  annotations: Record<string, string>;
  lock: Record<string, unknown>;
}

export const PREFIX = { holder: 'holder.lease-lock.nullplatform.com/', waiter: 'waiter.lease-lock.nullplatform.com/' };
export const LOCK = 'lease-lock.nullplatform.com/lock';

const known = new WeakMap<RawLease, Doc>();

export function docOf(lease: RawLease): Doc {
  const before = known.get(lease);
  if (before) return before;
  const annotations = lease.metadata.annotations ?? {};
  const doc: Doc = {
    lease,
    version: Number(lease.metadata.resourceVersion),
    named: lease.spec?.holderIdentity ?? '',
    holders: [],
    waiters: [],
    annotations,
    lock: json(annotations[LOCK]) ?? {},
  };
  for (const [name, text] of Object.entries(annotations)) {
    if (name.startsWith(PREFIX.holder)) add(doc.holders, name.slice(PREFIX.holder.length), text);
    else if (name.startsWith(PREFIX.waiter)) add(doc.waiters, name.slice(PREFIX.waiter.length), text);
  }
  known.set(lease, doc);
  return doc;
}

function add(list: Entry[], key: string, text: string): void {
  const fields = json(text);
  const dash = key.indexOf('-');
  if (typeof fields?.id !== 'string' || dash < 0) return;
  list.push({
    key,
    ticket: Number(key.slice(0, dash)),
    nonce: key.slice(dash + 1),
    id: fields.id,
    priority: numberOf(fields.priority),
    durationMs: numberOf(fields.duration) * 1000,
    came: Math.max(Number(key.slice(0, dash)), numberOf(fields.came)),
    group: typeof fields.group === 'string' ? fields.group : undefined,
    replaces: fields.replaces === true,
    weight: numberOf(fields.weight) >= 1 ? numberOf(fields.weight) : undefined,
    permits: numberOf(fields.permits),
    ended: fields.ended === true,
    granted: fields.granted === true,
    direct: fields.direct === true,
    dismissed: fields.stop !== undefined,
    text,
  });
}

/** The spec names one of those that have an entry. */
export const isAgreed = ({ named, holders }: Doc): boolean => named !== '' && holders.some(({ id }) => id === named);

/** Undefined: any number. */
export function permitsIn({ lock, holders, waiters }: Doc): number | undefined {
  const expected = [...holders, ...waiters].map(({ permits }) => permits).filter((permits) => permits > 0);
  return numberOf(lock.permits) || (expected.length > 0 ? Math.min(...expected) : undefined);
}

/** What exceeds the limit of every number in the document counts as absent. */
const numberOf = (value: unknown): number => (typeof value === 'number' && Math.abs(value) < 1e12 ? value : 0);

function json(text: string | undefined): Record<string, unknown> | undefined {
  try {
    return text === undefined ? undefined : JSON.parse(text);
  } catch {
    return undefined; // What can't be read says nothing.
  }
}

export const isAhead = (a: Entry, b: { priority: number; ticket: number; nonce: string }): boolean =>
  a.priority !== b.priority ? a.priority > b.priority : a.ticket !== b.ticket ? a.ticket < b.ticket : a.nonce < b.nonce;

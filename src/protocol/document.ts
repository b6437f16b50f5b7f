/**
 * What a Lease says about a lock: parsing, pure. How it is written: edit.ts. Whether anything *may* be done is not answered here, see rules.ts.
 * The document: docs/protocol.md.
 */
import { describeLease } from '../names.ts';
import { visible } from '../visible.ts';
import type { RawLease, RawSpec } from './lease.ts';

/** For people: who it is, why, where to look. Each field is cut at ABOUT_LIMITS. */
export interface About {
  who?: string;
  reason?: string;
  url?: string;
  host?: string;
}

/** `<ticket>-<nonce>`: names one participant in annotation keys. */
export type Key = string;

interface Entry {
  key: Key;
  ticket: number;
  nonce: string;
  id: string;
  /** When it acquired, or joined the queue, by its own wall clock: for people. */
  since: string;
  about: About;
}

/**
 * Somebody who has the lock, or may still believe so.
 * `holds`: the spec agrees. `ousted`: an annotated holder contradicted by the spec, so a foreign client cleared or took the lock under it; it
 * has lost, and stops its command as soon as it learns of that. `foreign`: known by the spec alone.
 */
export interface Holder extends Entry {
  standing: 'holds' | 'ousted' | 'foreign';
  /** Undefined if it states none that can be read; a waiter then assumes its own. */
  durationMs: number | undefined;
  /** Changes whenever this holder writes: expiry is judged by how long this text has stood still. */
  fingerprint: string;
  /** The mark of its last write; empty for a foreign holder. */
  mark: string;
}

export interface Waiter extends Entry {
  priority: number;
}

export interface StopRequest {
  holder: string;
  by: string;
  kind: string;
  reason?: string;
  at?: string;
}

export interface LockState {
  lease: RawLease;
  uid: string | undefined;
  resourceVersion: string | undefined;
  /** By ticket; a foreign holder first. A list because shared locks and permits have several. */
  holders: Holder[];
  /** By priority, then ticket. */
  waiters: Waiter[];
  /** Keys of waiters that could not be read: the next writer drops them. */
  unreadable: Key[];
  /** The ticket of the next arrival, above every ticket in use. */
  next: number;
  stop: StopRequest | undefined;
  transitions: number;
  /** Set when the API server's own coordinated election runs on this Lease: why it is not ours. */
  coordinated: string | undefined;
  /** When a holder last wrote, in milliseconds since 1970 by the API server's clock; undefined if the Lease's fields are not tracked. */
  writtenAtServerMs: number | undefined;
  /** The same of the last write of a waiter. */
  queuedAtServerMs: number | undefined;
}

/** Holders and waiters write as two managers, so that managedFields tells when a *holder* last wrote. */
export const MANAGERS = { holder: 'k8s-lease-lock', waiter: 'k8s-lease-lock-waiter' };

const DOMAIN = 'lease-lock.nullplatform.com';
export const LOCK = `${DOMAIN}/lock`;
export const HOLDER = `holder.${DOMAIN}/`;
export const WAITER = `waiter.${DOMAIN}/`;
/** The version of the document that this code reads and writes. */
export const VERSION = 1;

/**
 * Every number in the document is smaller: tickets, their counter, priorities, durations in seconds. What is larger counts as absent, in parser, writer
 * and the policy in deploy/holders alike; far below what JSON keeps exactly, so that counting on never goes wrong.
 */
export const NUMBER_LIMIT = 1e12;

/** Characters of each field kept. With 100 participants of about 600 characters the annotations stay far below the API's 256 KiB. */
export const ABOUT_LIMITS: Record<keyof About, number> = { who: 128, reason: 200, url: 300, host: 64 };

export type Parsed = { kind: 'state'; state: LockState } | { kind: 'refused'; message: string };

export function parseLease(lease: RawLease): Parsed {
  const annotations = lease.metadata.annotations ?? {};
  const spec = lease.spec ?? {};
  const lock = readObject(annotations[LOCK]);
  if (typeof lock?.v === 'number' && lock.v > VERSION) {
    return {
      kind: 'refused',
      message:
        `${describeLease(lease.metadata)} is written in version ${lock.v} of the lock document and this program reads version ` +
        `${VERSION}: upgrade it (docs/protocol.md#versions)`,
    };
  }
  const waiters: Waiter[] = [];
  const unreadable: Key[] = [];
  const annotated: Holder[] = [];
  for (const [name, text] of Object.entries(annotations)) {
    if (name.startsWith(HOLDER)) {
      annotated.push(readHolder(name.slice(HOLDER.length), text));
    } else if (name.startsWith(WAITER)) {
      const waiter = readWaiter(name.slice(WAITER.length), text);
      if (waiter) waiters.push(waiter);
      else unreadable.push(name.slice(WAITER.length));
    }
  }
  annotated.sort((a, b) => a.ticket - b.ticket || compareText(a.nonce, b.nonce));
  const named = text(spec.holderIdentity);
  const agreed = named !== '' && annotated.some((holder) => holder.id === named);
  const holders = annotated.map((holder) =>
    agreed ? agreeing(holder, annotated, spec) : { ...holder, standing: 'ousted' as const },
  );
  const writtenAtServerMs = renewTimeWrittenAt(lease);
  if (named !== '' && !agreed) holders.unshift(foreignHolder(spec, named));
  else if (named === '' && isHeldWithoutName(spec, writtenAtServerMs)) holders.unshift(foreignHolder(spec, NAMELESS));
  const tickets = [...annotated, ...waiters].map((entry) => entry.ticket);
  return {
    kind: 'state',
    state: {
      lease,
      uid: lease.metadata.uid,
      resourceVersion: lease.metadata.resourceVersion,
      holders,
      waiters: waiters.sort(byTurn),
      unreadable,
      // One that leaves no room to count on is not believed: a key with a longer ticket could not be read.
      next: Math.max(1, ...[count(lock?.next), ...tickets.map((ticket) => ticket + 1)].filter((next) => next < NUMBER_LIMIT)),
      stop: readStop(lock?.stop),
      transitions: count(spec.leaseTransitions),
      coordinated: coordinated(spec),
      writtenAtServerMs,
      queuedAtServerMs: queueWrittenAt(lease),
    },
  };
}

/** For an exclusive holder the spec says its duration, too, and a policy limits that one: where they differ, the spec counts. */
function agreeing(holder: Holder, all: readonly Holder[], spec: RawSpec): Holder {
  const durationMs = seconds(spec.leaseDurationSeconds);
  return all.length > 1 || durationMs === undefined ? holder : { ...holder, durationMs };
}

/** The order in which waiters are served. */
export function byTurn(
  a: { priority: number; ticket: number; nonce: string },
  b: { priority: number; ticket: number; nonce: string },
): number {
  return b.priority - a.priority || a.ticket - b.ticket || compareText(a.nonce, b.nonce);
}

/** A holder whose entry can't be read still blocks: somebody may be running. */
function readHolder(key: Key, value: string): Holder {
  const fields = readObject(value);
  const id = text(fields?.id);
  return {
    ...readEntry(key, id, fields),
    standing: 'holds',
    durationMs: seconds(fields?.duration),
    fingerprint: value,
    mark: text(fields?.mark),
  };
}

function readWaiter(key: Key, value: string): Waiter | undefined {
  const fields = readObject(value);
  const id = text(fields?.id);
  if (id === '' || !KEY.test(key)) return undefined;
  return { ...readEntry(key, id, fields), priority: number(fields?.priority) ?? 0 };
}

const KEY = /^(\d{1,12})-(.+)$/;

function readEntry(key: Key, id: string, fields: Fields | undefined): Entry {
  const [, ticket = '0', nonce = key] = KEY.exec(key) ?? [];
  return { key, ticket: Number(ticket), nonce, id, since: shown(fields?.since, SINCE_LIMIT), about: readAbout(fields?.about) };
}

function foreignHolder(spec: RawSpec, id: string): Holder {
  const { acquireTime, renewTime, leaseDurationSeconds, leaseTransitions } = spec;
  return {
    key: `foreign:${id}`,
    ticket: 0,
    nonce: '',
    id,
    since: text(acquireTime),
    about: {},
    standing: 'foreign',
    durationMs: renewTime ? seconds(leaseDurationSeconds) : undefined,
    fingerprint: JSON.stringify([acquireTime, renewTime, leaseDurationSeconds, leaseTransitions]),
    mark: '',
  };
}

/** Stands for the id of a holder that has none. No id that a participant may choose has a space in it. */
const NAMELESS = 'an unnamed holder';
/** Between a client's wall clock and the API server's: what is dated further ahead is meant to be. */
const AHEAD_MS = 2000;

/**
 * K8SLock 0.2.5 without a `lockLeaserId` holds, and writes no holder: only the moment of expiry that it puts into `renewTime`, ahead of the write
 * by the API server's own clock. Whoever releases in order writes the present, and one second.
 */
function isHeldWithoutName({ renewTime, leaseDurationSeconds }: RawSpec, writtenAtServerMs: number | undefined): boolean {
  if (renewTime === undefined || writtenAtServerMs === undefined) return false;
  return (seconds(leaseDurationSeconds) ?? 0) > 1000 && Date.parse(renewTime) > writtenAtServerMs + AHEAD_MS;
}

function coordinated(spec: RawSpec): string | undefined {
  const field = (['strategy', 'preferredHolder'] as const).find((name) => text(spec[name]) !== '');
  return field && `spec.${field} is ${spec[field]}`;
}

function renewTimeWrittenAt(lease: RawLease): number | undefined {
  for (const { time, fieldsV1 } of lease.metadata.managedFields ?? []) {
    const spec = fieldsV1?.['f:spec'];
    if (typeof spec === 'object' && spec !== null && 'f:renewTime' in spec && time) {
      const ms = Date.parse(time);
      return Number.isNaN(ms) ? undefined : ms;
    }
  }
  return undefined;
}

/** The stamp of the last write of any waiter: its manager owns nothing else. */
export function queueWrittenAt(lease: RawLease): number | undefined {
  const times = (lease.metadata.managedFields ?? [])
    .filter(({ manager }) => manager === MANAGERS.waiter)
    .map(({ time }) => Date.parse(time ?? ''))
    .filter((ms) => !Number.isNaN(ms));
  return times.length > 0 ? Math.max(...times) : undefined;
}

function readStop(value: unknown): StopRequest | undefined {
  if (!isObject(value)) return undefined;
  const { holder, by, kind, reason, at } = value;
  if (typeof holder !== 'string' || holder === '') return undefined;
  return {
    holder,
    by: shown(by, ABOUT_LIMITS.who),
    kind: shown(kind, ABOUT_LIMITS.host),
    ...(reason ? { reason: shown(reason, ABOUT_LIMITS.reason) } : {}),
    ...(at ? { at: shown(at, SINCE_LIMIT) } : {}),
  };
}

function readAbout(value: unknown): About {
  if (!isObject(value)) return {};
  return Object.fromEntries(
    Object.entries(ABOUT_LIMITS).flatMap(([field, limit]) =>
      typeof value[field] === 'string' ? [[field, shown(value[field], limit)]] : [],
    ),
  );
}

/** Characters of a time that others have written. */
const SINCE_LIMIT = 40;

/** What others have written for people, cut and made harmless: they may not have used this program. */
const shown = (value: unknown, limit: number): string => visible(Array.from(text(value)).slice(0, limit).join(''));

type Fields = Record<string, unknown>;

export function readObject(value: string | undefined): Fields | undefined {
  if (value === undefined) return undefined;
  try {
    const parsed: unknown = JSON.parse(value);
    return isObject(parsed) ? parsed : undefined;
  } catch {
    return undefined; // Unreadable is an answer here: each caller says what it then means.
  }
}

const isObject = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value);
const text = (value: unknown): string => (typeof value === 'string' ? value : '');
const number = (value: unknown): number | undefined =>
  typeof value === 'number' && Math.abs(value) < NUMBER_LIMIT ? value : undefined;
const seconds = (value: unknown): number | undefined => ((number(value) ?? 0) > 0 ? (value as number) * 1000 : undefined);
const count = (value: unknown): number => {
  const given = number(value) ?? 0;
  return Number.isSafeInteger(given) && given >= 0 ? given : 0;
};
const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

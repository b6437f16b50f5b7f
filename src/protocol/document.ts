/**
 * What a Lease says about a lock: parsing, pure. How it is written: edit.ts. Whether anything *may* be done is not answered here, see rules.ts.
 * The document: docs/protocol.md.
 */
import { documentAt } from '../documents.ts';
import { describeLease } from '../names.ts';
import { visible } from '../visible.ts';
import { count, readDone, readHolder, readObject, readStop, readSuperseded, readWaiter, seconds, text } from './entries.ts';
import type { RawLease, RawSpec } from './lease.ts';
import {
  byTurn,
  compareText,
  type Entry,
  type Holder,
  type Key,
  type LockState,
  NUMBER_LIMIT,
  type Waiter,
} from './lock-state.ts';
import { annotationWrittenAt, queueWrittenAt, renewTimeWrittenAt } from './stamps.ts';

const DOMAIN = 'lease-lock.nullplatform.com';
export const LOCK = `${DOMAIN}/lock`;
export const HOLDER = `holder.${DOMAIN}/`;
/** Who last cleared a holder by force: for people. */
export const UNLOCKED = `${DOMAIN}/unlocked`;
export const WAITER = `waiter.${DOMAIN}/`;
/** The version of the document that this code reads and writes. */
export const VERSION = 1;

export type Parsed = { kind: 'state'; state: LockState } | { kind: 'refused'; message: string };

export function parseLease(lease: RawLease): Parsed {
  const annotations = lease.metadata.annotations ?? {};
  const spec = lease.spec ?? {};
  const lock = readObject(annotations[LOCK]);
  if (typeof lock?.v === 'number' && lock.v > VERSION) return tooNew(lease, lock.v);
  const unknown = strangeIn(lock?.must);
  if (unknown !== undefined) return notUnderstood(lease, unknown);
  const { annotated, waiters, unreadable } = entriesOf(annotations);
  const named = text(spec.holderIdentity);
  const agreed = named !== '' && annotated.some((holder) => holder.id === named);
  const writtenAtServerMs = renewTimeWrittenAt(lease);
  const holders = annotated.map((holder) => {
    // Of several each has a stamp of its own.
    const stamp = holder.weight === undefined ? writtenAtServerMs : annotationWrittenAt(lease, HOLDER + holder.key);
    const stamped = { ...holder, writtenAtServerMs: stamp };
    return agreed ? agreeing(stamped, annotated, spec) : { ...stamped, standing: 'ousted' as const };
  });
  if (named !== '' && !agreed) holders.unshift(foreignHolder(spec, named, writtenAtServerMs));
  else if (named === '' && isHeldWithoutName(spec, writtenAtServerMs))
    holders.unshift(foreignHolder(spec, NAMELESS, writtenAtServerMs));
  const tickets = [...annotated, ...waiters].map((entry) => entry.came);
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
      permits: count(lock?.permits) || leastOf([...annotated, ...waiters]),
      superseded: readSuperseded(lock?.superseded),
      done: readDone(lock?.done),
      transitions: count(spec.leaseTransitions),
      isWritten: annotations[LOCK] !== undefined,
      coordinated: coordinated(spec),
      writtenAtServerMs,
      queuedAtServerMs: queueWrittenAt(lease),
    },
  };
}

function tooNew({ metadata }: RawLease, version: number): Parsed {
  const message =
    `${describeLease(metadata)} is written in version ${version} of the lock document and this program reads version ` +
    `${VERSION}: upgrade it (${documentAt('protocol.md#versions')})`;
  return { kind: 'refused', message };
}

/**
 * Policies of the lock that whoever takes part has to understand. There are none yet: all that this version writes may be ignored by others, who then are
 * served as they always were.
 */
const strangeIn = (must: unknown): string | undefined =>
  Array.isArray(must) ? must.map((name) => visible(String(name)).slice(0, 64)).join(', ') || undefined : undefined;

function notUnderstood({ metadata }: RawLease, policies: string): Parsed {
  const message =
    `${describeLease(metadata)} has a policy that this program does not know (${policies}): upgrade it ` +
    `(${documentAt('protocol.md#versions')})`;
  return { kind: 'refused', message };
}

/** Until the first of them has the lock, and writes it there. */
function leastOf(entries: readonly Entry[]): number | undefined {
  const expected = entries.flatMap(({ permits }) => permits ?? []);
  return expected.length > 0 ? Math.min(...expected) : undefined;
}

/** Holders by ticket; waiters as they come. */
function entriesOf(annotations: Record<string, string>): { annotated: Holder[]; waiters: Waiter[]; unreadable: Key[] } {
  const annotated: Holder[] = [];
  const waiters: Waiter[] = [];
  const unreadable: Key[] = [];
  for (const [name, value] of Object.entries(annotations)) {
    if (name.startsWith(HOLDER)) {
      annotated.push(readHolder(name.slice(HOLDER.length), value));
    } else if (name.startsWith(WAITER)) {
      const waiter = readWaiter(name.slice(WAITER.length), value);
      if (waiter) waiters.push(waiter);
      else unreadable.push(name.slice(WAITER.length));
    }
  }
  annotated.sort((a, b) => a.ticket - b.ticket || compareText(a.nonce, b.nonce));
  return { annotated, waiters, unreadable };
}

/** For an exclusive holder the spec says its duration, too, and a policy limits that one: where they differ, the spec counts. */
function agreeing(holder: Holder, all: readonly Holder[], spec: RawSpec): Holder {
  const durationMs = seconds(spec.leaseDurationSeconds);
  return all.length > 1 || durationMs === undefined ? holder : { ...holder, durationMs };
}

function foreignHolder(spec: RawSpec, id: string, writtenAtServerMs: number | undefined): Holder {
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
    came: 0,
    group: undefined,
    weight: undefined,
    permits: undefined,
    declines: false,
    ended: false,
    granted: false,
    writtenAtServerMs,
  };
}

/** Stands for the id of a holder that has none. No id that a participant may choose has a space in it. */
const NAMELESS = 'an unnamed holder';
/** Between a client's wall clock and the API server's: what is dated further ahead is meant to be. */
export const AHEAD_MS = 2000;

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

/**
 * The documents that are written, each from the one that it replaces: claim, queue, renew, put back, leave. Pure. What belongs to others is
 * written back as it was read.
 */

import { edit, type HolderText, keyOf } from './edit.ts';
import { asNew, microTime, newLease, type RawLease, type RawSpec } from './lease.ts';
import type { Holder, Key, LockState, Waiter } from './lock-state.ts';
import { findMine, keysOfMine, type Me, type Moment } from './me.ts';
import { olderOfGroup, successorOf, withDone, withNewest } from './policies.ts';
import type { View } from './sightings.ts';
import { managerOf } from './stamps.ts';

/** What a write starts from: the lock as I know it, who I am, and when. */
export interface Draft {
  view: Pick<View, 'state' | 'exists'>;
  me: Me;
  moment: Moment;
}

/** Where I stand, and when I came, counted as tickets are. */
export interface Place {
  ticket: number;
  came: number;
}

/** Makes me the holder, beside those that stay, in place of all others, and removes those who were passed over. */
export function claim(
  { view, me, moment }: Draft,
  { ticket, came }: Place,
  { passedOver, beside }: { passedOver: readonly Waiter[]; beside: readonly Holder[] },
): RawLease {
  const { state } = view;
  const isBeside = ({ key }: Holder) => beside.some((holder) => holder.key === key);
  // One of an earlier incarnation is reckoned with, and has no place in this one.
  const staying = state.holders.filter(isBeside);
  const over = state.holders.filter((holder) => !isBeside(holder));
  const permits = state.permits ?? me.policies?.permits;
  const lease = edit(baseOf(view, me), {
    holders: {
      ...removed(annotated(over)),
      [keyOf(ticket, me.nonce)]: holderText(me, moment, { since: microTime(moment.wall), came: cameOf(ticket, came) }),
    },
    waiters: removed([...passedOver.map(({ key }) => key), ...state.unreadable, ...keysOfMine(state.waiters, me)]),
    lock: {
      next: Math.max(state.next, came + 1),
      ...(permits !== undefined && { permits }),
      // Nor is a request for me that somebody of my name left behind.
      ...((staying.length === 0 || state.stop?.holder === me.id) && { stop: undefined }),
      ...(me.policies?.group !== undefined && { superseded: withNewest(state, me.policies.group, came) }),
    },
    spec: {
      ...heldSpec(me, moment, state.lease.spec, staying),
      acquireTime: microTime(moment.wall),
      leaseTransitions: state.transitions + 1,
    },
  });
  return tracked(lease, me, moment);
}

/** Puts me into the queue, the spec untouched. */
export function enqueue({ view, me }: Omit<Draft, 'moment'>, { ticket, came }: Place, mark?: string): RawLease {
  const { state } = view;
  return edit(baseOf(view, me), {
    waiters: {
      ...removed([...state.unreadable, ...keysOfMine(state.waiters, me)]),
      ...removed(olderOfGroup(state, me, came).map(({ key }) => key)),
      [keyOf(ticket, me.nonce)]: { ...me, mark, policies: me.policies, came: cameOf(ticket, came) },
    },
    lock: { next: Math.max(state.next, came + 1) },
  });
}

/** The next write of a holder: only the mark and the time change. A Lease that was deleted is put back as it was known. */
export function renewal({ view: { state, exists }, me, moment }: Draft, key: Key): RawLease {
  const { since = state.lease.spec?.acquireTime, came = 0, granted } = findMine(state.holders, me) ?? {};
  // Whoever handed it the lock did not know its labels.
  const lease = edit(granted ? labelled(state.lease, me) : state.lease, {
    holders: { [key]: holderText(me, moment, { since, came: cameOf(Number.parseInt(key, 10), came) }) },
    // A claim may have come true late, over a Lease that was put back meanwhile.
    waiters: removed(keysOfMine(state.waiters, me)),
    spec: heldSpec(me, moment, state.lease.spec, othersOf(state, key)),
  });
  return exists ? tracked(lease, me, moment) : asNew(lease);
}

/** What remains of a holder: for how long the lock stays taken, and whether the work has succeeded. */
export interface Remains {
  keepMs: number;
  succeeded: boolean;
}

/**
 * The document without me, as holder or as waiter; undefined if nothing of mine is in it, or only what is to remain. If that leaves the lock free, it is
 * handed to the first in line.
 */
export function withoutMe(
  state: LockState,
  me: Me,
  { wall, mark }: Pick<Moment, 'wall' | 'mark'>,
  { keepMs, succeeded }: Remains = { keepMs: 0, succeeded: false },
): { lease: RawLease; asHolder: boolean } | undefined {
  const mine = findMine(state.holders, me);
  const waiting = keysOfMine(state.waiters, me);
  const asHolder = mine?.standing === 'holds';
  if ((!mine || mine.ended) && waiting.length === 0) return undefined;
  const kept = asHolder && keepMs > 0 ? { ...me, durationMs: Math.ceil(keepMs / 1000) * 1000 } : undefined;
  const { once } = me.policies ?? {};
  const others = mine ? othersOf(state, mine.key) : [];
  const asked = state.stop?.holder === mine?.key || state.stop?.holder === me.id;
  const successor = asHolder && !kept && others.length === 0 ? successorOf(state, me) : undefined;
  const lease = edit(state.lease, {
    holders: {
      ...(mine && { [mine.key]: kept && { ...mine, ...kept, came: cameOf(mine.ticket, mine.came), ended: true } }),
      ...(successor && { [successor.key]: grantText(successor, { wall, mark }) }),
    },
    waiters: removed([...waiting, ...state.unreadable, ...(successor ? [successor.key] : [])]),
    ...(asHolder && {
      lock: {
        ...((others.length === 0 || asked) && { stop: undefined }),
        ...(succeeded && once !== undefined && { done: withDone(state, once) }),
        ...(successor?.group !== undefined && { superseded: withNewest(state, successor.group, successor.came) }),
      },
      spec: kept ? heldSpec(kept, { wall }, state.lease.spec, others) : leftSpec(others, state.lease.spec, wall),
    }),
    ...(successor && { spec: grantedSpec(state, successor, { wall, legacyExpiry: me.legacyExpiry }) }),
  });
  return { lease, asHolder };
}

/** The entry of whom the lock is handed to, until it writes one itself. */
function grantText(successor: Waiter, { wall, mark }: Pick<Moment, 'wall' | 'mark'>): HolderText {
  const { id, durationMs = 0, ticket, came, group, about } = successor;
  return { id, mark, durationMs, since: microTime(wall), came: cameOf(ticket, came), granted: true, policies: { group }, about };
}

const grantedSpec = (
  state: LockState,
  { id, durationMs = 0 }: Waiter,
  { wall, legacyExpiry }: { wall: Date; legacyExpiry: boolean },
): RawSpec => ({
  ...heldSpec({ id, durationMs, legacyExpiry }, { wall }, undefined, []),
  acquireTime: microTime(wall),
  leaseTransitions: state.transitions + 1,
});

/** What is known of a Lease that has never existed. */
export function absentLease(me: Me): RawLease {
  return newLease(me.namespace, me.name);
}

/**
 * A Lease that was created empty, or restored by a tool, has no field tracking, and a PUT starts none, unless it brings a list: then the API server
 * replaces the time by its own, and others can tell from it when a holder last wrote.
 */
function tracked(lease: RawLease, me: Me, { wall }: Moment): RawLease {
  const { uid, managedFields = [] } = lease.metadata;
  if (uid === undefined || managedFields.length > 0) return lease;
  const entry = {
    manager: managerOf('holder', me),
    operation: 'Update',
    apiVersion: 'coordination.k8s.io/v1',
    time: `${wall.toISOString().slice(0, 19)}Z`,
    fieldsType: 'FieldsV1',
    fieldsV1: { 'f:spec': { 'f:renewTime': {} } },
  };
  return { ...lease, metadata: { ...lease.metadata, managedFields: [entry] } };
}

function baseOf({ exists, state }: Draft['view'], me: Me): RawLease {
  return labelled(exists ? state.lease : asNew(state.lease), me);
}

function labelled(lease: RawLease, { labels }: Me): RawLease {
  if (!labels) return lease;
  return { ...lease, metadata: { ...lease.metadata, labels: { ...lease.metadata.labels, ...labels } } };
}

function holderText(me: Me, { mark }: Moment, { since, came }: Pick<HolderText, 'since' | 'came'>): HolderText {
  const { id, durationMs, policies, about } = me;
  return { id, mark, durationMs, since, came, policies, about };
}

/** Said only where the ticket does not say it. */
const cameOf = (ticket: number, came: number): number | undefined => (came > ticket ? came : undefined);

/** Who has the lock beside this holder. */
const othersOf = ({ holders }: LockState, key: Key): Holder[] =>
  holders.filter((holder) => holder.standing === 'holds' && holder.key !== key);

/** Clients of other kinds see one holder, whose lease ends with the longest. */
function heldSpec(
  me: Pick<Me, 'id' | 'durationMs' | 'legacyExpiry'>,
  { wall }: Pick<Moment, 'wall'>,
  before: RawSpec | undefined,
  others: readonly Holder[],
): RawSpec {
  const durationMs = Math.max(me.durationMs, longestOf(others));
  const holderIdentity = namedOf(others, before) ?? me.id;
  const written = wall.getTime() + (me.legacyExpiry ? durationMs : 0);
  // client-go compares whole seconds: a renewal within the same second, or by a clock set back, would look like none.
  const last = before?.holderIdentity === holderIdentity && before.renewTime ? Date.parse(before.renewTime) : Number.NaN;
  const renewTime = Number.isNaN(last) ? written : Math.max(written, last + 1000);
  return { holderIdentity, leaseDurationSeconds: durationMs / 1000, renewTime: microTime(new Date(renewTime)) };
}

/** What remains when a holder goes: the others; or what client-go writes on release, and 0.2.5 of K8SLock takes, too, since the time is past. */
export function leftSpec(others: readonly Holder[], before: RawSpec | undefined, wall: Date): RawSpec {
  const [first] = others;
  if (!first) return { holderIdentity: '', leaseDurationSeconds: 1, renewTime: microTime(wall) };
  return { holderIdentity: namedOf(others, before) ?? first.id, leaseDurationSeconds: longestOf(others) / 1000 };
}

const longestOf = (holders: readonly Holder[]): number => Math.max(...holders.map(({ durationMs = 1000 }) => durationMs));

const namedOf = (holders: readonly Holder[], before: RawSpec | undefined): string | undefined =>
  holders.find(({ id }) => id === before?.holderIdentity)?.id;

function annotated(holders: readonly Holder[]): Key[] {
  return holders.filter(({ standing }) => standing !== 'foreign').map(({ key }) => key);
}

function removed(keys: readonly Key[]): Record<Key, undefined> {
  return Object.fromEntries(keys.map((key) => [key, undefined]));
}

/**
 * The documents that are written, each from the one that it replaces: claim, queue, renew, put back, leave. Pure. What belongs to others is
 * written back as it was read.
 */

import { edit, type HolderText, keyOf } from './edit.ts';
import { asNew, microTime, newLease, type RawLease, type RawSpec } from './lease.ts';
import type { Holder, Key, LockState, Waiter } from './lock-state.ts';
import { findMine, keysOfMine, type Me, type Moment } from './me.ts';
import { olderOfGroup, withDone, withNewest } from './policies.ts';
import type { View } from './sightings.ts';
import { MANAGERS } from './stamps.ts';

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

/** Makes me the holder, in place of whoever held it, and removes those who were passed over. */
export function claim({ view, me, moment }: Draft, { ticket, came }: Place, passedOver: readonly Waiter[]): RawLease {
  const { state } = view;
  const lease = edit(baseOf(view, me), {
    holders: {
      ...removed(annotated(state.holders)),
      [keyOf(ticket, me.nonce)]: holderText(me, moment, { since: microTime(moment.wall), came: cameOf(ticket, came) }),
    },
    waiters: removed([...passedOver.map(({ key }) => key), ...state.unreadable, ...keysOfMine(state.waiters, me)]),
    lock: {
      next: Math.max(state.next, came + 1),
      stop: undefined,
      ...(me.policies?.group !== undefined && { superseded: withNewest(state, me.policies.group, came) }),
    },
    spec: {
      ...heldSpec(me, moment, state.lease.spec),
      acquireTime: microTime(moment.wall),
      leaseTransitions: state.transitions + 1,
    },
  });
  return tracked(lease, moment);
}

/** Puts me into the queue, the spec untouched. */
export function enqueue({ view, me }: Omit<Draft, 'moment'>, { ticket, came }: Place): RawLease {
  const { state } = view;
  return edit(baseOf(view, me), {
    waiters: {
      ...removed([...state.unreadable, ...keysOfMine(state.waiters, me)]),
      ...removed(olderOfGroup(state, me, came).map(({ key }) => key)),
      [keyOf(ticket, me.nonce)]: { ...me, policies: me.policies, came: cameOf(ticket, came) },
    },
    lock: { next: Math.max(state.next, came + 1) },
  });
}

/** The next write of a holder: only the mark and the time change. A Lease that was deleted is put back as it was known. */
export function renewal({ view: { state, exists }, me, moment }: Draft, key: Key): RawLease {
  const { since = state.lease.spec?.acquireTime, came = 0 } = findMine(state.holders, me) ?? {};
  const lease = edit(state.lease, {
    holders: { [key]: holderText(me, moment, { since, came: cameOf(Number.parseInt(key, 10), came) }) },
    // A claim may have come true late, over a Lease that was put back meanwhile.
    waiters: removed(keysOfMine(state.waiters, me)),
    spec: heldSpec(me, moment, state.lease.spec),
  });
  return exists ? tracked(lease, moment) : asNew(lease);
}

/** What remains of a holder: for how long the lock stays taken, and whether the work has succeeded. */
export interface Remains {
  keepMs: number;
  succeeded: boolean;
}

/** The document without me, as holder or as waiter; undefined if nothing of mine is in it, or only what is to remain. */
export function withoutMe(
  state: LockState,
  me: Me,
  wall: Date,
  { keepMs, succeeded }: Remains = { keepMs: 0, succeeded: false },
): { lease: RawLease; asHolder: boolean } | undefined {
  const mine = findMine(state.holders, me);
  const waiting = keysOfMine(state.waiters, me);
  const asHolder = mine?.standing === 'holds';
  if ((!mine || mine.ended) && waiting.length === 0) return undefined;
  const kept = asHolder && keepMs > 0 ? { ...me, durationMs: Math.ceil(keepMs / 1000) * 1000 } : undefined;
  const { once } = me.policies ?? {};
  const lease = edit(state.lease, {
    holders: mine ? { [mine.key]: kept && { ...mine, ...kept, came: cameOf(mine.ticket, mine.came), ended: true } } : {},
    waiters: removed([...waiting, ...state.unreadable]),
    ...(asHolder && {
      lock: { stop: undefined, ...(succeeded && once !== undefined && { done: withDone(state, once) }) },
      // What client-go writes on release; 0.2.5 of K8SLock takes it, too, since the time is past.
      spec: kept
        ? heldSpec(kept, { wall }, state.lease.spec)
        : { holderIdentity: '', leaseDurationSeconds: 1, renewTime: microTime(wall) },
    }),
  });
  return { lease, asHolder };
}

/** What is known of a Lease that has never existed. */
export function absentLease(me: Me): RawLease {
  return newLease(me.namespace, me.name);
}

/**
 * A Lease that was created empty, or restored by a tool, has no field tracking, and a PUT starts none, unless it brings a list: then the API server
 * replaces the time by its own, and others can tell from it when a holder last wrote.
 */
function tracked(lease: RawLease, { wall }: Moment): RawLease {
  const { uid, managedFields = [] } = lease.metadata;
  if (uid === undefined || managedFields.length > 0) return lease;
  const entry = {
    manager: MANAGERS.holder,
    operation: 'Update',
    apiVersion: 'coordination.k8s.io/v1',
    time: `${wall.toISOString().slice(0, 19)}Z`,
    fieldsType: 'FieldsV1',
    fieldsV1: { 'f:spec': { 'f:renewTime': {} } },
  };
  return { ...lease, metadata: { ...lease.metadata, managedFields: [entry] } };
}

function baseOf({ exists, state }: Draft['view'], me: Me): RawLease {
  const lease = exists ? state.lease : asNew(state.lease);
  if (!me.labels) return lease;
  return { ...lease, metadata: { ...lease.metadata, labels: { ...lease.metadata.labels, ...me.labels } } };
}

function holderText(me: Me, { mark }: Moment, { since, came }: Pick<HolderText, 'since' | 'came'>): HolderText {
  const { id, durationMs, policies, about } = me;
  return { id, mark, durationMs, since, came, policies, about };
}

/** Said only where the ticket does not say it. */
const cameOf = (ticket: number, came: number): number | undefined => (came > ticket ? came : undefined);

function heldSpec(me: Me, { wall }: Pick<Moment, 'wall'>, before: RawSpec | undefined): RawSpec {
  const written = wall.getTime() + (me.legacyExpiry ? me.durationMs : 0);
  // client-go compares whole seconds: a renewal within the same second, or by a clock set back, would look like none.
  const last = before?.holderIdentity === me.id && before.renewTime ? Date.parse(before.renewTime) : Number.NaN;
  const renewTime = Number.isNaN(last) ? written : Math.max(written, last + 1000);
  return { holderIdentity: me.id, leaseDurationSeconds: me.durationMs / 1000, renewTime: microTime(new Date(renewTime)) };
}

function annotated(holders: readonly Holder[]): Key[] {
  return holders.filter(({ standing }) => standing !== 'foreign').map(({ key }) => key);
}

function removed(keys: readonly Key[]): Record<Key, undefined> {
  return Object.fromEntries(keys.map((key) => [key, undefined]));
}

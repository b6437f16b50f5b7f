/** Leases and views of them for the tables of the rules, in a few words each. Times are in seconds, on one's own clock. */
import assert from 'node:assert/strict';
import type { Steady } from '../../src/clock.ts';
import { parseLease } from '../../src/protocol/document.ts';
import type { RawLease } from '../../src/protocol/lease.ts';
import type { LockState } from '../../src/protocol/lock-state.ts';
import type { Me } from '../../src/protocol/me.ts';
import type { Decision } from '../../src/protocol/rules.ts';
import { observe, stamped, type View } from '../../src/protocol/sightings.ts';

export const SECOND = 1000;
export const at = (seconds: number) => (seconds * SECOND) as Steady;
export const me: Me = {
  namespace: 'team',
  name: 'deploy',
  id: 'me',
  nonce: 'mine',
  priority: 0,
  durationMs: 60_000,
  about: {},
  since: '',
  legacyExpiry: false,
};
export const EPOCH = Date.parse('2026-01-01T00:00:00Z');
export const stampOf = (seconds: number) => new Date(EPOCH + seconds * SECOND).toISOString();

export interface Shape {
  holder?: string;
  /** Others that have an entry beside that one. */
  beside?: readonly string[];
  foreign?: string;
  waiters?: readonly [ticket: number, id: string, priority?: number][];
  transitions?: number;
  uid?: string;
  version?: string;
  /** When a holder last wrote, and a waiter, by the API server's clock. */
  writtenAt?: number;
  queuedAt?: number;
  strategy?: string;
  /** Bytes of an annotation that is none of ours. */
  ballast?: number;
  mark?: string;
  /** More fields of the entries of these, and of the lock's. */
  more?: Record<string, object>;
  lock?: object;
}

const nonceOf = (id: string) => (id === 'me' ? 'mine' : `${id}nonce`);

/** The annotations of those who hold it and of those who wait. */
function entriesOf({ holder, beside = [], waiters = [], mark = 'm', more = {} }: Shape): Record<string, string> {
  const holders = Object.fromEntries(
    [...(holder ? [holder] : []), ...beside].map((id, i) => [
      `holder.lease-lock.nullplatform.com/00000${i + 1}-${nonceOf(id)}`,
      JSON.stringify({ id, mark, duration: 60, ...more[id] }),
    ]),
  );
  const queue = Object.fromEntries(
    waiters.map(([ticket, id, priority]) => [
      `waiter.lease-lock.nullplatform.com/${String(ticket).padStart(6, '0')}-${nonceOf(id)}`,
      JSON.stringify({ id, ...(priority && { priority }), ...more[id] }),
    ]),
  );
  return { ...holders, ...queue };
}

export function leaseOf(shape: Shape): RawLease {
  const {
    holder,
    foreign,
    transitions = 1,
    uid = 'u',
    version = '7',
    writtenAt,
    queuedAt,
    strategy,
    ballast = 0,
    lock = {},
  } = shape;
  const managedFields = [
    ...(writtenAt === undefined
      ? []
      : [{ manager: 'k8s-lease-lock', time: stampOf(writtenAt), fieldsV1: { 'f:spec': { 'f:renewTime': {} } } }]),
    ...(queuedAt === undefined ? [] : [{ manager: 'k8s-lease-lock-waiter', time: stampOf(queuedAt), fieldsV1: {} }]),
  ];
  return {
    metadata: {
      name: 'deploy',
      namespace: 'team',
      uid,
      resourceVersion: version,
      annotations: {
        'lease-lock.nullplatform.com/lock': JSON.stringify({ v: 1, next: 9, ...lock }),
        ...entriesOf(shape),
        ...(ballast > 0 && { 'example.com/large': 'x'.repeat(ballast) }),
      },
      managedFields,
    },
    spec: {
      holderIdentity: foreign ?? holder ?? '',
      leaseDurationSeconds: holder || foreign ? 60 : 1,
      renewTime: '2026-01-01T00:00:00.000000Z',
      leaseTransitions: transitions,
      ...(strategy && { strategy }),
    },
  };
}

export function stateOf(shape: Shape): LockState {
  const parsed = parseLease(leaseOf(shape));
  assert.ok(parsed.kind === 'state');
  return parsed.state;
}

export type Reading = readonly [seconds: number, shape: Shape | undefined];

/** What has been seen, oldest first: [when, what]; `undefined` is a Lease that does not exist. */
export function seen(...readings: readonly Reading[]): View {
  const view = seenAfter(undefined, ...readings);
  assert.ok(view);
  return view;
}

/** And what has been seen since. */
export const seenAfter = <V extends View | undefined>(before: V, ...readings: readonly Reading[]): View | V =>
  readings.reduce<View | V>(
    (view, [seconds, shape]) =>
      observe(view, { state: stateOf(shape ?? {}), exists: shape !== undefined, receivedAt: at(seconds) }),
    before,
  );

export const stampedAt = (view: View, seconds: number, serverSeconds: number) =>
  stamped(view, { serverMs: EPOCH + serverSeconds * SECOND, receivedAt: at(seconds) });

export const alice: Shape = { holder: 'alice' };
export function toldOf(decision: Decision): string {
  if (decision.kind === 'skipped') {
    const { why } = decision;
    return `skipped: ${why.kind === 'done' ? `done ${why.key}` : `superseded by ${why.by}`}`;
  }
  const place =
    'heldBy' in decision
      ? ` at ${decision.position} behind ${decision.heldBy.map(({ id }) => id).join(' and ') || 'nobody'}`
      : '';
  const known = decision.kind === 'enqueue' && decision.place.ticket !== 9 ? ` ${decision.place.ticket}` : '';
  const until = decision.kind === 'wait' ? ` until ${decision.until / SECOND}` : '';
  return `${decision.kind}${known}${until}${place}`;
}

export const KEY = '000001-mine';

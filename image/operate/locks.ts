/** The locks that a command is about, read from the cluster: those that are named, or all that a selector matches. */
import type { LeaseReader, Seen } from '../../src/api/lease-list.ts';
import type { Clock } from '../../src/clock.ts';
import { describeLease } from '../../src/names.ts';
import { parseLease } from '../../src/protocol/document.ts';
import type { RawLease } from '../../src/protocol/lease.ts';
import { type LockReport, reportOf } from '../../src/protocol/report.ts';

export interface Wanted {
  /** None: all that the selector matches. */
  names: readonly string[];
  /** Undefined: all namespaces. */
  namespace: string | undefined;
  selector: string;
}

export type Lock = { namespace: string; name: string } & (
  | { kind: 'report'; report: LockReport }
  /** There is no such Lease. */
  | { kind: 'absent' }
  /** There is one, of a later version. */
  | { kind: 'unreadable'; message: string }
);

/** `nowMs`: the moment that their reports refer to, in milliseconds since 1970. */
export type Locks =
  | { kind: 'locks'; locks: Lock[]; clock: 'server' | 'own'; nowMs: number }
  | Exclude<Seen, { kind: 'leases' | 'absent' }>;

export async function readLocks(reader: LeaseReader, { names, namespace, selector }: Wanted, clock: Clock): Promise<Locks> {
  const locks: Lock[] = [];
  let serverClock = true;
  let lastMs = clock.wall().getTime();
  const take = (leases: readonly RawLease[], nowMs: number | undefined) => {
    serverClock &&= nowMs !== undefined;
    lastMs = nowMs ?? clock.wall().getTime();
    locks.push(...leases.map((lease) => lockOf(lease, lastMs)));
  };
  const done = (): Locks => ({ kind: 'locks', locks, clock: serverClock ? 'server' : 'own', nowMs: lastMs });
  if (names.length === 0) {
    const seen = await reader.list(namespace, selector);
    if (seen.kind === 'absent') return done();
    if (seen.kind !== 'leases') return seen;
    take(seen.leases, seen.nowMs);
    return done();
  }
  for (const name of names) {
    const seen = await reader.read(namespace ?? '', name);
    if (seen.kind === 'absent') locks.push({ kind: 'absent', namespace: namespace ?? '', name });
    else if (seen.kind === 'leases') take(seen.leases, seen.nowMs);
    else return seen;
  }
  return done();
}

function lockOf(lease: RawLease, nowMs: number): Lock {
  const { namespace, name } = lease.metadata;
  const parsed = parseLease(lease);
  if (parsed.kind === 'refused') return { kind: 'unreadable', namespace, name, message: parsed.message };
  return { kind: 'report', namespace, name, report: reportOf(parsed.state, nowMs) };
}

export const describeAbsent = (lock: { namespace: string; name: string }): string =>
  `${describeLease(lock)} does not exist: nobody has used this lock yet, or its Lease was deleted`;

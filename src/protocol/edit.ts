/**
 * How a document is written: the same Lease with some entries changed. `edit` changes only what it is told to: labels, annotations and fields of
 * others are written back as they came. Pure.
 */
import { HOLDER, LOCK, VERSION, WAITER } from './document.ts';
import { readObject } from './entries.ts';
import type { RawLease, RawSpec } from './lease.ts';
import { ABOUT_LIMITS, type About, type Key, type StopRequest } from './lock-state.ts';
import type { Policies } from './me.ts';

/** Bytes of all annotations beyond which nobody more is let in: the API refuses at 262,144 and leaving must still be possible. */
export const ANNOTATIONS_LIMIT = 200_000;

export interface Edit {
  holders?: Record<Key, HolderText | undefined>;
  waiters?: Record<Key, WaiterText | undefined>;
  /** Changes to the `lock` annotation; undefined removes a field. */
  lock?: {
    next?: number;
    permits?: number | undefined;
    stop?: StopRequest | undefined;
    superseded?: ReadonlyMap<string, number> | undefined;
    done?: string[];
  };
  spec?: RawSpec;
}

export interface HolderText {
  id: string;
  mark: string;
  durationMs: number;
  since: string | undefined;
  ended?: boolean;
  granted?: boolean;
  /** Undefined: when its ticket says. */
  came?: number | undefined;
  policies?: Policies | undefined;
  about: About;
}

export interface WaiterText {
  id: string;
  /** Given where it only shows that it is alive. */
  mark?: string | undefined;
  durationMs: number;
  since: string;
  priority: number;
  came?: number | undefined;
  policies?: Policies | undefined;
  about: About;
}

/** The same Lease with these entries written (or, where undefined, removed) and everything else untouched. */
export function edit(lease: RawLease, change: Edit): RawLease {
  const annotations = { ...lease.metadata.annotations };
  const put = (name: string, value: string | undefined) => {
    if (value === undefined) delete annotations[name];
    else annotations[name] = value;
  };
  for (const [key, holder] of Object.entries(change.holders ?? {})) put(HOLDER + key, holder && printHolder(holder));
  for (const [key, waiter] of Object.entries(change.waiters ?? {})) put(WAITER + key, waiter && printWaiter(waiter));
  const { superseded, ...fields } = change.lock ?? {};
  const lock = { ...fields, ...(superseded && { superseded: Object.fromEntries(superseded) }) };
  put(LOCK, JSON.stringify({ ...readObject(annotations[LOCK]), v: VERSION, ...lock }));
  return { ...lease, metadata: { ...lease.metadata, annotations }, spec: { ...lease.spec, ...change.spec } };
}

/** Six digits, so that keys sort as text in `kubectl describe`; the code compares numbers. */
export function keyOf(ticket: number, nonce: string): Key {
  return `${String(ticket).padStart(6, '0')}-${nonce}`;
}

export function annotationsSize(lease: RawLease): number {
  return Object.entries(lease.metadata.annotations ?? {}).reduce(
    (sum, [k, v]) => sum + Buffer.byteLength(k) + Buffer.byteLength(v),
    0,
  );
}

function printHolder({
  id,
  mark,
  durationMs,
  since,
  ended,
  granted,
  came,
  policies: { group, declines, weight, permits } = {},
  about,
}: HolderText): string {
  const policies = { weight, permits, came, group, ...(declines && { declines }) };
  const stage = { ...(ended && { ended }), ...(granted && { granted }) };
  return JSON.stringify({ id, mark, duration: durationMs / 1000, since, ...policies, ...stage, about: cut(about) });
}

function printWaiter({
  id,
  mark,
  durationMs,
  since,
  priority,
  came,
  policies: { group, replaces, weight, permits, direct } = {},
  about,
}: WaiterText): string {
  const policies = { weight, permits, came, group, ...(replaces && { replaces }), ...(direct && { direct }) };
  const duration = durationMs / 1000;
  return JSON.stringify({ id, mark, duration, since, ...(priority !== 0 && { priority }), ...policies, about: cut(about) });
}

function cut(about: About): About {
  const fields = Object.keys(ABOUT_LIMITS) as (keyof About)[];
  return Object.fromEntries(
    fields.flatMap((field) => (about[field] ? [[field, Array.from(about[field]).slice(0, ABOUT_LIMITS[field]).join('')]] : [])),
  );
}

/**
 * What single annotations of a Lease say. Others may have written them: what cannot be read counts as absent, or stands for somebody of whom
 * nothing is known, and what is for people is cut and made harmless.
 */
import { visible } from '../visible.ts';
import {
  ABOUT_LIMITS,
  type About,
  type Entry,
  type Holder,
  type Key,
  NUMBER_LIMIT,
  type StopRequest,
  type Waiter,
} from './lock-state.ts';
import { KEYS_MOST } from './policies.ts';

/** A holder whose entry can't be read still blocks: somebody may be running. */
export function readHolder(key: Key, value: string): Holder {
  const fields = readObject(value);
  const id = text(fields?.id);
  return {
    ...readEntry(key, id, fields),
    standing: 'holds',
    durationMs: seconds(fields?.duration),
    fingerprint: value,
    mark: text(fields?.mark),
    declines: fields?.declines === true,
    ended: fields?.ended === true,
    granted: fields?.granted === true,
    writtenAtServerMs: undefined,
  };
}

export function readWaiter(key: Key, value: string): Waiter | undefined {
  const fields = readObject(value);
  const id = text(fields?.id);
  if (id === '' || !KEY.test(key)) return undefined;
  return {
    ...readEntry(key, id, fields),
    priority: number(fields?.priority) ?? 0,
    durationMs: seconds(fields?.duration),
    fingerprint: value,
    replaces: fields?.replaces === true,
    direct: fields?.direct === true,
    stop: stopOf(key, fields?.stop),
  };
}

/** In the entry of the waiter itself, so that it goes with it. */
const stopOf = (key: Key, value: unknown): StopRequest | undefined =>
  isObject(value) ? readStop({ ...value, holder: key }) : undefined;

const KEY = /^(\d{1,12})-(.+)$/;

function readEntry(key: Key, id: string, fields: Fields | undefined): Entry {
  const [, ticket = '0', nonce = key] = KEY.exec(key) ?? [];
  return {
    key,
    ticket: Number(ticket),
    nonce,
    id,
    since: shown(fields?.since, SINCE_LIMIT),
    about: readAbout(fields?.about),
    came: Math.max(Number(ticket), count(fields?.came)),
    group: text(fields?.group) || undefined,
    weight: count(fields?.weight) || undefined,
    permits: count(fields?.permits) || undefined,
  };
}

export function readStop(value: unknown): StopRequest | undefined {
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

/** Of each group the newest that has had the lock. */
export function readSuperseded(value: unknown): ReadonlyMap<string, number> {
  return new Map(Object.entries(isObject(value) ? value : {}).map(([group, came]) => [group, count(came)]));
}

/** Keys for which the work has succeeded. */
export const readDone = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((key): key is string => typeof key === 'string').slice(-KEYS_MOST) : [];

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
export const text = (value: unknown): string => (typeof value === 'string' ? value : '');
const number = (value: unknown): number | undefined =>
  typeof value === 'number' && Math.abs(value) < NUMBER_LIMIT ? value : undefined;
export const seconds = (value: unknown): number | undefined => ((number(value) ?? 0) > 0 ? (value as number) * 1000 : undefined);
export const count = (value: unknown): number => {
  const given = number(value) ?? 0;
  return Number.isSafeInteger(given) && given >= 0 ? given : 0;
};

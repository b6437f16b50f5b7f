/**
 * What participants of one lock do for each other beside waiting in line: a newer arrival of a group makes the older ones of it give up, and may ask whoever
 * holds the lock to stop. Pure. Each says what it wants in an entry of its own, and whom it concerns acts by itself: nobody writes for another.
 * For people: docs/policies.md.
 */
import { later, type Steady } from '../clock.ts';
import { type Holder, type LockState, PRIORITY_LIMIT, type StopRequest, type Waiter } from './lock-state.ts';
import { isMe, type Me, type Policies } from './me.ts';

/** The group of those who name none. */
export const DEFAULT_GROUP = 'default';

/** The policy in deploy/holders lets nobody take a lock for longer. */
export const MIN_HOLD_LIMIT_MS = 86_400_000;

/** Each step of an age is a write: not more often. */
const AGE_STEP_LEAST_MS = 1000;

/** `labelOf`: what an entry calls that option. */
export function problemOfAgeStep(ms: number, label: string): string | undefined {
  return ms > 0 && ms < AGE_STEP_LEAST_MS ? `${label} is too short: it must be at least 1s, or 0 for none` : undefined;
}

/** How somebody wants to share the lock, as every entry lets one say it. */
export interface ShareWish {
  shared: boolean;
  permits: number | undefined;
  weight: number | undefined;
}

/** `shared` alone is a reader, `permits` a semaphore; each of the three means that the lock is shared. */
export function shareOf({ shared, permits, weight }: ShareWish): Pick<Policies, 'weight' | 'permits'> {
  const shares = shared || permits !== undefined || weight !== undefined;
  return { weight: shares ? (weight ?? 1) : undefined, permits };
}

/** A sentence in the words of an entry: `labelOf('on-busy')` is what it calls that option. */
export function problemOfShare(
  { shared, permits, weight }: ShareWish,
  replaces: boolean,
  labelOf: (option: 'shared' | 'permits' | 'weight' | 'on-busy') => string,
): string | undefined {
  const given = shared ? 'shared' : permits !== undefined ? 'permits' : weight !== undefined ? 'weight' : undefined;
  if (given !== undefined && replaces)
    return `${labelOf('on-busy')} replace needs the lock alone: it cannot be combined with ${labelOf(given)}`;
  if (permits !== undefined && weight !== undefined && weight > permits)
    return `${labelOf('weight')} ${weight} never fits into ${labelOf('permits')} ${permits}: use at most ${permits}`;
  return undefined;
}

/** Why I need not wait any longer. */
export type Skip =
  /** A newer one of my group has come; `by` is empty where it has gone since. */
  | { kind: 'superseded'; by: string; group: string }
  /** The work has succeeded for this key. */
  | { kind: 'done'; key: string };

/** Of how many groups the lock remembers who came last. */
const GROUPS_MOST = 20;

/** Waiters of my group that came before me: they give up, and I stand where the first of them stood. */
export function olderOfGroup({ waiters }: LockState, me: Me, came: number): Waiter[] {
  const group = me.policies?.group;
  if (group === undefined) return [];
  return waiters.filter((waiter) => waiter.group === group && !isMe(waiter, me) && waiter.came < came);
}

/** `came` undefined: I am about to come, and nobody is newer. */
export function skipFor(
  { waiters, holders, superseded, done }: LockState,
  me: Me,
  came = Number.POSITIVE_INFINITY,
): Skip | undefined {
  const { group, once } = me.policies ?? {};
  if (once !== undefined && done.includes(once)) return { kind: 'done', key: once };
  if (group === undefined) return undefined;
  const newer = [...waiters, ...holders].find((entry) => entry.group === group && entry.came > came && !isMe(entry, me));
  if (!newer && (superseded.get(group) ?? 0) <= came) return undefined;
  return { kind: 'superseded', by: newer?.id ?? '', group };
}

/** What somebody stands for in the queue after so long a wait. */
export function agedPriority({ priority, policies }: Me, waitedMs: number): number {
  const stepMs = policies?.ageStepMs ?? 0;
  return stepMs > 0 ? Math.min(PRIORITY_LIMIT, priority + Math.floor(waitedMs / stepMs)) : priority;
}

/**
 * When a waiter has to write down that its priority has grown: everybody goes by what is written, and nobody reckons another's age. Never, while that would
 * change no place: unless somebody stands before it for a higher one.
 */
export function agesAt(
  { priority }: Waiter,
  { ahead, me, waitedMs, now }: { ahead: readonly Waiter[]; me: Me; waitedMs: number; now: Steady },
): Steady | undefined {
  const stepMs = me.policies?.ageStepMs ?? 0;
  const overtaken = ahead.some((other) => other.priority > priority);
  if (stepMs === 0 || priority >= PRIORITY_LIMIT || !overtaken) return undefined;
  return later(now, Math.max(0, (priority + 1 - me.priority) * stepMs - waitedMs));
}

/** The first in line, if whoever releases the lock may hand it over, and if nothing sends it away. */
export function successorOf({ waiters, superseded, coordinated }: LockState, me: Me): Waiter | undefined {
  const [first] = waiters.filter((waiter) => !isMe(waiter, me));
  if (!first?.direct || first.weight !== undefined || first.durationMs === undefined || first.stop || coordinated)
    return undefined;
  const { group, came } = first;
  if (group === undefined) return first;
  const isNewest = waiters.every((other) => other.group !== group || other.came <= came);
  return isNewest && (superseded.get(group) ?? 0) <= came ? first : undefined;
}

/** Who came last of each group that has had the lock: older ones that slept meanwhile must learn of it. */
export function withNewest({ superseded }: LockState, group: string, came: number): ReadonlyMap<string, number> {
  const newest = new Map(superseded).set(group, Math.max(came, superseded.get(group) ?? 0));
  return new Map([...newest].toSorted(([, a], [, b]) => b - a).slice(0, GROUPS_MOST));
}

/** For how many keys the lock remembers that the work has succeeded. */
export const KEYS_MOST = 20;

export const withDone = ({ done }: LockState, key: string): string[] =>
  [...done.filter((known) => known !== key), key].slice(-KEYS_MOST);

/** The request of whoever came after this holder and wants to replace it; of several, of the first in line. */
export function replacementOf({ waiters }: LockState, { came, key }: Holder, me: Me): StopRequest | undefined {
  if (me.policies?.declines) return undefined;
  const waiter = waiters.find((waiter) => waiter.replaces && waiter.came > came && !isMe(waiter, me));
  if (!waiter) return undefined;
  const { reason } = waiter.about;
  return { holder: key, by: waiter.id, kind: 'replace', ...(reason !== undefined && { reason }) };
}

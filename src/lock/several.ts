/**
 * Several locks for one piece of work: all of them, or none. Each is acquired as it would be alone, one after the other, in an order that is the same for
 * everybody (by namespace, then name), so that no two wait for each other. What is held meanwhile is renewed: if it is lost, all are given back and the
 * wait begins again, within the same time; if its holder is asked to stop, all are given back, and that is the end of it.
 */
import { later, type Monotonic, NEVER } from '../clock.ts';
import type { Deadlines } from '../protocol/deadlines.ts';
import { compareText } from '../protocol/lock-state.ts';
import { acquire } from './acquire.ts';
import type { LockEvent } from './events.ts';
import {
  type AcquireRequest,
  type HeldLock,
  type NotAcquired,
  type Participant,
  type Released,
  stopRequestOf,
} from './participant.ts';

export interface AcquireAllRequest extends Pick<AcquireRequest, 'timeoutMs' | 'signal' | 'killable'> {
  /** `of`: whose lock it happens to. */
  onEvent?: ((event: LockEvent, of: Participant) => void) | undefined;
}

/** One of the locks that are held together. */
export interface OneHeld {
  participant: Participant;
  lock: HeldLock;
}

/** What holding one lock is, of several: lost, or asked for, as soon as any of them is; its deadlines are the earliest. */
export interface HeldLocks extends Omit<HeldLock, 'holder' | 'token' | 'transitions'> {
  /** In the order in which they were acquired; each has a token of its own. */
  readonly locks: readonly OneHeld[];
}

export type AcquisitionOfAll = { kind: 'held'; lock: HeldLocks } | (NotAcquired & { of: Participant });

/** Which of the locks is named twice, and would be waited for by those that hold it. */
export function namedTwice(participants: readonly Participant[]): Participant | undefined {
  return participants.find((one, i) => participants.findIndex((other) => isSameLock(one, other)) < i);
}

const isSameLock = ({ me: a }: Participant, { me: b }: Participant): boolean => a.namespace === b.namespace && a.name === b.name;

/** No lock may be named twice. Those that wait for one are shown the others that go with it. */
export async function acquireAll(
  participants: readonly [Participant, ...Participant[]],
  { timeoutMs, signal, killable = false, onEvent = () => {} }: AcquireAllRequest,
): Promise<AcquisitionOfAll> {
  const ordered = participants.toSorted(byName);
  const { clock } = participants[0];
  const startedAt = clock.now();
  const giveUpAt = later(startedAt, timeoutMs ?? NEVER);
  // One try is one try of each; what is left of a time to wait is none, however short.
  const leftMs = () => (timeoutMs === undefined || timeoutMs === 0 ? timeoutMs : Math.max(1, giveUpAt - clock.now()));
  let held: OneHeld[] = [];
  for (;;) {
    const next = ordered[held.length];
    if (!next) return { kind: 'held', lock: together(held) };
    const over = whenAny([...held.flatMap(({ lock }) => [lock.lost, lock.stopRequested]), ...(signal ? [signal] : [])]);
    const acquisition = await acquire(withReason(next, ordered), {
      timeoutMs: leftMs(),
      signal: over.signal,
      // Nothing runs under the others yet.
      killable: killable && held.length === ordered.length - 1,
      onEvent: (event) => onEvent(event, next),
    }).finally(over.undo);
    if (acquisition.kind === 'held') held.push({ participant: next, lock: acquisition.lock });
    const asked = held.find(({ lock }) => lock.stopRequested.aborted);
    const lost = held.some(({ lock }) => lock.isLost());
    if (acquisition.kind === 'held' && !asked && !lost) continue;
    await releaseAll(held);
    held = [];
    if (asked) return { kind: 'stopped', request: stopRequestOf(asked.lock), of: asked.participant };
    // Nothing has started yet, so that a loss costs the places in the queues, and nothing else.
    if (lost && !signal?.aborted && (acquisition.kind === 'held' || acquisition.kind === 'aborted')) continue;
    if (acquisition.kind === 'held') return { kind: 'aborted', of: next };
    if (acquisition.kind === 'busy') return { ...acquisition, waitedMs: clock.now() - startedAt, of: next };
    return { ...acquisition, of: next };
  }
}

/** Who waits for this one may have to wait for the others. */
function withReason(participant: Participant, all: readonly Participant[]): Participant {
  const { me } = participant;
  const others = all.filter((other) => other !== participant);
  if (others.length === 0) return participant;
  const names = others.map(({ me: { namespace, name } }) => (namespace === me.namespace ? name : `${namespace}/${name}`));
  const reason = [me.about.reason, `together with ${names.join(', ')}`].filter(Boolean).join('; ');
  return { ...participant, me: { ...me, about: { ...me.about, reason } } };
}

/** The order in which everybody acquires. */
const byName = ({ me: a }: Participant, { me: b }: Participant): number =>
  compareText(a.namespace, b.namespace) || compareText(a.name, b.name);

function together(locks: readonly OneHeld[]): HeldLocks {
  const all = locks.map(({ lock }) => lock);
  return {
    locks: [...locks],
    lost: whenAny(all.map(({ lost }) => lost)).signal,
    isLost: () => all.some((lock) => lock.isLost()),
    stopRequested: whenAny(all.map(({ stopRequested }) => stopRequested)).signal,
    deadlines: () => earliest(all.map((lock) => lock.deadlines())),
    abandon() {
      for (const lock of all) lock.abandon();
    },
    release: async (work) => await releaseAll(locks, work),
  };
}

/** The last that was acquired first, and without waiting for each other: in the time that one takes. */
async function releaseAll(locks: readonly OneHeld[], work: Parameters<HeldLock['release']>[0] = 'not-begun'): Promise<Released> {
  const released = await Promise.all(locks.toReversed().map(({ lock }) => lock.release(work)));
  return released.find(({ kind }) => kind === 'failed') ?? released.find(({ kind }) => kind === 'gone') ?? { kind: 'released' };
}

function earliest(all: readonly Deadlines[]): Deadlines {
  const first = (of: Exclude<keyof Deadlines, 'marginMs'>) => Math.min(...all.map((deadlines) => deadlines[of])) as Monotonic;
  return {
    renewAt: first('renewAt'),
    stopBy: first('stopBy'),
    killBy: first('killBy'),
    expiresAt: first('expiresAt'),
    marginMs: Math.min(...all.map(({ marginMs }) => marginMs)),
  };
}

/** Aborts with the first of them. By no AbortSignal.any: on Node 22 that would remain with the one that lives long. */
export function whenAny(signals: readonly AbortSignal[]): { signal: AbortSignal; undo(): void } {
  const any = new AbortController();
  const ends = signals.map((signal) => {
    const abort = () => any.abort(signal.reason);
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
    return () => signal.removeEventListener('abort', abort);
  });
  return {
    signal: any.signal,
    undo() {
      for (const end of ends) end();
    },
  };
}

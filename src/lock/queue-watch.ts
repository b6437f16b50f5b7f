/**
 * How a waiter learns of changes: a watch for those near the front of the queue, a poll for everyone, slower the further back. A watch
 * event is a hint, and a deletion is no more than a reason to read.
 */
import type { WatchEvent } from '../api/answers.ts';
import type { WatchListener } from '../api/lease-watch.ts';
import { type Clock, later, type Monotonic, NEVER, type Steady } from '../clock.ts';
import { annotationsSize } from '../protocol/edit.ts';
import { newerVersion, type RawLease } from '../protocol/lease.ts';
import type { Participant } from './participant.ts';

/** Each watch costs the API server a connection and an event for every renewal: those who are not next soon can do without, */
const WATCHED_PLACES = 20;
/** unless all that watch are sent no more than so much together: then a queue that moves fast finds nobody asleep. In characters, for each change. */
const WATCHED_SIZE = 4_000_000;
/** The floor under a watch that has silently died. */
const POLL_MS = 60_000;
/** Behind the watched places: two seconds, and half a second more for each place. */
const FAR_POLL_MS = 2000;
const FAR_POLL_STEP_MS = 500;

export interface Hint {
  event: WatchEvent;
  receivedAt: Steady;
}

export interface QueueWatch {
  /** Watches from the version of this Lease on, or stops watching, as the place deserves. */
  follow(position: number, lease: RawLease): void;
  /** When to read again if there is no news. */
  pollAt(position: number, lease: RawLease): Monotonic;
  /**
   * The hints since the last call, up to a version, oldest first. All of them: a holder that is seen for a moment, before a deletion, must not be
   * missed.
   */
  drain(upTo?: string): Hint[];
  /** Resolves at `when`, at a hint, or when the signal aborts. */
  waitForChange(when: Monotonic, signal: AbortSignal | undefined): Promise<void>;
  end(): void;
}

export function watchQueue(
  { client, clock, random, pollEveryMs = POLL_MS }: Participant,
  onTrouble: WatchListener['onTrouble'],
): QueueWatch {
  let unwatch: (() => void) | undefined;
  const far = farPoll(clock);
  const hints: Hint[] = [];
  let wake = () => {};
  const onEvent = (event: WatchEvent) => {
    hints.push({ event, receivedAt: clock.steady() });
    wake();
  };
  const end = () => {
    unwatch?.();
    unwatch = undefined;
  };
  return {
    follow(position, lease) {
      if (position >= watchedPlaces(lease)) end();
      else unwatch ??= client.watch({ onEvent, onTrouble }, lease.metadata.resourceVersion);
    },
    pollAt(position, lease) {
      const places = watchedPlaces(lease);
      const near = position < places ? Math.min(POLL_MS, pollEveryMs) : far(position - places, lease);
      return later(clock.now(), Math.min(POLL_MS, near) * (0.8 + 0.4 * random()));
    },
    drain(upTo) {
      const newer = hints.findIndex(
        ({ event }) => upTo !== undefined && newerVersion(event.lease?.metadata.resourceVersion, upTo),
      );
      return hints.splice(0, newer < 0 ? hints.length : newer);
    },
    waitForChange(when, signal) {
      return new Promise((resolve) => {
        if (hints.length > 0 || signal?.aborted) return resolve();
        const done = () => {
          undo();
          wake = () => {};
          signal?.removeEventListener('abort', done);
          resolve();
        };
        const undo = Number.isFinite(when) ? clock.at(when, done) : () => {};
        wake = done;
        signal?.addEventListener('abort', done, { once: true });
      });
    },
    end,
  };
}

/** How long somebody so many places behind those that watch need not look: twice before it is near, as fast as the queue has moved since it last looked. */
function farPoll(clock: Clock): (places: number, lease: RawLease) => number {
  let last: { transitions: number; at: Monotonic } | undefined;
  return (places, { spec }) => {
    const now = { transitions: spec?.leaseTransitions ?? 0, at: clock.now() };
    const served = now.transitions - (last?.transitions ?? now.transitions);
    const nearInMs = served > 0 && last ? ((places + 1) * (now.at - last.at)) / served : NEVER;
    last = now;
    return Math.min(FAR_POLL_MS + places * FAR_POLL_STEP_MS, Math.max(FAR_POLL_MS, nearInMs / 2));
  };
}

const watchedPlaces = (lease: RawLease): number =>
  Math.max(WATCHED_PLACES, Math.floor(WATCHED_SIZE / (1 + annotationsSize(lease))));

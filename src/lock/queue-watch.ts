/**
 * How a waiter learns of changes: a watch for those near the front of the queue, a poll for everyone, slower the further back. A watch
 * event is a hint, and a deletion is no more than a reason to read.
 */
import type { WatchEvent } from '../api/answers.ts';
import type { WatchListener } from '../api/lease-watch.ts';
import { later, type Monotonic, type Steady } from '../clock.ts';
import { newerVersion } from '../protocol/lease.ts';
import type { Participant } from './participant.ts';

/** Each watch costs the API server a connection and an event for every renewal: those who are not next soon can do without. */
const WATCHED_PLACES = 20;
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
  /** Watches from this version on, or stops watching, as the place deserves. */
  follow(position: number, since: string | undefined): void;
  /** When to read again if there is no news. */
  pollAt(position: number): Monotonic;
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
  let hints: Hint[] = [];
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
    follow(position, since) {
      if (position >= WATCHED_PLACES) end();
      else unwatch ??= client.watch({ onEvent, onTrouble }, since);
    },
    pollAt: (position) => later(clock.now(), pollMsAt(position, pollEveryMs) * (0.8 + 0.4 * random())),
    drain(upTo) {
      const newer = hints.findIndex(
        ({ event }) => upTo !== undefined && newerVersion(event.lease?.metadata.resourceVersion, upTo),
      );
      const drained = newer < 0 ? hints : hints.slice(0, newer);
      hints = newer < 0 ? [] : hints.slice(newer);
      return drained;
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

function pollMsAt(position: number, pollEveryMs: number): number {
  if (position < WATCHED_PLACES) return Math.min(POLL_MS, pollEveryMs);
  return Math.min(POLL_MS, FAR_POLL_MS + (position - WATCHED_PLACES) * FAR_POLL_STEP_MS);
}

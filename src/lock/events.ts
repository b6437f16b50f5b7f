/** What happens to a lock, as values. The words for people are made by those who listen (describe.ts has them). */
import type { Deadlines } from '../protocol/deadlines.ts';
import type { Holder, StopRequest } from '../protocol/lock-state.ts';

/** Milliseconds. */
export interface Lasting {
  forMs: number;
  leftMs: number;
}

/** What a wait looks like now, while nothing happens. Milliseconds. */
export interface Outlook {
  waitedMs: number;
  /** Every holder has missed a renewal: since the last sign of life of any, and until my turn comes if there is none. */
  silent: Lasting | undefined;
  /** The API server does not answer. */
  unanswered: Lasting | undefined;
}

export type LockEvent =
  /** In the queue: again whenever the holder or the place changes. `position` 0 is next, `queue` is how many wait in all; `outside`: it has no room. */
  | { type: 'waiting'; position: number; outside: boolean; queue: number; heldBy: Holder[]; outlook: () => Outlook }
  /** An admission policy wants another id than the derived one: from now on this is the participant's. */
  | { type: 'renamed'; id: string }
  /** The lock was this very participant's before it had asked for it: another process has the same identity, and may still be at work. */
  | { type: 'resumed'; from: Holder }
  | { type: 'acquired'; waitedMs: number; token: string; transitions: number; deadlines: Deadlines }
  | { type: 'renewed'; queue: number; deadlines: Deadlines }
  /** A request failed, and is tried again. */
  | {
      type: 'trouble';
      doing: 'reading' | 'queueing' | 'claiming' | 'renewing' | 'watching';
      message: string;
      retryInMs: number;
      /** For how long nothing has succeeded, and for how long it is tried on: then the wait ends, or the lock is lost. Undefined: without an end. */
      lasting?: Lasting | undefined;
    }
  /** The Lease was deleted, and is put back as it was known: by its holder (`heldBy` is empty), or by a waiter that has seen these. */
  | { type: 'restored'; heldBy: Holder[] }
  | { type: 'stop-requested'; request: StopRequest }
  | { type: 'lost'; reason: string }
  /** `keptMs`: for as long the lock stays taken. */
  | { type: 'released'; heldMs: number; keptMs: number }
  | { type: 'left-queue' }
  /** Given up, not tried again: the entry stays until it expires. */
  | { type: 'release-failed'; message: string };

export type Emit = (event: LockEvent) => void;

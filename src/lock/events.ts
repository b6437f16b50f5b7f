/** What happens to a lock, as values: what is said of it to people, in which words, is the business of those who listen. */
import type { Monotonic } from '../clock.ts';
import type { Holder, StopRequest } from '../protocol/document.ts';

export type LockEvent =
  /** In the queue: again whenever the holder or the place changes. `position` 0 is next, `queue` is how many wait in all. */
  | { type: 'waiting'; position: number; queue: number; heldBy: Holder[] }
  | { type: 'acquired'; waitedMs: number; token: string; transitions: number; stopBy: Monotonic; expiresAt: Monotonic }
  | { type: 'renewed'; queue: number; stopBy: Monotonic; expiresAt: Monotonic }
  /** A request failed, and is tried again. */
  | { type: 'trouble'; doing: 'reading' | 'queueing' | 'claiming' | 'renewing' | 'releasing'; message: string; retryInMs: number }
  | { type: 'restored' }
  | { type: 'stop-requested'; request: StopRequest }
  | { type: 'lost'; reason: string }
  | { type: 'released'; heldMs: number }
  | { type: 'left-queue' };

export type Emit = (event: LockEvent) => void;

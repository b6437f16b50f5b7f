/** What the events of a lock add up to, for /healthz and /metrics. */
import type { Clock, Monotonic } from '../../src/clock.ts';
import type { LockEvent } from '../../src/lock/index.ts';

export interface LockId {
  namespace: string;
  name: string;
}

export interface LockStatistics {
  onEvent(event: LockEvent): void;
  /** Held, and the last renewal is not too long ago. */
  isHeld(): boolean;
  /** Until the command would be stopped if no renewal succeeded; 0 while the lock is not held. */
  msToDeadline(): number;
  waitedMs(): number;
  readonly waiting: boolean;
  readonly position: number;
  readonly queue: number;
  readonly transitions: number;
  readonly renewals: number;
  readonly failures: number;
}

export function lockStatistics(clock: Clock): LockStatistics {
  const startedAt = clock.now();
  let stopBy: Monotonic | undefined;
  let waited: number | undefined;
  const counts = { waiting: true, position: 0, queue: 0, transitions: 0, renewals: 0, failures: 0 };
  const msToDeadline = () => (stopBy === undefined ? 0 : Math.max(0, stopBy - clock.now()));
  const onEvent = (event: LockEvent) => {
    switch (event.type) {
      case 'waiting':
        counts.queue = event.queue;
        counts.position = event.position;
        return;
      case 'acquired':
        counts.waiting = false;
        counts.position = 0;
        counts.transitions = event.transitions;
        waited = event.waitedMs;
        stopBy = event.deadlines.stopBy;
        return;
      case 'renewed':
        counts.queue = event.queue;
        counts.renewals += 1;
        stopBy = event.deadlines.stopBy;
        return;
      case 'trouble':
        counts.failures += 1;
        return;
      case 'lost':
      case 'released':
      case 'release-failed':
        stopBy = undefined;
        return;
      default:
        return;
    }
  };
  return Object.assign(counts, {
    onEvent,
    msToDeadline,
    isHeld: () => msToDeadline() > 0,
    waitedMs: () => waited ?? clock.now() - startedAt,
  });
}

/** What a guard is made of: the settings of its entry. */
import type { LockEvent, OnBusy, Participant } from '../lock/index.ts';
import type { Log, LogFormat } from '../log.ts';
import type { OpenSupervisor } from './supervisor/link.ts';

export interface GuardOptions {
  /** Of each lock that the command needs; all have the same timings and the same clock. */
  participants: readonly [Participant, ...Participant[]];
  argv: readonly [string, ...string[]];
  /** Of the command, without what it learns of its lock; under `first` the supervisor has it. */
  env: NodeJS.ProcessEnv;
  timeoutMs: number | undefined;
  onBusy: OnBusy;
  /** Stop the command when the lock is lost, or let it go on without. */
  whenLost: 'stop' | 'go-on';
  /** What becomes of processes that the command leaves behind. */
  orphans: 'stop' | 'wait';
  /** Milliseconds that the command may take to end after a signal that should end it; undefined: as long as it likes, and only passed on. */
  endWithinMs?: number | undefined;
  openSupervisor: OpenSupervisor;
  log: Log;
  /** Of `log`; the supervisor writes its last words itself. */
  logFormat: LogFormat;
  /** Notified of everything that happens to a lock, and of whose. */
  onEvent(event: LockEvent, of: Participant): void;
}

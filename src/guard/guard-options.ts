/** What a guard is made of: the settings of its entry, and the helpers that it shares with what it calls. */
import type { Emit, OnBusy, Participant } from '../lock/index.ts';
import type { Log } from '../log.ts';
import type { SignalInbox } from './signals.ts';
import type { WatchdogLink } from './watchdog-link.ts';

export interface GuardOptions {
  participant: Participant;
  argv: readonly [string, ...string[]];
  env: NodeJS.ProcessEnv;
  timeoutMs: number | undefined;
  onBusy: OnBusy;
  /** Stop the command when the lock is lost, or let it go on without. */
  whenLost: 'stop' | 'go-on';
  /** What becomes of processes that the command leaves behind. */
  orphans: 'stop' | 'wait';
  /** Milliseconds that the command may take to end after a signal that should end it; undefined: as long as it likes, and only passed on. */
  endWithinMs?: number | undefined;
  /** What to run as the watchdog; undefined where this process can't die alone. */
  watchdog: readonly [string, ...string[]] | undefined;
  /** Standard input is a terminal. */
  terminal: boolean;
  /** Descriptors that the command inherits, beside the standard three. */
  descriptors: readonly number[];
  log: Log;
  /** Notified of everything that happens to the lock. */
  onEvent: Emit;
}

export interface Helpers {
  inbox: SignalInbox;
  link: WatchdogLink | undefined;
}

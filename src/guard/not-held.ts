/** Why there is no lock: in words, and as an exit code. The same for every command that wants one. */
import type { Clock } from '../clock.ts';
import type { Acquisition } from '../lock/index.ts';
import type { Log } from '../log.ts';
import { formatDuration } from '../protocol/timings.ts';
import { holders } from './event-log.ts';
import { EXIT, SIGNALLED } from './exit-codes.ts';
import { signalNumber } from './signals.ts';

export interface NotHeldOptions {
  clock: Clock;
  log: Log;
  onBusy: 'wait' | 'fail' | 'skip';
  conflictExitCode: number;
  /** Aborted by the signal that has ended the wait, if one has. */
  ending: AbortSignal;
}

export function notHeld(
  acquisition: Exclude<Acquisition, { kind: 'held' }>,
  { clock, log, onBusy, conflictExitCode, ending }: NotHeldOptions,
): number {
  switch (acquisition.kind) {
    case 'busy': {
      const { heldBy, position } = acquisition;
      const why = heldBy.length > 0 ? `it is ${holders(heldBy, clock.wall())}` : `${position} wait before me`;
      const skipped = onBusy === 'skip' ? '; skipped' : '';
      log(skipped ? 'info' : 'error', `not acquired after ${formatDuration(acquisition.waitedMs)}: ${why}${skipped}`);
      return skipped ? 0 : conflictExitCode;
    }
    case 'aborted': {
      const signal = ending.reason as NodeJS.Signals;
      log('error', `not acquired: ended by ${signal} while waiting`);
      return SIGNALLED + signalNumber(signal);
    }
    case 'refused':
      log('error', acquisition.message);
      return acquisition.status === 401 || acquisition.status === 403 ? EXIT.refused.code : EXIT.configuration.code;
    case 'unreachable':
      log('error', acquisition.message);
      return EXIT.unreachable.code;
    default:
      return acquisition satisfies never;
  }
}

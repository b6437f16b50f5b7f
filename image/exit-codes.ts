/** What the exit codes of the command line mean, the one table of them: README and tests quote it. Numbers as in sysexits.h where it has one. */
import { constants } from 'node:os';
import { documentAt } from '../src/documents.ts';
import type { GuardOutcome } from '../src/guard/guard.ts';
import { describeNotAcquired, describeStop } from '../src/lock/describe.ts';
import type { NotAcquired, OnBusy, Participant } from '../src/lock/index.ts';
import type { Log } from '../src/log.ts';
import { shellLineHint } from './habits.ts';

export const EXIT = {
  no: {
    code: 1,
    when:
      'the answer is no: the sidecar (`probe`) or the holder (`verify`) does not hold the lock, there is no such lock ' +
      '(`status`), or nothing was changed (`unlock`, `queue`)',
  },
  usage: { code: 64, when: 'bad usage: unknown option, invalid value, or no command given' },
  unreachable: { code: 69, when: 'the API server could not be reached in time' },
  supervisor: { code: 71, when: 'the supervisor of the command could not be started, or was killed; the command was stopped' },
  output: { code: 74, when: 'what was to be printed could not be written, such as to a full disk' },
  notAcquired: {
    code: 75,
    when: 'not acquired in time, or busy with `--on-busy fail` (`-E` changes this code); `unlock`: not released in time',
  },
  lost: { code: 76, when: 'the lock was lost, and the command was stopped' },
  refused: { code: 77, when: 'the API server refused: credentials (401) or rights (403)' },
  configuration: {
    code: 78,
    when:
      'bad configuration: durations that leave no time to stop the command, no cluster found, a server, certificate, proxy or ' +
      "credential plugin that cannot work, unknown namespace, or a Lease used by the API server's own leader election",
  },
  stopped: {
    code: 79,
    when: 'the holder was asked to stop, or was replaced, and the command was stopped; or the waiter was asked to leave the queue',
  },
  cannotExecute: { code: 126, when: 'the command was found but cannot be executed' },
  notFound: { code: 127, when: 'the command was not found' },
} as const;

/** As a shell reports it. */
export const signalled = (signal: NodeJS.Signals | number): number =>
  128 + (typeof signal === 'number' ? signal : constants.signals[signal]);

export interface Reporting {
  participant: Participant;
  log: Log;
  onBusy: OnBusy;
  conflictExitCode: number;
  /** Where the lock is not needed any more. */
  skippedExitCode: number;
  /** The command, where there is one. */
  argv?: readonly string[];
}

/** Logs why a guard has ended, where that is not plain from its command, and returns the exit code for it. */
export function reportOutcome(outcome: GuardOutcome, reporting: Reporting): number {
  const { log } = reporting;
  switch (outcome.kind) {
    case 'ended':
      return 'code' in outcome.end ? outcome.end.code : signalled(outcome.end.signal);
    case 'lost':
      return EXIT.lost.code;
    case 'stopped': {
      const { kind } = outcome.request;
      log('error', `stopped: ${describeStop(outcome.request)}${kind === 'replace' ? '' : ` (${kind})`}`);
      return EXIT.stopped.code;
    }
    case 'overdue':
      log('error', `stopped: the command did not end on ${outcome.signal}`);
      return signalled(outcome.signal);
    case 'interrupted':
      log('error', `not acquired: ended by ${outcome.signal} before the command was started`);
      return signalled(outcome.signal);
    case 'not-acquired':
      return reportNotAcquired(outcome.acquisition, reporting);
    case 'deadlock':
      log('error', outcome.message);
      return EXIT.configuration.code;
    case 'unsupervised':
      log('error', outcome.message);
      return EXIT.supervisor.code;
    case 'not-started':
      log('error', `${outcome.message}${outcome.problem === 'not-found' ? shellLineHint(reporting.argv ?? []) : ''}`);
      return outcome.problem === 'not-found' ? EXIT.notFound.code : EXIT.cannotExecute.code;
    default:
      return outcome satisfies never;
  }
}

/** Where to read on, for what does not say so itself. */
function furtherOf({ kind }: NotAcquired): string {
  if (kind === 'busy') return ` (${documentAt('troubleshooting.md#exit-code-75-not-acquired-in-time')})`;
  if (kind === 'unreachable') return ` (${documentAt('troubleshooting.md#the-api-server-does-not-answer')})`;
  return '';
}

/** Logs why there is no lock, and returns the exit code for it. */
export function reportNotAcquired(
  acquisition: Exclude<NotAcquired, { kind: 'aborted' }>,
  { participant: { me, clock }, log, onBusy, conflictExitCode, skippedExitCode }: Reporting,
): number {
  const message = describeNotAcquired(acquisition, me, clock.wall());
  if (acquisition.kind === 'busy' && onBusy === 'skip') {
    log('info', `${message}; skipped`);
    return 0;
  }
  if (acquisition.kind === 'skipped') {
    log('info', `${message}; skipped`);
    return skippedExitCode;
  }
  log('error', `${message}${furtherOf(acquisition)}`);
  switch (acquisition.kind) {
    case 'busy':
      return conflictExitCode;
    case 'stopped':
      return EXIT.stopped.code;
    case 'unreachable':
      return acquisition.unusable ? EXIT.configuration.code : EXIT.unreachable.code;
    case 'refused':
      return acquisition.status === 401 || acquisition.status === 403 ? EXIT.refused.code : EXIT.configuration.code;
    default:
      return acquisition satisfies never;
  }
}

/**
 * A command under a lock, from waiting to release. Promised: the command starts only under the lock, and is being stopped from the moment
 * that the lock can't be known to be held for as long as stopping takes; the lock is released only when every process is seen to be gone.
 * The guarantee and its limits: docs/protocol.md.
 */
import { later } from '../clock.ts';
import { type AcquireRequest, type Acquisition, acquire, type HeldLock, type Participant, stopRequestOf } from '../lock.ts';
import type { Log } from '../log.ts';
import { formatDuration } from '../settings.ts';
import { type Command, start } from './command.ts';
import { EXIT, SIGNALLED } from './exit-codes.ts';
import { deadlockWith, environmentFor } from './nesting.ts';
import { openSignalInbox, type SignalInbox, signalNumber } from './signals.ts';
import { tellOf } from './tell.ts';

export interface GuardOptions {
  participant: Omit<Participant, 'emit'>;
  argv: readonly [string, ...string[]];
  env: NodeJS.ProcessEnv;
  timeoutMs: number | undefined;
  onBusy: 'wait' | 'fail' | 'skip';
  conflictExitCode: number;
  log: Log;
}

/** Runs the command under the lock and returns the guard's exit code; see EXIT. */
export async function guard(options: GuardOptions): Promise<number> {
  const { log } = options;
  const inbox = openSignalInbox();
  const tell = tellOf(options.participant, log);
  try {
    const nested = deadlockWith(options.env);
    const participant: Participant = {
      ...options.participant,
      emit(event) {
        tell(event);
        if (event.type === 'waiting') nested.check(event.heldBy);
      },
    };
    const signal = AbortSignal.any([inbox.ending, nested.found]);
    const acquisition = await acquire(participant, { ...requestOf(options), signal });
    if (acquisition.kind !== 'held') return notHeld(acquisition, { ...options, inbox, deadlock: nested.found.reason });
    return await underLock(acquisition.lock, options, inbox);
  } finally {
    inbox.close();
  }
}

function requestOf({ timeoutMs, onBusy }: GuardOptions): AcquireRequest {
  // Who does not want to wait tries once, unless a time to wait is given as well.
  return { timeoutMs: timeoutMs ?? (onBusy === 'wait' ? undefined : 0) };
}

function notHeld(
  acquisition: Exclude<Acquisition, { kind: 'held' }>,
  { onBusy, conflictExitCode, log, inbox, deadlock }: GuardOptions & { inbox: SignalInbox; deadlock: string | undefined },
): number {
  switch (acquisition.kind) {
    case 'busy': {
      const holder = acquisition.heldBy.map(({ id }) => id).join(', ');
      const why = holder ? `it is held by ${holder}` : `${acquisition.position} wait before me`;
      log(
        onBusy === 'skip' ? 'info' : 'error',
        `not acquired after ${formatDuration(acquisition.waitedMs)}: ${why}${onBusy === 'skip' ? '; skipped' : ''}`,
      );
      return onBusy === 'skip' ? 0 : conflictExitCode;
    }
    case 'aborted': {
      if (deadlock !== undefined) {
        log('error', deadlock);
        return EXIT.configuration.code;
      }
      const signal = inbox.ending.reason as NodeJS.Signals;
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

async function underLock(lock: HeldLock, options: GuardOptions, inbox: SignalInbox): Promise<number> {
  const { participant, argv, log } = options;
  if (inbox.ending.aborted) {
    await lock.release();
    return SIGNALLED + signalNumber(inbox.ending.reason);
  }
  const started = await start({ argv, env: environmentFor(lock, participant.me, options.env), clock: participant.clock });
  if (started.kind === 'failed') {
    log('error', started.message);
    await lock.release();
    return started.code;
  }
  const { command } = started;
  if (inbox.ending.aborted) command.signal(inbox.ending.reason);
  inbox.forwardTo((signal) => command.signal(signal));
  const { code, gone } = await supervise(command, lock, options);
  if (gone) await lock.release();
  else {
    lock.abandon();
    log('error', 'not released: some of the command could not be seen to end; the lock is free when it expires');
  }
  return code;
}

/** Waits for the first reason to end, and then for the end of every process. */
async function supervise(command: Command, lock: HeldLock, options: GuardOptions): Promise<{ code: number; gone: boolean }> {
  const { clock, timings } = options.participant;
  const { killGraceMs: graceMs, killBudgetMs } = timings;
  const reason = await Promise.race([command.ended, aborted(lock.lost), aborted(lock.stopRequested)]);
  const stopBudgetEnds = later(clock.now(), killBudgetMs);
  // While the lock is held the command has its whole grace; once it is lost all must be over before another can start.
  const until = () => (lock.lost.aborted ? lock.expiresAt() : stopBudgetEnds);
  if (typeof reason === 'number' && command.alive() > 0) {
    options.log('info', `the command has ended and left ${command.alive()} of its processes behind: stopping them`);
  }
  const gone =
    (typeof reason === 'number' && command.alive() === 0) ||
    (await command.stop({ graceMs, reapMs: killBudgetMs - graceMs, until }));
  if (lock.lost.aborted) return { code: EXIT.lost.code, gone };
  if (typeof reason === 'number') return { code: reason, gone };
  const { by, kind, reason: why } = stopRequestOf(lock);
  options.log('error', `stopped: ${by || 'somebody'} asked for it (${kind}${why ? `: ${why}` : ''})`);
  return { code: EXIT.stopped.code, gone };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

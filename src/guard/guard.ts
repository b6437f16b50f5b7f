/**
 * A command under a lock, from waiting to release. Promised: the command starts only under the lock, and is being stopped from the moment
 * that the lock can't be known to be held for as long as stopping takes, also if this process is stopped or killed (watchdog.ts); the lock is
 * released only when every process is seen to be gone. The guarantee and its limits: docs/safety.md.
 */
import { acquire, type Emit, type HeldLock, type NotAcquired, stopRequestOf, timeoutOf } from '../lock/index.ts';
import type { StopRequest } from '../protocol/document.ts';
import { type CommandEnd, type NotStarted, start } from './command.ts';
import { deadlockWith, environmentFor } from './command-environment.ts';
import type { GuardOptions, Helpers } from './guard-options.ts';
import { treeToBe } from './process-tree.ts';
import { openSignalInbox } from './signals.ts';
import { type EndReason, keepLooking, patience, supervise } from './supervise.ts';
import { startWatchdog } from './watchdog-link.ts';

/** How it went. The entries make exit codes and annotations of it. */
export type GuardOutcome =
  /** The command ended by itself, or of a signal that was passed on to it. */
  | { kind: 'ended'; end: CommandEnd }
  | { kind: 'lost'; reason: string }
  /** Somebody asked the holder to stop, and the command was stopped. */
  | { kind: 'stopped'; request: StopRequest }
  /** The command did not end in time after this signal, and was stopped. */
  | { kind: 'overdue'; signal: NodeJS.Signals }
  /** This signal came before the command was started. */
  | { kind: 'interrupted'; signal: NodeJS.Signals }
  | { kind: 'not-acquired'; acquisition: Exclude<NotAcquired, { kind: 'aborted' }> }
  /** The command would wait for a lock that it runs under already. */
  | { kind: 'deadlock'; message: string }
  | NotStarted
  /** Without its watchdog the command could outlive its lock. */
  | { kind: 'no-watchdog'; message: string };

export async function guard(options: GuardOptions): Promise<GuardOutcome> {
  const { log, watchdog, whenLost } = options;
  const { clock, timings } = options.participant;
  const inbox = openSignalInbox();
  const link = watchdog && whenLost === 'stop' ? startWatchdog({ argv: watchdog, clock, timings, log }) : undefined;
  try {
    return await acquireAndRun(options, { inbox, link });
  } finally {
    link?.end();
    inbox.close();
  }
}

async function acquireAndRun(options: GuardOptions, helpers: Helpers): Promise<GuardOutcome> {
  const { participant, timeoutMs, onBusy } = options;
  const { inbox, link } = helpers;
  const nested = deadlockWith(options.env);
  const onEvent: Emit = (event) => {
    options.onEvent(event);
    if (event.type === 'waiting') nested.check(event.heldBy);
    if (event.type === 'renewed') link?.renewed(event.deadlines);
  };
  const signal = AbortSignal.any([inbox.ending, nested.found]);
  const acquisition = await acquire(participant, { timeoutMs: timeoutOf(timeoutMs, onBusy), signal, onEvent });
  if (acquisition.kind === 'held') return await underLock(acquisition.lock, options, helpers);
  if (acquisition.kind !== 'aborted') return { kind: 'not-acquired', acquisition };
  if (inbox.ending.aborted) return { kind: 'interrupted', signal: inbox.ending.reason };
  return { kind: 'deadlock', message: nested.found.reason };
}

async function underLock(lock: HeldLock, options: GuardOptions, helpers: Helpers): Promise<GuardOutcome> {
  const { log } = options;
  const { inbox, link } = helpers;
  // Nothing of the command is alive. False from just before its start until all of it has been seen to end.
  let gone = true;
  try {
    if (inbox.ending.aborted) return { kind: 'interrupted', signal: inbox.ending.reason };
    // It starts while the lock is being asked for; nothing runs before it is there.
    if (link && !(await link.ready)) return NO_WATCHDOG;
    // This process may have been stopped since it acquired: nothing is started on a lock that has run out.
    if (lock.isLost()) return lostOf(lock);
    link?.renewed(lock.deadlines());
    // Before it starts: this process may be stopped or killed before it learns the command's process id.
    link?.watch(treeToBe(lock.holder));
    gone = false;
    const started = await startCommand(lock, options);
    if (started.kind === 'not-started') {
      gone = true;
      return started;
    }
    const { command } = started;
    link?.watch(command.tree);
    if (inbox.ending.aborted) command.signal(inbox.ending.reason);
    inbox.forwardTo((signal) => command.signal(signal));
    const { overdue, disarm } = patience(options, inbox.ending);
    const unlook = keepLooking(command, options.participant.clock, () => link?.watch(command.tree));
    const result = await supervise(command, lock, options, { ...helpers, overdue }).finally(() => {
      disarm();
      unlook();
    });
    gone = result.gone;
    return outcomeOf(result.reason, lock, options);
  } finally {
    if (gone) await lock.release();
    else {
      lock.abandon();
      log(
        'error',
        'not released: some processes of the command could not be seen to end; the lock is free when it expires ' +
          '(docs/safety.md#not-released)',
      );
    }
  }
}

const NO_WATCHDOG: GuardOutcome = {
  kind: 'no-watchdog',
  message: 'the watchdog did not start, and without it the command could outlive its lock (docs/safety.md#watchdog)',
};

async function startCommand(lock: HeldLock, { argv, env, participant, terminal, descriptors }: GuardOptions) {
  const { me, clock } = participant;
  return await start({ argv, env: environmentFor(lock, me, env), mark: lock.holder, terminal, descriptors, clock });
}

function outcomeOf(reason: EndReason, lock: HeldLock, { whenLost }: GuardOptions): GuardOutcome {
  // A process that was stopped past its deadline hears of the command's end before it looks at the clock.
  if (whenLost === 'stop' && lock.isLost()) return lostOf(lock);
  switch (reason.kind) {
    case 'ended':
    case 'overdue':
      return reason;
    case 'lost':
      return lostOf(lock);
    case 'stop-requested':
      return { kind: 'stopped', request: stopRequestOf(lock) };
    default:
      return reason satisfies never;
  }
}

const lostOf = (lock: HeldLock): GuardOutcome => ({ kind: 'lost', reason: (lock.lost.reason as Error).message });

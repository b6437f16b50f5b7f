/**
 * A command under a lock, from waiting to release. Promised: the command starts only under the lock, and is being stopped from the moment
 * that the lock can't be known to be held for as long as stopping takes, also if this process is stopped or killed (watchdog.ts); the lock is
 * released only when every process is seen to be gone. The guarantee and its limits: docs/safety.md.
 */
import { type Clock, later } from '../clock.ts';
import type { Emit } from '../lock/events.ts';
import { type AcquireRequest, acquire, type HeldLock, type Participant, stopRequestOf } from '../lock/index.ts';
import type { Log } from '../log.ts';
import { type Command, start } from './command.ts';
import { deadlockWith, environmentFor } from './command-environment.ts';
import { tellOf } from './event-log.ts';
import { EXIT, SIGNALLED } from './exit-codes.ts';
import { notHeld } from './not-held.ts';
import { familyToBe, isGone } from './process-tree.ts';
import { openSignalInbox, type SignalInbox, signalNumber } from './signals.ts';
import { startWatchdog, type WatchdogLink } from './watchdog-link.ts';

export interface GuardOptions {
  participant: Omit<Participant, 'emit'>;
  argv: readonly [string, ...string[]];
  env: NodeJS.ProcessEnv;
  timeoutMs: number | undefined;
  onBusy: 'wait' | 'fail' | 'skip';
  onLost: 'stop' | 'warn';
  /** What becomes of processes that the command leaves behind. */
  orphans: 'stop' | 'wait';
  conflictExitCode: number;
  /** Milliseconds that the command may take to end after a signal that should end it; undefined: as long as it likes, and only passed on. */
  endWithinMs?: number | undefined;
  /** What to run as the watchdog; undefined where this process can't die alone. */
  watchdog: readonly [string, ...string[]] | undefined;
  /** Standard input is a terminal. */
  terminal: boolean;
  /** Descriptors that the command inherits, beside the standard three. */
  descriptors: readonly number[];
  log: Log;
  /** Told of every event, beside the log. */
  listen?: Emit | undefined;
}

/** Runs the command under the lock and returns the guard's exit code; see EXIT. */
export async function guard(options: GuardOptions): Promise<number> {
  const { log, watchdog, onLost } = options;
  const { clock, timings } = options.participant;
  const inbox = openSignalInbox();
  const link = watchdog && onLost === 'stop' ? startWatchdog({ argv: watchdog, clock, timings, log }) : undefined;
  try {
    return await acquireAndRun(options, inbox, link);
  } finally {
    link?.end();
    inbox.close();
  }
}

const ON_LOSS = {
  stop: 'stopping the command',
  warn: 'the command goes on WITHOUT the lock (--on-lost warn)',
};

async function acquireAndRun(options: GuardOptions, inbox: SignalInbox, link: WatchdogLink | undefined): Promise<number> {
  const tell = tellOf(options.participant, options.log, ON_LOSS[options.onLost]);
  const nested = deadlockWith(options.env);
  let lock: HeldLock | undefined;
  const participant: Participant = {
    ...options.participant,
    emit(event) {
      tell(event);
      options.listen?.(event);
      if (event.type === 'waiting') nested.check(event.heldBy);
      if (event.type === 'renewed' && lock) link?.renewed(lock);
    },
  };
  const acquisition = await acquire(participant, {
    ...requestOf(options),
    signal: AbortSignal.any([inbox.ending, nested.found]),
  });
  if (acquisition.kind !== 'held') {
    const deadlock = nested.found.reason as string | undefined;
    if (acquisition.kind === 'aborted' && deadlock !== undefined) {
      options.log('error', deadlock);
      return EXIT.configuration.code;
    }
    return notHeld(acquisition, { ...options, clock: participant.clock, ending: inbox.ending });
  }
  lock = acquisition.lock;
  return await underLock(lock, options, { inbox, link });
}

function requestOf({ timeoutMs, onBusy }: GuardOptions): AcquireRequest {
  // Who does not want to wait tries once, unless a time to wait is given as well.
  return { timeoutMs: timeoutMs ?? (onBusy === 'wait' ? undefined : 0) };
}

interface Helpers {
  inbox: SignalInbox;
  link: WatchdogLink | undefined;
}

/** `overdue` aborts, with the signal as its reason, when the command has not ended in time after one that should end it. */
function patience(
  { endWithinMs, participant: { clock } }: GuardOptions,
  ending: AbortSignal,
): { overdue: AbortSignal; disarm(): void } {
  const overdue = new AbortController();
  let disarm = () => {};
  const arm = () => {
    if (endWithinMs !== undefined) disarm = clock.at(later(clock.now(), endWithinMs), () => overdue.abort(ending.reason));
  };
  if (ending.aborted) arm();
  else ending.addEventListener('abort', arm, { once: true });
  return { overdue: overdue.signal, disarm: () => disarm() };
}

async function underLock(lock: HeldLock, options: GuardOptions, { inbox, link }: Helpers): Promise<number> {
  const { participant, argv, log, terminal, descriptors } = options;
  if (inbox.ending.aborted) {
    await lock.release();
    return SIGNALLED + signalNumber(inbox.ending.reason);
  }
  const { clock, me } = participant;
  // It starts while the lock is being asked for; nothing runs before it is there.
  if (link && !(await link.ready)) {
    log('error', 'the watchdog did not start, and without it the command could outlive its lock (docs/safety.md#watchdog)');
    await lock.release();
    return EXIT.configuration.code;
  }
  // This process may have been stopped since it acquired: nothing is started on a lock that has run out.
  if (lock.isLost()) {
    await lock.release();
    return EXIT.lost.code;
  }
  link?.renewed(lock);
  // Before it starts: this process may be stopped or killed before it learns the command's process id.
  link?.watch(familyToBe(lock.holder));
  const started = await start({
    argv,
    env: environmentFor(lock, me, options.env),
    mark: lock.holder,
    terminal,
    descriptors,
    clock,
  });
  if (started.kind === 'failed') {
    log('error', started.message);
    await lock.release();
    return started.code;
  }
  const { command } = started;
  link?.watch(command.family);
  if (inbox.ending.aborted) command.signal(inbox.ending.reason);
  inbox.forwardTo((signal) => command.signal(signal));
  const { overdue, disarm } = patience(options, inbox.ending);
  const unlook = keepLooking(command, clock, () => link?.watch(command.family));
  const { code, gone } = await supervise(command, lock, options, { inbox, link, overdue });
  disarm();
  unlook();
  if (gone) await lock.release();
  else {
    lock.abandon();
    log(
      'error',
      'not released: some of the command could not be seen to end; the lock is free when it expires (docs/safety.md#not-released)',
    );
  }
  return code;
}

/**
 * How often the family is looked at while all is well: whoever is seen once is found again after it has lost its parents. More often would
 * cost a large machine noticeable work.
 */
const LOOK_MS = 2000;

function keepLooking(command: Command, clock: Clock, found: () => void): () => void {
  const { known } = command.family;
  let ended = false;
  let undo = () => {};
  const look = async () => {
    const before = Object.keys(known).join();
    await command.living();
    if (ended) return;
    if (Object.keys(known).join() !== before) found();
    undo = clock.at(later(clock.now(), LOOK_MS), look);
  };
  undo = clock.at(later(clock.now(), LOOK_MS), look);
  return () => {
    ended = true;
    undo();
  };
}

/** Waits for the first reason to end, and then for the end of every process. */
async function supervise(
  command: Command,
  lock: HeldLock,
  options: GuardOptions,
  helpers: Helpers & { overdue: AbortSignal },
): Promise<{ code: number; gone: boolean }> {
  const { orphans, onLost, log, participant } = options;
  const { clock } = participant;
  const lost = onLost === 'stop' ? lock.lost : new AbortController().signal;
  const { overdue } = helpers;
  const early = AbortSignal.any([lost, lock.stopRequested, overdue]);
  const reason = await Promise.race([command.ended, aborted(early)]);
  let left = typeof reason === 'number' ? await command.living() : 1;
  if (typeof reason === 'number' && left > 0 && orphans === 'wait') {
    log('info', `the command has ended and left ${left} of its processes behind: waiting for them`);
    await isGone(command.family, clock, { until: () => (early.aborted ? clock.now() : later(clock.now(), 1)), hurry: early });
    left = await command.living();
  } else if (typeof reason === 'number' && left > 0) {
    log('info', `the command has ended and left ${left} of its processes behind: stopping them`);
  }
  const gone = left === 0 || (await stop(command, { lock, lost, options, helpers }));
  // A process that was stopped past its deadline hears of the command's end before it looks at the clock.
  if (onLost === 'stop' && lock.isLost()) return { code: EXIT.lost.code, gone };
  if (typeof reason === 'number') return { code: reason, gone };
  if (!lock.stopRequested.aborted) {
    log('error', `stopped: the command did not end on ${overdue.reason}`);
    return { code: SIGNALLED + signalNumber(overdue.reason), gone };
  }
  const { by, kind, reason: why } = stopRequestOf(lock);
  log('error', `stopped: ${by || 'somebody'} asked for it (${kind}${why ? `: ${why}` : ''})`);
  return { code: EXIT.stopped.code, gone };
}

interface Stop {
  lock: HeldLock;
  lost: AbortSignal;
  options: GuardOptions;
  helpers: Helpers;
}

async function stop(command: Command, { lock, lost, options, helpers: { inbox, link } }: Stop): Promise<boolean> {
  const { clock, timings } = options.participant;
  const { killGraceMs: graceMs, killBudgetMs } = timings;
  const hurry = new AbortController();
  inbox.forwardTo((signal) => {
    // Whoever asks again does not want to wait for the grace.
    if (signal === 'SIGTERM' || signal === 'SIGINT') hurry.abort();
  });
  link?.stopping();
  const budgetEnds = later(clock.now(), killBudgetMs);
  // While the lock is held the command has its whole grace; once it is lost all must be over before another can start.
  const until = () => (lost.aborted ? lock.expiresAt() : budgetEnds);
  return await command.stop({ graceMs, reapMs: killBudgetMs - graceMs, until, hurry: hurry.signal });
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

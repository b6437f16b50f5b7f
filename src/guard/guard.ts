/**
 * A command under a lock, from waiting to release. Promised: the command starts only under the lock, and is being stopped from the moment
 * that the lock can't be known to be held for as long as stopping takes, also if this process is stopped or killed (the supervisor keeps the
 * deadline); the lock is released only when every process has ended. The guarantee and its limits: docs/safety.md.
 */
import { untilAborted } from '../clock.ts';
import { documentAt } from '../documents.ts';
import {
  acquireAll,
  type HeldLocks,
  type LockEvent,
  type NotAcquired,
  type Participant,
  stopRequestOf,
  timeoutOf,
  type Work,
} from '../lock/index.ts';
import { standInFor } from '../protocol/deadlines.ts';
import type { StopRequest } from '../protocol/lock-state.ts';
import { type Command, type CommandEnd, ENDED, type NotStarted, prepare, type Unsupervised } from './command.ts';
import { deadlockWith, variablesFor } from './command-environment.ts';
import type { GuardOptions } from './guard-options.ts';
import { openSignalInbox, type SignalInbox, stopWithCommand } from './signals.ts';
import { type EndReason, patience, supervise } from './supervise.ts';
import type { SupervisorLink } from './supervisor/link.ts';

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
  | { kind: 'not-acquired'; acquisition: Exclude<NotAcquired, { kind: 'aborted' }>; of: Participant }
  /** The command would wait for a lock that it runs under already. */
  | { kind: 'deadlock'; message: string }
  | NotStarted
  | Unsupervised;

export async function guard(options: GuardOptions): Promise<GuardOutcome> {
  const { argv, env, orphans } = options;
  const { clock, timings } = options.participants[0];
  const inbox = openSignalInbox();
  const opened = await options.openSupervisor({ argv, env }, clock);
  if (opened.kind !== 'opened') {
    inbox.close();
    return opened.kind === 'too-long'
      ? { kind: 'not-started', problem: 'cannot-execute', message: `${argv[0]}: cannot be executed (${opened.message})` }
      : { kind: 'unsupervised', message: `${opened.message} (${documentAt('safety.md#supervisor')})` };
  }
  const { link } = opened;
  const undo = await reportOf(link, options);
  let outcome: GuardOutcome | undefined;
  try {
    // A supervisor that somebody has stopped says nothing: a signal ends that wait, too.
    const interrupted = untilAborted(inbox.ending).then(() => ({ kind: 'interrupted' as const, signal: inbox.ending.reason }));
    const preparing = prepare(link, { argv, env, graceMs: timings.killGraceMs, orphans, clock });
    const prepared = await Promise.race([preparing, interrupted]);
    outcome = prepared.kind === 'prepared' ? await acquireAndRun(options, { inbox, link, command: prepared.command }) : prepared;
    return outcome;
  } finally {
    await link.end(outcome?.kind === 'ended' ? 'endOfCommand' : 'exitCodeOfGuard');
    undo();
    inbox.close();
  }
}

/** What the supervisor has to tell people. */
async function reportOf(link: SupervisorLink, { log, logFormat, participants }: GuardOptions): Promise<() => void> {
  const [{ me }, ...others] = participants;
  // Its last words name the lock; of several they concern all.
  link.send({ kind: 'log', format: logFormat, lock: others.length > 0 ? '' : `${me.namespace}/${me.name}` });
  link.on('cannotKill', ({ pid, uid }) =>
    log(
      'error',
      `process ${pid} of user ${uid} cannot be signalled by this user: the lock is kept until it ends (${documentAt('safety.md#privilege')})`,
    ),
  );
  // The others it says by itself, since this process may be unable to.
  link.on('terminating', ({ reason }) => {
    if (reason === 'callerGone') log('error', 'the process that was started has been killed: stopping the command');
  });
  const hello = await link.first('hello');
  return hello?.sharesTerminal && !hello.underFirst ? stopWithCommand(link) : () => {};
}

interface Helpers {
  inbox: SignalInbox;
  link: SupervisorLink;
  command: Command;
}

async function acquireAndRun(options: GuardOptions, helpers: Helpers): Promise<GuardOutcome> {
  const { participants, timeoutMs, onBusy, whenLost } = options;
  const { inbox, link, command } = helpers;
  const nested = deadlockWith(options.env);
  const unusable = whenUnusable(link);
  let held: HeldLocks | undefined;
  const onEvent = (event: LockEvent, of: Participant) => {
    options.onEvent(event, of);
    if (event.type === 'waiting') nested.check(event.heldBy);
    if (event.type === 'renewed' && held && whenLost === 'stop') command.moveDeadlines(standInFor(held.deadlines()));
  };
  const signal = AbortSignal.any([inbox.ending, nested.found, unusable]);
  const killable = whenLost === 'stop';
  const acquisition = await acquireAll(participants, { timeoutMs: timeoutOf(timeoutMs, onBusy), signal, killable, onEvent });
  if (acquisition.kind === 'held') {
    held = acquisition.lock;
    return await underLock(held, options, helpers);
  }
  if (acquisition.kind !== 'aborted') return { kind: 'not-acquired', acquisition, of: acquisition.of };
  if (inbox.ending.aborted) return { kind: 'interrupted', signal: inbox.ending.reason };
  return nested.found.aborted
    ? { kind: 'deadlock', message: nested.found.reason }
    : { kind: 'unsupervised', message: unusable.reason };
}

/** Aborts, with a sentence as its reason, when the prepared command can't be started any more. */
function whenUnusable(link: SupervisorLink): AbortSignal {
  const unusable = new AbortController();
  const abort = () => unusable.abort(ENDED);
  for (const kind of ['cannotStart', 'terminating'] as const) void link.first(kind).then((message) => message && abort());
  if (link.ended.aborted) abort();
  else link.ended.addEventListener('abort', abort, { once: true });
  return unusable.signal;
}

async function underLock(lock: HeldLocks, options: GuardOptions, helpers: Helpers): Promise<GuardOutcome> {
  const { env, whenLost, log } = options;
  const { inbox, command } = helpers;
  // Nothing of the command is alive. False from just before its start until all of it is known to have ended.
  let gone = true;
  let work: Work = 'not-begun';
  try {
    if (inbox.ending.aborted) return { kind: 'interrupted', signal: inbox.ending.reason };
    // This process may have been stopped since it acquired: nothing is started on a lock that has run out.
    if (lock.isLost()) return lostOf(lock);
    const deadlines = whenLost === 'stop' ? () => standInFor(lock.deadlines()) : undefined;
    gone = false;
    work = 'ended';
    const started = await command.start(variablesFor(lock.locks, env), deadlines);
    if (started.kind !== 'started') {
      work = 'not-begun';
      gone = started.kind !== 'unsupervised' || (await command.gone);
      return started.kind === 'too-late' ? lostOf(lock) : started;
    }
    if (inbox.ending.aborted) command.signal(inbox.ending.reason);
    inbox.forwardTo((signal) => command.signal(signal));
    const { overdue, disarm } = patience(options, inbox.ending);
    const result = await supervise(command, lock, options, { inbox, overdue }).finally(disarm);
    gone = result.gone;
    if (command.wasOverdue() && !lock.isLost()) return { kind: 'lost', reason: OVERDUE };
    const outcome = outcomeOf(result.reason, lock, options);
    if (outcome.kind === 'ended' && 'code' in outcome.end && outcome.end.code === 0) work = 'succeeded';
    return outcome;
  } finally {
    if (gone) await lock.release(work);
    else {
      lock.abandon();
      log(
        'error',
        'not released: it is not known whether every process of the command has ended; the lock is free when it expires ' +
          `(${documentAt('safety.md#not-released')})`,
      );
    }
  }
}

/** It may have renewed since: its command is stopped all the same. */
const OVERDUE = 'this guard was silent past the deadline of its lock, so that the supervisor has stopped the command';

function outcomeOf(reason: EndReason, lock: HeldLocks, { whenLost }: GuardOptions): GuardOutcome {
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
    case 'unsupervised':
      return { kind: 'unsupervised', message: ENDED };
    default:
      return reason satisfies never;
  }
}

const lostOf = (lock: HeldLocks): GuardOutcome => ({
  kind: 'lost',
  reason: (lock.lost.reason as Error | undefined)?.message ?? 'its deadline passed before the command was started',
});

/**
 * The keeper of a job's lock: a process of its own that waits for it, renews it while the job's steps run, and releases it. It holds the
 * credentials in memory, where no clean-up of a login action removes them. It ends, releasing the lock, when it is asked to, when the step that
 * started it dies before it knows of the lock, and when the job is over without having said so.
 */
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { type Clock, later, systemClock, toMachineTime, untilAborted, waitUntil } from '../src/clock.ts';
import { eventLog } from '../src/guard/event-log.ts';
import { openSignalInbox } from '../src/guard/signals.ts';
import { describeResumed, describeStop, summariseHolder } from '../src/lock/describe.ts';
import {
  type AcquisitionOfAll,
  acquireAll,
  endedOnceQueued,
  type HeldLocks,
  holdsAlready,
  type LockEvent,
  namedTwice,
  type OneHeld,
  type Participant,
  stopRequestOf,
} from '../src/lock/index.ts';
import { type Log, logOf, logTo } from '../src/log.ts';
import { describeLease } from '../src/names.ts';
import { cancelRun } from './cancel-run.ts';
import { findClusterFor, lockOf, participantsFor } from './connect.ts';
import { type Session, sessionIn } from './job-state.ts';
import { type Report, reporter, whyNot } from './keeper-status.ts';
import { isAlive } from './process-name.ts';
import type { Task } from './task.ts';

/** How often marks and processes are looked at. */
const LOOK_MS = 100;
const STDERR = 2;

export async function keepLock(input: Readable): Promise<void> {
  const task = JSON.parse(await text(input)) as Task;
  // @actions/core looks there for what requests an OIDC token.
  Object.assign(process.env, task.env);
  const clock = systemClock();
  const log = logTo({ clock, format: 'text', level: 'info', fd: STDERR });
  const session = sessionIn(task.folder);
  await acquireAndHold({ task, clock, log, session, report: reporter({ task, session, log }) });
  await log.flush();
}

interface Keeper {
  task: Task;
  clock: Clock;
  log: Log;
  session: Session;
  report: Report;
}

async function acquireAndHold(the: Keeper): Promise<void> {
  const { task, clock, log, report } = the;
  const { inputs, identity } = task;
  const ending = endOf(the);
  report('starting');
  const found = await findClusterFor(inputs.access, { clock, env: process.env, tell: (line) => log('info', line) });
  if (found.cluster.kind === 'refused')
    return report('refused', { message: found.cluster.message, noCredentials: found.cluster.absent === true });
  const { cluster } = found.cluster;
  const participants = participantsFor(inputs, { cluster, clock, identity, about: task.about });
  report('starting', { locks: participants.map(lockOf) });
  const twice = namedTwice(participants);
  if (twice) return report('refused', { message: `${describeLease(twice.me)} is named twice: name each lock once` });
  const lines = linesOf(the, participants);
  const startedAt = clock.now();
  const acquisition = await acquireFor(the, participants, { ending, lines }).finally(lines.close);
  if (acquisition.kind !== 'held') {
    const { phase, ...why } = whyNot(acquisition, found.explain401);
    return report(phase, why);
  }
  const { lock } = acquisition;
  lines.held = lock;
  const words = (of: (one: OneHeld['lock']) => string | number) => lock.locks.map((one) => of(one.lock)).join(' ');
  report('held', {
    locks: lock.locks.map(({ participant }) => lockOf(participant)),
    // A policy may have wanted another id than the one that the step has written down.
    holder: lock.locks[0]?.lock.holder ?? identity.id,
    token: words(({ token }) => token),
    transitions: words(({ transitions }) => transitions),
    waitedMs: clock.now() - startedAt,
    position: 0,
    acquiredAt: clock.wall().toISOString(),
    stopBy: toMachineTime(clock, lock.deadlines().stopBy),
  });
  if (inputs.mode === 'acquire') return lock.abandon();
  await holdUntilEnd(lock, ending, the);
}

async function acquireFor(
  { task: { inputs }, report }: Keeper,
  participants: readonly [Participant, ...Participant[]],
  { ending, lines }: { ending: AbortSignal; lines: Lines },
): Promise<AcquisitionOfAll> {
  const request = { timeoutMs: inputs.timeoutMs, signal: ending };
  const [first] = participants;
  if (inputs.mode !== 'acquire' || !(await holdsAlready(first)))
    return await acquireAll(participants, { ...request, onEvent: lines.onEvent });
  // A job that adds time to a lock of its pipeline must not take it from the others when it is cancelled.
  report('starting', { extended: true });
  return await acquireAll([first], endedOnceQueued({ ...request, onEvent: (event) => lines.onEvent(event, first) }));
}

interface Lines {
  /** All of the locks, once they are. */
  held: HeldLocks | undefined;
  onEvent(event: LockEvent, of: Participant): void;
  close(): void;
}

/** Each event goes to the log, and what the step waits for to its folder, too. */
function linesOf({ clock, log, session, report }: Keeper, participants: readonly Participant[]): Lines {
  // Before all are held, nothing runs under any of them.
  const onLoss = () => (lines.held ? 'the steps of the job continue WITHOUT it' : 'waiting for all of the locks again');
  const all = new Map(participants.map((one) => [one, eventLog(one, logOf(log, one.me), onLoss)]));
  const lines: Lines = {
    held: undefined,
    close() {
      for (const { close } of all.values()) close();
    },
    onEvent(event, of) {
      all.get(of)?.onEvent(event);
      if (event.type === 'waiting') report('waiting', { position: event.position, heldBy: event.heldBy.map(summariseHolder) });
      if (event.type === 'resumed')
        report('starting', { resumed: describeResumed(describeLease(of.me), event.from, clock.wall()) });
      if (event.type === 'renewed') {
        const { stopBy } = lines.held?.deadlines() ?? event.deadlines;
        report(session.status()?.phase ?? 'held', { stopBy: toMachineTime(clock, stopBy) });
      }
    },
  };
  return lines;
}

async function holdUntilEnd(lock: HeldLocks, ending: AbortSignal, { task, clock, log, session, report }: Keeper): Promise<void> {
  const { inputs } = task;
  const since = clock.now();
  lock.stopRequested.addEventListener('abort', () => {
    const request = stopRequestOf(lock);
    const message = describeStop(request);
    report('stop-requested', { message, ...(request.kind === 'replace' && { replaced: message }) });
    if (request.kind === 'replace' && inputs.onLost === 'cancel') void cancelRun(inputs.githubToken ?? '', log, process.env);
  });
  await untilAborted(AbortSignal.any([ending, lock.lost]));
  if (ending.aborted && !session.has('release')) log('error', `releasing the lock: ${ending.reason}`);
  const heldMs = clock.now() - since;
  if (lock.isLost()) {
    const message = (lock.lost.reason as Error).message;
    report('lost', { message, heldMs });
    if (inputs.onLost === 'cancel') await cancelRun(inputs.githubToken ?? '', log, process.env);
    // What is left of it, if anything is; whoever has the lock now is not touched.
    await lock.release();
    return;
  }
  const released = await lock.release();
  // The steps go on, or have gone on, without it: that is a loss, however well it was released.
  if (session.has('taken') && !session.has('release'))
    report('lost', { message: `it was released before the end of the job: ${ending.reason}`, heldMs });
  else if (released.kind === 'failed') report('not-released', { message: released.message, heldMs });
  else report('released', { heldMs });
}

/** Aborts when the lock is not wanted any more, with the reason as a sentence. */
function endOf({ task, session, clock }: Keeper): AbortSignal {
  const ended = new AbortController();
  const inbox = openSignalInbox();
  inbox.ending.addEventListener('abort', () => ended.abort(`ended by ${inbox.ending.reason}`));
  const until = later(clock.now(), LONGEST_JOB_MS);
  const look = async () => {
    while (!ended.signal.aborted) {
      const why = clock.now() >= until ? 'no job lasts longer' : reasonToEnd(task, session);
      if (why !== undefined) ended.abort(why);
      await waitUntil(clock, later(clock.now(), LOOK_MS), ended.signal);
    }
  };
  void look();
  return ended.signal;
}

/** Longer than any job of GitHub's (a self-hosted one ends after five days): a keeper whose runner can't be seen must not hold a lock indefinitely. */
const LONGEST_JOB_MS = 5 * 24 * 3_600_000;

function reasonToEnd({ step, runner }: Task, session: Session): string | undefined {
  if (session.has('release')) return 'it was asked to';
  if (!session.exists()) return 'the temporary folder of the job has gone';
  if (runner !== undefined && !isAlive(runner)) return 'the runner of the job has gone';
  // Looked at again after the step's death: it leaves its mark and ends.
  if (!session.has('taken') && !isAlive(step) && !session.has('taken')) return 'the step that wanted the lock has gone';
  return undefined;
}

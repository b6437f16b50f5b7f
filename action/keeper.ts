/**
 * The keeper of a job's lock: a process of its own that waits for it, renews it while the job's steps run, and releases it. It holds the
 * credentials in memory, where no clean-up of a login action removes them. It ends, releasing the lock, when it is asked to, when the step that
 * started it dies before it knows of the lock, and when the job is over without having said so.
 */
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { type Clock, later, systemClock, toMachineTime, untilAborted, waitUntil } from '../src/clock.ts';
import { type EventLog, eventLog } from '../src/guard/event-log.ts';
import { openSignalInbox } from '../src/guard/signals.ts';
import { describeResumed, describeSkip, describeStop, summariseHolder } from '../src/lock/describe.ts';
import {
  acquire,
  endedOnceQueued,
  type HeldLock,
  holdsAlready,
  type Identity,
  type NotAcquired,
  newParticipant,
  type Participant,
  stopRequestOf,
} from '../src/lock/index.ts';
import { type Log, logOf, logTo } from '../src/log.ts';
import { describeLease } from '../src/names.ts';
import type { About } from '../src/protocol/lock-state.ts';
import { cancelRun } from './cancel-run.ts';
import { findClusterFor } from './connect.ts';
import type { Inputs } from './inputs.ts';
import { type Phase, type Session, type Status, sessionIn } from './job-state.ts';
import { isAlive, nameOf, type ProcessName } from './process-name.ts';

/** All that a keeper needs to know, through its standard input: not its arguments or its environment, which others can read. */
export interface Task {
  folder: string;
  inputs: Inputs;
  identity: Identity;
  about: { [field in keyof About]: string | undefined };
  /** What asks for OIDC tokens and cancels runs. */
  env: Record<string, string | undefined>;
  /** The step that waits for the lock. */
  step: ProcessName;
  /** The runner of this job, where it is to be seen. */
  runner: ProcessName | undefined;
}

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
  const participant = newParticipant({
    ...inputs,
    cluster: found.cluster.cluster,
    clock,
    identity,
    about: task.about,
    createIfAbsent: true,
    legacyExpiry: false,
  });
  report('starting', { namespace: participant.me.namespace });
  const lines = linesOf(the, participant);
  const startedAt = clock.now();
  // A job that adds time to a lock of its pipeline must not take it from the others when it is cancelled.
  const extended = inputs.mode === 'acquire' && (await holdsAlready(participant));
  if (extended) report('starting', { extended });
  const request = { timeoutMs: inputs.timeoutMs, signal: ending, onEvent: lines.onEvent };
  const acquisition = await acquire(participant, extended ? endedOnceQueued(request) : request).finally(lines.close);
  if (acquisition.kind !== 'held') {
    const { phase, ...why } = whyNot(acquisition, found.explain401);
    return report(phase, why);
  }
  const { lock } = acquisition;
  const { holder, token, transitions } = lock;
  report('held', {
    // A policy may have wanted another id than the one that the step has written down.
    holder,
    token,
    transitions,
    waitedMs: clock.now() - startedAt,
    position: 0,
    acquiredAt: clock.wall().toISOString(),
    stopBy: toMachineTime(clock, lock.deadlines().stopBy),
  });
  if (inputs.mode === 'acquire') return lock.abandon();
  await holdUntilEnd(lock, ending, the);
}

/** Each event goes to the log, and what the step waits for to its folder, too. */
function linesOf({ task: { inputs }, clock, log, session, report }: Keeper, participant: Participant): EventLog {
  const onLoss = inputs.mode === 'hold' ? 'the steps of the job continue WITHOUT it' : '';
  const { onEvent, close } = eventLog(participant, logOf(log, participant.me), () => onLoss);
  return {
    close,
    onEvent(event) {
      onEvent(event);
      if (event.type === 'waiting') report('waiting', { position: event.position, heldBy: event.heldBy.map(summariseHolder) });
      if (event.type === 'resumed')
        report('starting', { resumed: describeResumed(describeLease(participant.me), event.from, clock.wall()) });
      if (event.type === 'renewed')
        report(session.status()?.phase ?? 'held', { stopBy: toMachineTime(clock, event.deadlines.stopBy) });
    },
  };
}

async function holdUntilEnd(lock: HeldLock, ending: AbortSignal, { task, clock, log, session, report }: Keeper): Promise<void> {
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

type Report = (phase: Phase, more?: Partial<Status>) => void;

function reporter({ task, session, log }: Omit<Keeper, 'report' | 'clock'>): Report {
  let last: Status = {
    phase: 'starting',
    keeper: nameOf(process.pid),
    name: task.inputs.name,
    namespace: task.inputs.namespace ?? '',
    holder: task.identity.id,
    nonce: task.identity.nonce,
    since: '',
    waitedMs: 0,
    position: 0,
    heldBy: [],
  };
  return (phase, more = {}) => {
    const since = phase === last.phase && last.since !== '' ? last.since : new Date().toISOString();
    last = { ...last, ...more, phase, since };
    try {
      session.write(last);
    } catch (error) {
      // The lock is held all the same; whoever reads an old status takes it for lost rather than for held.
      log('error', `cannot write the status: ${(error as Error).message}`);
    }
  };
}

function whyNot(acquisition: NotAcquired, explain401: () => string): { phase: Phase } & Partial<Status> {
  switch (acquisition.kind) {
    case 'busy': {
      const { waitedMs, position, heldBy } = acquisition;
      return { phase: 'busy', waitedMs, position, heldBy: heldBy.map(summariseHolder) };
    }
    case 'aborted':
      return { phase: 'aborted' };
    case 'refused':
      return acquisition.reason === 'credentials'
        ? { phase: 'refused', message: acquisition.message + explain401(), noCredentials: true }
        : { phase: 'refused', message: acquisition.message };
    case 'stopped':
      return {
        phase: 'refused',
        message: `the wait for the lock was ended: ${describeStop(acquisition.request, 'leave the queue')}`,
      };
    case 'skipped':
      return { phase: 'skipped', message: describeSkip(acquisition.why) };
    case 'unreachable':
      return { phase: 'unreachable', message: acquisition.message };
    default:
      return acquisition satisfies never;
  }
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

/**
 * The keeper of a job's lock: a process of its own that waits for it, renews it while the job's steps run, and gives it back. It holds the
 * credentials in memory, where no clean-up of a login action removes them. It ends, giving the lock back, when it is asked to, when the step that
 * started it dies before it knows of the lock, and when the job is over without having said so.
 */
import { text } from 'node:stream/consumers';
import { type Clock, later, systemClock, toMachineTime, waitUntil } from '../src/clock.ts';
import { tellOf } from '../src/guard/event-log.ts';
import { openSignalInbox } from '../src/guard/signals.ts';
import type { LockEvent } from '../src/lock/events.ts';
import type { Identity } from '../src/lock/identity.ts';
import { type Acquisition, acquire, type HeldLock, stopRequestOf } from '../src/lock/index.ts';
import { holdsAlready, newParticipant } from '../src/lock/new-participant.ts';
import { type Log, logTo } from '../src/log.ts';
import type { About } from '../src/protocol/document.ts';
import { openGate } from './access.ts';
import { cancelRun } from './cancel-run.ts';
import type { Inputs } from './inputs.ts';
import { isAlive, nameOf, type Phase, type ProcessName, type Session, type Status, sessionIn } from './job-state.ts';
import { wordsFor } from './report.ts';

/** All that a keeper is told, through its standard input: not its arguments or its environment, which others can read. */
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

export async function keeper(): Promise<void> {
  const task = JSON.parse(await text(process.stdin)) as Task;
  Object.assign(process.env, task.env);
  const clock = systemClock();
  const log = logTo({ clock, format: 'text', level: 'info', fd: STDERR });
  await keep({ task, clock, log, session: sessionIn(task.folder) });
  await log.flush();
}

interface Keeper {
  task: Task;
  clock: Clock;
  log: Log;
  session: Session;
}

async function keep(the: Keeper): Promise<void> {
  const { task, clock, log, session } = the;
  const { inputs, identity } = task;
  const say = speaker(the);
  const ending = endOf(the);
  say('starting');
  const gate = await openGate(inputs.access, clock);
  if (gate.cluster.kind === 'refused') {
    say('refused', { message: gate.cluster.message });
    return;
  }
  const { cluster } = gate.cluster;
  const namespace = inputs.namespace ?? cluster.namespace ?? 'default';
  const { name, priority } = inputs;
  const newcomer = newParticipant({
    cluster,
    clock,
    namespace,
    name,
    identity,
    about: task.about,
    priority,
    timings: inputs.timings,
    createIfAbsent: true,
    legacyExpiry: false,
    onWatchTrouble: (message) => log('debug', message),
  });
  say('starting', { namespace });
  const tell = tellOf(newcomer, log, inputs.mode === 'hold' ? 'the steps of the job go on WITHOUT it' : '');
  let lock: HeldLock | undefined;
  const emit = (event: LockEvent) => {
    tell(event);
    if (event.type === 'waiting') say('waiting', { position: event.position, heldBy: event.heldBy.map(wordsFor) });
    if (event.type === 'renewed' && lock) say(session.status()?.phase ?? 'held', { stopBy: toMachineTime(clock, event.stopBy) });
  };
  const startedAt = clock.now();
  // A job that adds time to a lock of its pipeline must not take it from the others when it is cancelled.
  const extended = inputs.mode === 'acquire' && (await holdsAlready(newcomer));
  if (extended) say('starting', { extended });
  const signal = extended ? undefined : ending;
  const acquisition = await acquire({ ...newcomer, emit }, { timeoutMs: inputs.timeoutMs, signal });
  if (acquisition.kind !== 'held') {
    const { phase, ...why } = whyNot(acquisition, gate.explain401);
    say(phase, why);
    return;
  }
  lock = acquisition.lock;
  const { token, transitions } = lock;
  const waitedMs = clock.now() - startedAt;
  const acquiredAt = new Date().toISOString();
  // A policy may have wanted another id than the one that the step has written down.
  say('held', {
    holder: lock.holder,
    token,
    transitions,
    waitedMs,
    position: 0,
    acquiredAt,
    stopBy: toMachineTime(clock, lock.stopBy()),
  });
  if (inputs.mode === 'acquire') {
    lock.abandon();
    return;
  }
  const since = clock.now();
  await holdUntil(ending, lock, the, say);
  const heldMs = clock.now() - since;
  if (lock.isLost()) {
    const message = (lock.lost.reason as Error).message;
    say('lost', { message, heldMs });
    if (inputs.onLost === 'cancel') await cancelRun(inputs.githubToken ?? '', log);
    // What is left of it, if anything is; whoever has the lock now is not touched.
    await lock.release();
    return;
  }
  const released = await lock.release();
  // The steps go on, or have gone on, without it: that is a loss, however well it was given back.
  if (session.has('taken') && !session.has('release'))
    say('lost', { message: `it was given back before the end of the job: ${ending.reason}`, heldMs });
  else if (released.kind === 'failed') say('not-released', { message: released.message, heldMs });
  else say('released', { heldMs });
}

type Say = (phase: Phase, more?: Partial<Status>) => void;

function speaker({ task, session, log }: Keeper): Say {
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
      log('error', `can't write the status: ${(error as Error).message}`);
    }
  };
}

function whyNot(
  acquisition: Exclude<Acquisition, { kind: 'held' }>,
  explain401: () => string,
): { phase: Phase } & Partial<Status> {
  switch (acquisition.kind) {
    case 'busy': {
      const { waitedMs, position, heldBy } = acquisition;
      return { phase: 'busy', waitedMs, position, heldBy: heldBy.map(wordsFor) };
    }
    case 'aborted':
      return { phase: 'aborted' };
    case 'refused':
      return { phase: 'refused', message: acquisition.message + (acquisition.status === 401 ? explain401() : '') };
    case 'unreachable':
      return { phase: 'unreachable', message: acquisition.message };
    default:
      return acquisition satisfies never;
  }
}

async function holdUntil(ending: AbortSignal, lock: HeldLock, { session, log }: Keeper, say: Say): Promise<void> {
  lock.stopRequested.addEventListener('abort', () => {
    const { by, reason } = stopRequestOf(lock);
    say('stop-requested', { message: `${by || 'somebody'} asks for the lock${reason ? `: ${reason}` : ''}` });
  });
  const over = AbortSignal.any([ending, lock.lost]);
  if (!over.aborted) await new Promise((resolve) => over.addEventListener('abort', resolve, { once: true }));
  if (ending.aborted && !session.has('release')) log('error', `giving the lock back: ${ending.reason}`);
}

/** Aborts when the lock is not wanted any more, with the reason as a sentence. */
function endOf({ task, session, clock }: Keeper): AbortSignal {
  const ended = new AbortController();
  const inbox = openSignalInbox();
  inbox.ending.addEventListener('abort', () => ended.abort(`ended by ${inbox.ending.reason}`));
  const look = async () => {
    while (!ended.signal.aborted) {
      const why = reasonToEnd(task, session);
      if (why !== undefined) ended.abort(why);
      await waitUntil(clock, later(clock.now(), LOOK_MS), ended.signal);
    }
  };
  void look();
  return ended.signal;
}

function reasonToEnd({ step, runner }: Task, session: Session): string | undefined {
  if (session.has('release')) return 'it was asked to';
  if (!session.exists()) return 'the temporary folder of the job has gone';
  if (runner !== undefined && !isAlive(runner)) return 'the runner of the job has gone';
  // Looked at again after the step's death: it leaves its mark and ends.
  if (!session.has('taken') && !isAlive(step) && !session.has('taken')) return 'the step that wanted the lock has gone';
  return undefined;
}

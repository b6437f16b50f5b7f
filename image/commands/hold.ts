/**
 * `k8s-lease-lock hold`: holds the lock for a Pod, as its native sidecar. The kubelet is what stops the other containers: their livenessProbe asks
 * this process whether the lock is held, and is told no early enough for all that the kubelet then takes. What that can and can't do: docs/sidecar.md.
 */
import { stat } from 'node:fs/promises';
import { later, untilAborted, waitUntil } from '../../src/clock.ts';
import { documentAt } from '../../src/documents.ts';
import { openSignalInbox } from '../../src/guard/signals.ts';
import { describeStop } from '../../src/lock/describe.ts';
import {
  acquireAll,
  type HeldLocks,
  type LockEvent,
  namedTwice,
  type Participant,
  type Released,
  release,
  stopRequestOf,
} from '../../src/lock/index.ts';
import { type Log, logOf } from '../../src/log.ts';
import { describeLease } from '../../src/names.ts';
import type { CommandLineShape, Env, Reader } from '../command-line.ts';
import { EXIT, reportNotAcquired, signalled } from '../exit-codes.ts';
import { pick, SHARING, WAITING } from '../option-table.ts';
import {
  given,
  holderPolicies,
  type JoinSettings,
  joinSettings,
  type Line,
  LOCK_NAMES,
  lockNames,
  readLine,
  type SeveralSettings,
} from '../options.ts';
import { holdMark } from '../pod/hold-mark.ts';
import { podTimings } from '../pod/pod-timings.ts';
import { type HeldState, STATUS_PORT, type StatusServer, serveStatus } from '../pod/status-server.ts';
import { tellOf } from '../pod/tell.ts';
import { type CommandContext, complain, identityOf, participantsOf, runCommand } from '../run-command.ts';

export interface HoldSettings extends JoinSettings, SeveralSettings {
  dir: string;
  statusPort: number;
}

export const SHAPE: CommandLineShape = {
  usage: `Usage: k8s-lease-lock hold --name NAME [options]\n\nHolds a lock for the other containers of its Pod, as a native sidecar (${documentAt('sidecar.md')}).`,
  options: pick([...WAITING, ...SHARING, 'no-replace', 'min-hold', 'pod-grace', 'containers', 'status-port', 'dir'], {
    'lease-duration': { unset: '60s, or what --pod-grace needs' },
    'status-port': { default: String(STATUS_PORT) },
    ...LOCK_NAMES,
  }),
  operands: 'none',
};

export function readHoldCommandLine(argv: readonly string[], env: Env): Line<HoldSettings> {
  return readLine(SHAPE, holdSettings, argv, env);
}

function holdSettings(read: Reader): HoldSettings {
  const locks = lockNames(read);
  const joined = joinSettings(read, locks[0].name);
  const graceMs = given(read.duration('pod-grace'));
  const containers = given(read.integer('containers', { from: 1, to: 100 }));
  return {
    ...joined,
    locks,
    policies: holderPolicies(read),
    dir: given(read.text('dir')),
    statusPort: given(read.integer('status-port', { from: 0, to: 65_535 })),
    timings: podTimings(graceMs, containers, read.duration('lease-duration')),
  };
}

/**
 * From the kubelet's SIGTERM until the lock is given back. It comes when the other containers have ended, or when their time is over: then they and
 * this process are killed two seconds later. So whoever lives for twice as long has seen them end; one that does not lets the lock expire.
 */
const LAST_SECONDS_MS = 4000;
/** From when on after SIGTERM a question can't be one that was under way: somebody is still running. */
const LAST_QUESTION_MS = 1000;

export async function hold(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  return await runCommand({ command: 'hold', line: readHoldCommandLine(argv, env), env }, holdForPod);
}

type Holding = CommandContext & {
  settings: HoldSettings;
  participants: readonly [Participant, ...Participant[]];
  status: StatusServer;
  ending: AbortSignal;
};

async function holdForPod(settings: HoldSettings, given: CommandContext): Promise<number> {
  const before = await holdMark(settings.dir).read();
  const participants = participantsOf(settings, given, before ?? identityOf(settings, given));
  const [first, ...others] = participants;
  const twice = namedTwice(participants);
  if (twice) return complain(`${describeLease(twice.me)} is named twice: name each lock once`, EXIT.usage.code);
  const log = others.length > 0 ? given.log : logOf(given.log, first.me);
  const context = { ...given, log };
  if (!(await stat(settings.dir).catch(() => undefined))?.isDirectory()) {
    log(
      'error',
      `--dir ${settings.dir} is not a directory: mount an emptyDir there, so that a restart can be detected (${documentAt('sidecar.md#restarts')})`,
    );
    return EXIT.configuration.code;
  }
  const { ending } = openSignalInbox();
  const status = await serveStatus(settings.statusPort, {
    ...context,
    locks: participants.map(({ me }) => me),
    keepsRunning: true,
  });
  if (status.kind === 'refused') {
    log('error', status.message);
    return EXIT.configuration.code;
  }
  const holding = { ...context, settings, participants, status, ending };
  return before ? await afterRestart(holding) : await holdFromStart(holding);
}

async function holdFromStart(holding: Holding): Promise<number> {
  const { participants, status, log, ending } = holding;
  const told = tellOf(participants, holding, 'the kubelet will stop containers whose probe asks /held');
  const onEvent = (event: LockEvent, of: Participant) => {
    told.onEvent(event, of);
    status.onEvent(event, of.me);
  };
  try {
    const acquisition = await acquireAll(participants, { signal: ending, onEvent });
    if (acquisition.kind === 'held') return await holdUntilEnd(acquisition.lock, holding);
    if (acquisition.kind !== 'aborted')
      return reportNotAcquired(acquisition, {
        ...{ participant: acquisition.of, log, onBusy: 'wait' as const },
        ...{ conflictExitCode: EXIT.notAcquired.code, skippedExitCode: 0 },
      });
    log('error', `not acquired: ended by ${ending.reason} while waiting`);
    return signalled(ending.reason);
  } finally {
    told.close();
    await told.sent();
  }
}

async function holdUntilEnd(lock: HeldLocks, holding: Holding): Promise<number> {
  const { settings, log, status, ending } = holding;
  const mark = holdMark(settings.dir);
  const { nonce } = holding.participants[0].me;
  const over = AbortSignal.any([ending, lock.lost, lock.stopRequested]);
  let relied = false;
  let marking: Promise<void> | undefined;
  status.answerHeld(async () => {
    const state = stateOf(lock);
    if (!state.held || relied) return state;
    try {
      // Before anybody relies on it: what then starts must not outlive this process unseen.
      marking ??= mark.write({ id: holderOf(lock), nonce });
      await marking;
    } catch (error) {
      marking = undefined;
      log('error', `cannot write to --dir ${settings.dir}: ${(error as Error).message}`);
      return { held: false, message: `held, but its mark cannot be written: ${(error as Error).message}` };
    }
    // It may be over since: then nobody has heard a yes, and nobody shall.
    if (over.aborted) return { held: false, message: RELEASED_EARLY };
    relied = true;
    return stateOf(lock);
  });
  await untilAborted(over);
  if (!relied) {
    // Nothing has started, so that nothing would ever end this Pod: out of the way, to come again.
    status.answerHeld(() => ({ held: false, message: RELEASED_EARLY }));
    await marking?.catch(() => {});
    await mark.remove();
    return exitCode(await lock.release('not-begun'), { lock, log });
  }
  await untilAborted(ending);
  const wasLost = lock.isLost();
  if (await isStillAsked(holding)) {
    lock.abandon();
    return EXIT.lost.code;
  }
  return exitCode(await lock.release(), { lock, log, wasLost });
}

const RELEASED_EARLY = 'released before anything started';

/** True, and said, if somebody asks in the last seconds, when nobody should be there any more. */
async function isStillAsked({ status, clock, log }: Holding): Promise<boolean> {
  const from = later(clock.now(), LAST_QUESTION_MS);
  let asked = false;
  status.answerHeld(() => {
    asked ||= clock.now() >= from;
    return { held: false, message: 'this Pod is ending' };
  });
  await waitUntil(clock, later(clock.now(), LAST_SECONDS_MS));
  if (asked)
    log(
      'error',
      `not released: a container still asks whether the lock is held; it is free when it expires (${documentAt('sidecar.md#how-a-pod-ends')})`,
    );
  return asked;
}

function exitCode(
  released: Released,
  { lock, log, wasLost = lock.isLost() }: { lock: HeldLocks; log: Log; wasLost?: boolean },
): number {
  if (released.kind === 'gone' && !wasLost) log('error', 'nothing to release: another client has taken or cleared the lock');
  if (wasLost || released.kind === 'gone') return EXIT.lost.code;
  return released.kind === 'failed' ? EXIT.unreachable.code : 0;
}

/** A policy may have wanted another id than the one that it came with, and then for all of them. */
const holderOf = ({ locks: [first] }: HeldLocks): string => first?.lock.holder ?? '';

/** What the kubelet's probes are told, looked up at every question. */
function stateOf(lock: HeldLocks): HeldState {
  if (lock.isLost()) return { held: false, message: `lost: ${(lock.lost.reason as Error).message}` };
  if (!lock.stopRequested.aborted) return { held: true, message: `held as ${holderOf(lock)}` };
  return { held: false, message: describeStop(stopRequestOf(lock)) };
}

/** Nobody has renewed meanwhile, and whoever is running does not know it. It is not held again: the kubelet is to stop the Pod. */
async function afterRestart(holding: Holding): Promise<number> {
  const { participants, log, status, ending } = holding;
  const message = `the container that held the lock was restarted: it is no longer held, and this Pod must end (${documentAt('sidecar.md#restarts')})`;
  log('error', message);
  status.answerHeld(() => ({ held: false, message }));
  await untilAborted(ending);
  if (await isStillAsked(holding)) return EXIT.lost.code;
  await Promise.all(participants.map((participant) => releaseAfterRestart(participant, holding)));
  return EXIT.lost.code;
}

async function releaseAfterRestart(participant: Participant, { log }: Holding): Promise<void> {
  const released = await release(participant, undefined);
  const subject = describeLease(participant.me);
  if (released.kind === 'released') log('info', `released ${subject}, held by this sidecar before its restart`);
  if (released.kind === 'failed') log('error', `not released: ${released.message}; the lock expires by itself`);
}

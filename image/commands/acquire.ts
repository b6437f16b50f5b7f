/**
 * `k8s-lease-lock acquire`: takes a lock for a process that "k8s-lease-lock release" ends, both of which know the same holder. Nothing renews it in
 * between, and nothing is stopped when its time is over: for pipelines, and for Pods where a sidecar is not possible.
 */
import { documentAt } from '../../src/documents.ts';
import { formatDuration } from '../../src/durations.ts';
import { eventLog } from '../../src/guard/event-log.ts';
import { openSignalInbox } from '../../src/guard/signals.ts';
import {
  acquire as acquireLock,
  endedOnceQueued,
  type HeldLock,
  holdsAlready,
  type Participant,
  podOf,
  sharedIdentity,
  timeoutOf,
} from '../../src/lock/index.ts';
import { logOf } from '../../src/log.ts';
import { timings } from '../../src/protocol/timings.ts';
import { visibleJson } from '../../src/visible.ts';
import { type CommandLineShape, type Env, type Reader, UsageError } from '../command-line.ts';
import { EXIT, reportNotAcquired, signalled } from '../exit-codes.ts';
import { pick, SHARING, WAITING } from '../option-table.ts';
import {
  given,
  type JoinSettings,
  joinSettings,
  type Line,
  readLine,
  settled,
  type WaitSettings,
  waiterPolicies,
  waitSettings,
} from '../options.ts';
import { type CommandContext, participantOf, runCommand } from '../run-command.ts';
import { printLine } from '../stdout.ts';

/** What is printed on stdout for scripts. */
const OUTPUTS = ['none', 'token', 'json'] as const;

export interface AcquireSettings extends JoinSettings, WaitSettings {
  output: (typeof OUTPUTS)[number];
}

export const SHAPE: CommandLineShape = {
  usage:
    'Usage: k8s-lease-lock acquire --name NAME --lease-duration DURATION [options]\n\n' +
    'Takes a lock that "k8s-lease-lock release" releases. It is not renewed, and nothing is stopped when its time is over\n' +
    `(${documentAt('sidecar.md#acquire-and-release')}).`,
  options: pick([...WAITING, 'timeout', 'on-busy', 'supersede', ...SHARING, 'conflict-exit-code', 'output'], {
    output: { choices: OUTPUTS, default: 'none', meaning: 'print the fencing token on stdout, alone or with holder and Lease' },
    'lease-duration': undefined,
    holder: { unset: 'the Pod' },
  }),
  operands: 'none',
};

/** What a lock without a command is called in refusals: it has no grace. */
export const NO_GRACE = { duration: 'lease duration', grace: 'its renewal', shorterGrace: undefined, stopping: 'reserve' };

function readSettings(read: Reader): AcquireSettings {
  const durationMs = read.duration('lease-duration');
  if (durationMs === undefined)
    throw new UsageError('--lease-duration is required: a lock taken by "acquire" is not renewed, so it must outlast the work');
  const output = given(read.choice('output', OUTPUTS));
  const waits = waitSettings(read);
  const policies = waiterPolicies(read, waits.onBusy);
  return { ...joinSettings(read), ...waits, policies, output, timings: settled(timings(durationMs, 0), NO_GRACE) };
}

export function readAcquireCommandLine(argv: readonly string[], env: Env): Line<AcquireSettings> {
  return readLine(SHAPE, readSettings, argv, env);
}

export async function acquire(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  return await runCommand({ command: 'acquire', line: readAcquireCommandLine(argv, env), env }, acquireForOthers);
}

async function acquireForOthers(settings: AcquireSettings, context: CommandContext): Promise<number> {
  const { clock } = context;
  const participant = sharedParticipant(settings, context);
  if (!participant) return EXIT.configuration.code;
  const log = logOf(context.log, participant.me);
  const { ending } = openSignalInbox();
  const { onBusy } = settings;
  const { onEvent, close } = eventLog(participant, log, () => '');
  const request = {
    timeoutMs: timeoutOf(settings.timeoutMs, onBusy),
    signal: ending,
    onEvent,
  };
  // A process that adds time to a lock of its own does not lose it by being ended meanwhile.
  const extends_ = await holdsAlready(participant);
  const acquisition = await acquireLock(participant, extends_ ? endedOnceQueued(request) : request).finally(close);
  if (acquisition.kind === 'aborted') {
    log('error', `not acquired: ended by ${ending.reason} while waiting`);
    return signalled(ending.reason);
  }
  if (acquisition.kind !== 'held') return reportNotAcquired(acquisition, { ...settings, participant, log });
  const { lock } = acquisition;
  lock.abandon();
  const left = formatDuration(Math.max(0, lock.deadlines().expiresAt - clock.now()));
  log('info', `held as ${lock.holder} for ${left} at most: it is not renewed`);
  await printAcquired(settings.output, participant, lock);
  return 0;
}

async function printAcquired(
  output: AcquireSettings['output'],
  { me: { namespace, name } }: Participant,
  lock: HeldLock,
): Promise<void> {
  const { holder, token, transitions } = lock;
  if (output === 'token') await printLine(token);
  if (output === 'json') await printLine(visibleJson({ namespace, name, holder, token, transitions }));
}

/** Everyone who gives the same holder is the same participant; in a Pod that is the Pod. */
export function sharedParticipant(settings: JoinSettings, context: CommandContext): Participant | undefined {
  const id = settings.holder ?? podOf(context.podToken);
  if (id !== undefined) return participantOf(settings, context, sharedIdentity(id));
  const message = '--holder is required outside a Pod: "acquire" and "release" must name the same holder';
  context.log('error', `${message}, such as --holder pipeline-4711`);
  return undefined;
}

/** `k8s-lease-lock run`: a command under a lock. Reads its settings, finds the cluster, and hands both to the guard. */
import { realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isSea } from 'node:sea';
import { guard } from '../../src/guard/guard.ts';
import { inheritedDescriptors } from '../../src/guard/inherited-fds.ts';
import { dieBy } from '../../src/guard/signals.ts';
import { openSupervisor, type SupervisorSource } from '../../src/guard/supervisor/link.ts';
import { namedTwice } from '../../src/lock/index.ts';
import { logOf } from '../../src/log.ts';
import { describeLease } from '../../src/names.ts';
import { type CommandLineShape, type Env, type Reader, UsageError } from '../command-line.ts';
import { EXIT, reportOutcome } from '../exit-codes.ts';
import { pick, SHARING, WAITING } from '../option-table.ts';
import {
  holderPolicies,
  type JoinSettings,
  joinSettings,
  killGraceTimings,
  type Line,
  LOCK_NAMES,
  lockNames,
  oncePolicy,
  readLine,
  readOnLost,
  readOrphans,
  type SeveralSettings,
  type WaitSettings,
  waiterPolicies,
  waitSettings,
} from '../options.ts';
import { serveStatus } from '../pod/status-server.ts';
import { tellOf } from '../pod/tell.ts';
import { type CommandContext, complain, identityOf, participantsOf, runCommand } from '../run-command.ts';

export interface RunSettings extends JoinSettings, SeveralSettings, WaitSettings {
  onLost: 'stop' | 'warn';
  orphans: 'stop' | 'wait';
  statusPort: number | undefined;
  argv: readonly [string, ...string[]];
}

export const SHAPE: CommandLineShape = {
  usage:
    'Usage: k8s-lease-lock run --name NAME [options] [--] command [arguments...]\n\nRuns a command under a lock of a Kubernetes cluster.',
  options: pick(
    [
      ...WAITING,
      ...([
        'timeout',
        'on-busy',
        'supersede',
        ...SHARING,
        'no-replace',
        'min-hold',
        'once',
        'kill-grace',
        'on-lost',
        'orphans',
        'status-port',
      ] as const),
      'conflict-exit-code',
    ],
    LOCK_NAMES,
  ),
  operands: 'command',
  operand: { value: 'FILE' },
};

export function readRunCommandLine(argv: readonly string[], env: Env): Line<RunSettings> {
  return readLine(SHAPE, runSettings, argv, env);
}

function runSettings(read: Reader, [file, ...args]: readonly string[]): RunSettings {
  const locks = lockNames(read);
  const joined = joinSettings(read, locks[0].name);
  if (file === undefined) throw new UsageError('no command given: k8s-lease-lock run --name NAME -- command [arguments...]');
  if (file === '') throw new UsageError('the command is an empty string');
  const waits = waitSettings(read);
  const statusPort = read.integer('status-port', { from: 0, to: 65_535 });
  return {
    ...joined,
    locks,
    ...waits,
    policies: { ...waiterPolicies(read, waits.onBusy), ...holderPolicies(read), ...oncePolicy(read) },
    onLost: readOnLost(read),
    orphans: readOrphans(read),
    statusPort,
    argv: [file, ...args],
    timings: killGraceTimings(read),
  };
}

const ON_LOSS = {
  stop: 'stopping the command',
  warn: 'the command goes on WITHOUT the lock (--on-lost warn)',
};

/** Where this program and its supervisor come from; `commandAt`: index of the command in `argv`. */
function supervisorFor(env: NodeJS.ProcessEnv, descriptors: readonly number[], commandAt: number): SupervisorSource {
  if (!isSea()) return { kind: 'folder', folder: join(dirname(realpathSync(process.argv[1] ?? '')), 'supervisor'), descriptors };
  // Its own arguments are its name, "run", and `argv`.
  return { kind: 'first', socket: socketOf(env), commandAt: 2 + commandAt };
}

/** What `first` has given to this process, and not to the command (first.c). */
function socketOf({ K8S_LEASE_LOCK_SUPERVISOR: given }: NodeJS.ProcessEnv): number | undefined {
  return given === undefined ? undefined : Number(given);
}

export async function run(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  // Before this process opens any of its own.
  const descriptors = isSea() ? [] : inheritedDescriptors();
  return await runCommand({ command: 'run', line: readRunCommandLine(argv, env), env }, (settings, context) =>
    runUnderLock(settings, context, { env, supervisor: supervisorFor(env, descriptors, argv.length - settings.argv.length) }),
  );
}

async function runUnderLock(
  settings: RunSettings,
  context: CommandContext,
  { env, supervisor }: { env: NodeJS.ProcessEnv; supervisor: SupervisorSource },
): Promise<number> {
  const participants = participantsOf(settings, context, identityOf(settings, context));
  const [first, ...others] = participants;
  const log = others.length > 0 ? context.log : logOf(context.log, first.me);
  const twice = namedTwice(participants);
  if (twice) return complain(`${describeLease(twice.me)} is named twice: name each lock once`, EXIT.usage.code);
  const status =
    settings.statusPort === undefined
      ? undefined
      : await serveStatus(settings.statusPort, { ...context, log, locks: participants.map(({ me }) => me), keepsRunning: false });
  if (status?.kind === 'refused') {
    log('error', status.message);
    return EXIT.configuration.code;
  }
  const told = tellOf(participants, context, ON_LOSS[settings.onLost]);
  const outcome = await guard({
    ...settings,
    participants,
    env,
    whenLost: settings.onLost === 'stop' ? 'stop' : 'go-on',
    openSupervisor: openSupervisor(supervisor),
    log,
    onEvent(event, of) {
      told.onEvent(event, of);
      status?.onEvent(event, of.me);
    },
  }).finally(told.close);
  const participant = outcome.kind === 'not-acquired' ? outcome.of : first;
  const code = reportOutcome(outcome, { ...settings, participant, log });
  await Promise.all([told.sent(), log.flush()]);
  // Under `first` it is `first` that ends so, and a guard that ends by a signal would look as if it had been killed.
  if (supervisor.kind === 'folder' && outcome.kind === 'ended' && 'signal' in outcome.end) dieBy(outcome.end.signal);
  return code;
}

/** `k8s-lease-lock run`: a command under a lock. Reads its settings, finds the cluster, and hands both to the guard. */
import { logEvents } from '../../src/guard/event-log.ts';
import { guard } from '../../src/guard/guard.ts';
import { inheritedDescriptors } from '../../src/guard/inherited-fds.ts';
import { watchdogNeeded } from '../../src/guard/watchdog-needed.ts';
import { type Env, type Reader, UsageError } from '../command-line.ts';
import { EXIT, reportOutcome } from '../exit-codes.ts';
import {
  type JoinSettings,
  joinSettings,
  killGraceTimings,
  type Line,
  pick,
  readLine,
  readOnLost,
  readOrphans,
  WAITING,
  type WaitSettings,
  waitSettings,
} from '../options.ts';
import { podEvents } from '../pod/pod-events.ts';
import { serveStatus } from '../pod/status-server.ts';
import { respawn } from '../respawn.ts';
import { type CommandContext, participantOf, runCommand } from '../run-command.ts';

export interface RunSettings extends JoinSettings, WaitSettings {
  onLost: 'stop' | 'warn';
  orphans: 'stop' | 'wait';
  statusPort: number | undefined;
  argv: readonly [string, ...string[]];
}

const USAGE =
  'Usage: k8s-lease-lock run --name NAME [options] [--] command [arguments...]\n\nRuns a command under a lock of a Kubernetes cluster.';
export const RUN_OPTIONS = pick([
  ...WAITING,
  ...(['timeout', 'on-busy', 'kill-grace', 'on-lost', 'orphans', 'status-port', 'conflict-exit-code'] as const),
]);

export function readRunCommandLine(argv: readonly string[], env: Env): Line<RunSettings> {
  return readLine({ usage: USAGE, options: RUN_OPTIONS, operands: 'command' }, runSettings, argv, env);
}

function runSettings(read: Reader, [file, ...args]: readonly string[]): RunSettings {
  const joined = joinSettings(read);
  if (file === undefined) throw new UsageError('no command given: k8s-lease-lock run --name NAME -- command [arguments...]');
  if (file === '') throw new UsageError('the command is an empty string');
  return {
    ...joined,
    ...waitSettings(read),
    onLost: readOnLost(read),
    orphans: readOrphans(read),
    statusPort: read.integer('status-port', { from: 0, to: 65_535 }),
    argv: [file, ...args],
    timings: killGraceTimings(read),
  };
}

/**
 * A watchdog does next to nothing, and is to take as little memory for it as Node can do with. It compiles and collects on its own thread: in so small
 * a heap one that compiles beside may wait for a collection while the process ends, which then never ends.
 */
const WATCHDOG_FLAGS = [
  ...['--max-old-space-size=16', '--max-semi-space-size=1', '--single-threaded-gc'],
  ...['--no-concurrent-sparkplug', '--no-concurrent-recompilation'],
];

const ON_LOSS = {
  stop: 'stopping the command',
  warn: 'the command goes on WITHOUT the lock (--on-lost warn)',
};

/** `endsWithContainer`: this process can't die alone, as its launcher knows. */
export async function run(argv: readonly string[], env: NodeJS.ProcessEnv, endsWithContainer: boolean): Promise<number> {
  const descriptors = inheritedDescriptors();
  return await runCommand({ command: 'run', line: readRunCommandLine(argv, env), env }, (settings, context) =>
    runUnderLock(settings, context, { env, descriptors, alone: watchdogNeeded() && !endsWithContainer }),
  );
}

async function runUnderLock(
  settings: RunSettings,
  context: CommandContext,
  { env, descriptors, alone }: { env: NodeJS.ProcessEnv; descriptors: number[]; alone: boolean },
): Promise<number> {
  const { log } = context;
  const participant = participantOf(settings, context);
  const status =
    settings.statusPort === undefined ? undefined : await serveStatus(settings.statusPort, { ...context, keepsRunning: false });
  if (status?.kind === 'refused') {
    log('error', status.message);
    return EXIT.configuration.code;
  }
  const events = podEvents(participant.me, context);
  const logEvent = logEvents(participant, log, ON_LOSS[settings.onLost]);
  const outcome = await guard({
    ...settings,
    participant,
    env,
    whenLost: settings.onLost === 'stop' ? 'stop' : 'go-on',
    watchdog: alone ? respawn(WATCHDOG_FLAGS, 'watchdog') : undefined,
    terminal: process.stdin.isTTY === true,
    descriptors,
    log,
    onEvent(event) {
      logEvent(event);
      status?.onEvent(event);
      events.onEvent(event);
    },
  });
  const code = reportOutcome(outcome, { ...settings, participant, log });
  await events.sent();
  return code;
}

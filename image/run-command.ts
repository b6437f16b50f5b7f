/** Runs a command of the command line: with a log, a cluster, and the settings; and makes participants of the lock for it. */
import { isatty } from 'node:tty';
import type { Cluster } from '../src/api/cluster.ts';
import { findCluster } from '../src/api/find-cluster.ts';
import { type Clock, systemClock } from '../src/clock.ts';
import { hostInfo } from '../src/host.ts';
import { type Identity, newIdentity, newParticipant, type Participant } from '../src/lock/index.ts';
import { type Log, logTo } from '../src/log.ts';
import type { LockName } from '../src/names.ts';
import { visible } from '../src/visible.ts';
import { type CommandLine, type Env, type Reader, UsageError } from './command-line.ts';
import { EXIT } from './exit-codes.ts';
import type { ConnectSettings, JoinSettings, Line, SeveralSettings } from './options.ts';
import { printLine } from './stdout.ts';

const STDIN = 0;
const STDERR = 2;
/** Of a terminal that does not say its width. */
const NARROW_COLUMNS = 80;

export interface CommandContext {
  clock: Clock;
  log: Log;
  cluster: Cluster;
  /** The bearer token, where it is a Pod's own: it says which Pod this is. */
  podToken: string | undefined;
}

type Act<Settings> = (settings: Settings, context: CommandContext) => Promise<number>;

/** Does what the command line asks for, or says why not; returns the exit code. Whatever was logged is written by then. */
export async function runCommand<Settings extends JoinSettings>(
  { command, line, env }: { command: string; line: Line<Settings>; env: NodeJS.ProcessEnv },
  act: Act<Settings>,
): Promise<number> {
  switch (line.kind) {
    case 'help':
      await printLine(line.text);
      return 0;
    case 'usage':
      return complain(`${line.message} (see "k8s-lease-lock ${command} --help")`, EXIT.usage.code);
    case 'configuration':
      return complain(line.message, EXIT.configuration.code);
    case 'settings':
      return await withContext(line.settings, env, act);
    default:
      return line satisfies never;
  }
}

/** For a command that needs no cluster: a bad command line becomes a sentence and an exit code. */
export async function reportUsage(command: string, act: () => number | Promise<number>): Promise<number> {
  try {
    return await act();
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    return complain(`${error.message} (see "k8s-lease-lock ${command} --help")`, EXIT.usage.code);
  }
}

/** For a command that looks at locks, and wants none itself. */
export interface OperateContext extends CommandContext {
  env: Env;
}

interface OperateLine<Settings> {
  command: string;
  line: Promise<CommandLine>;
  /** May throw UsageError. */
  settingsOf(read: Reader, operands: readonly string[]): Settings;
  env: Env;
}

export async function operate<Settings extends ConnectSettings>(
  { command, line, settingsOf, env }: OperateLine<Settings>,
  act: (settings: Settings, context: OperateContext) => Promise<number>,
): Promise<number> {
  return await reportUsage(command, async () => {
    const given = await line;
    if (given.kind === 'help') await printLine(given.text);
    if (given.kind === 'help') return 0;
    const settings = { ...settingsOf(given.read, given.operands), logFormat: 'text', level: 'info' } as const;
    return await withContext(settings, env, (_, context) => act(settings, { ...context, env }));
  });
}

/** Of the terminal, where stderr is one that can erase a line. */
const columnsOf = (env: Env) =>
  // Whoever asks process.stderr, or process.stdin, changes the flags of a pipe, which the command would inherit.
  isatty(STDERR) && env.TERM !== 'dumb' ? () => process.stderr.columns || NARROW_COLUMNS : undefined;

export function complain(message: string, code: number): number {
  process.stderr.write(`k8s-lease-lock: ${visible(message)}\n`);
  return code;
}

async function withContext<Settings extends ConnectSettings & Pick<JoinSettings, 'logFormat' | 'level'>>(
  settings: Settings,
  env: Env,
  act: Act<Settings>,
): Promise<number> {
  const clock = systemClock();
  const log = logTo({ clock, format: settings.logFormat, level: settings.level, fd: STDERR, columns: columnsOf(env) });
  try {
    const tell = (line: string) => log('info', line);
    const found = await findCluster({ ...settings, env, terminal: isatty(STDIN), tell });
    if (found.kind === 'cluster') {
      const { cluster } = found;
      return await act(settings, { clock, log, cluster, podToken: await cluster.podToken() });
    }
    log('error', found.message);
    return EXIT.configuration.code;
  } finally {
    await log.flush();
  }
}

/** A new one, for this process alone. */
export const identityOf = ({ holder }: JoinSettings, { podToken }: CommandContext): Identity =>
  newIdentity({ prefix: holder, token: podToken, host: hostInfo().host });

export function participantOf(settings: JoinSettings, context: CommandContext, identity?: Identity): Participant {
  const { clock, cluster } = context;
  const { reason, url } = settings;
  const { host, user } = hostInfo();
  return newParticipant({
    ...settings,
    cluster,
    clock,
    identity: identity ?? identityOf(settings, context),
    about: { who: user, reason, url, host },
  });
}

/** One for each lock, with one identity. */
export function participantsOf(
  settings: JoinSettings & SeveralSettings,
  context: CommandContext,
  identity: Identity,
): [Participant, ...Participant[]] {
  const of = ({ namespace = settings.namespace, name }: LockName) =>
    participantOf({ ...settings, namespace, name }, context, identity);
  const [first, ...others] = settings.locks;
  return [of(first), ...others.map(of)];
}

/**
 * The command line of `run`: every option once, with its environment variable, default and meaning, and the way from text to typed values.
 * Reading stops at `--` or at the first operand; from there on everything belongs to the command, byte for byte.
 */
import yargs from 'yargs';
import { problemOfHolder, problemOfName, problemOfNamespace } from '../src/names.ts';
import { parseDuration, type Timings, timings } from '../src/settings.ts';

export interface Option {
  name: string;
  alias?: string;
  /** How the value is written; absent for a flag. */
  value?: string;
  choices?: readonly string[];
  default?: string;
  meaning: string;
}

export const RUN_OPTIONS: readonly Option[] = [
  { name: 'name', value: 'NAME', meaning: 'name of the lock: of its Lease (required)' },
  { name: 'namespace', alias: 'n', value: 'NAMESPACE', default: "the context's or the Pod's", meaning: 'namespace of the Lease' },
  { name: 'timeout', value: 'DURATION', default: 'for ever', meaning: 'how long to wait for the lock; 0 tries once' },
  {
    name: 'on-busy',
    value: 'WHAT',
    choices: ['wait', 'fail', 'skip'],
    default: 'wait',
    meaning:
      'wait for the lock; or fail (exit 75) or skip (exit 0) where it is not free, or not within --timeout where that is given',
  },
  { name: 'priority', value: 'NUMBER', default: '0', meaning: 'place in the queue: higher is served first' },
  {
    name: 'lease-duration',
    value: 'DURATION',
    default: '60s',
    meaning: 'how long the lock outlives a guard that has died; it is renewed four times within',
  },
  {
    name: 'kill-grace',
    value: 'DURATION',
    default: '10s',
    meaning: 'time between SIGTERM and SIGKILL when the command has to be stopped',
  },
  {
    name: 'on-lost',
    value: 'WHAT',
    choices: ['stop', 'warn'],
    default: 'stop',
    meaning: 'stop the command when the lock is lost; or only warn, and let it go on without',
  },
  {
    name: 'orphans',
    value: 'WHAT',
    choices: ['stop', 'wait'],
    default: 'stop',
    meaning: 'stop the processes that the command leaves behind when it ends; or wait for them, and keep the lock as long',
  },
  { name: 'health-port', value: 'PORT', meaning: 'serve /healthz (held, and in time) and /metrics (Prometheus) on this port' },
  { name: 'holder', value: 'ID', default: 'the Pod or the host', meaning: 'who holds the lock; a random part is added to it' },
  { name: 'reason', value: 'TEXT', meaning: 'why, for those who wait' },
  { name: 'url', value: 'URL', meaning: 'where to look, for those who wait' },
  { name: 'conflict-exit-code', alias: 'E', value: 'CODE', default: '75', meaning: 'exit code when the lock was not acquired' },
  { name: 'no-create', meaning: 'refuse a Lease that does not exist instead of making it' },
  { name: 'legacy-expiry', meaning: 'write the time of expiry into renewTime, for locks shared with K8SLock 0.2.5' },
  {
    name: 'kubeconfig',
    value: 'FILE',
    default: 'KUBECONFIG, ~/.kube/config, else the Pod',
    meaning: 'kubeconfig to find the cluster in',
  },
  { name: 'context', value: 'NAME', default: 'the current one', meaning: 'context of the kubeconfig' },
  { name: 'server', value: 'URL', meaning: 'API server, instead of a kubeconfig' },
  { name: 'token-file', value: 'FILE', meaning: 'bearer token for --server; read again when it changes' },
  {
    name: 'certificate-authority',
    value: 'FILE',
    default: "the system's",
    meaning: 'CA certificates (PEM) for --server; read again when they change',
  },
  { name: 'log-format', value: 'FORMAT', choices: ['text', 'json'], default: 'text', meaning: 'how the guard writes to stderr' },
  { name: 'quiet', alias: 'q', meaning: 'write errors only' },
  { name: 'verbose', alias: 'v', meaning: 'write every renewal, too' },
];

/** The environment variable of an option: `K8S_LEASE_LOCK_` and its name. */
export const variableOf = (option: string): string => `K8S_LEASE_LOCK_${option.toUpperCase().replaceAll('-', '_')}`;

export interface RunSettings {
  name: string;
  namespace: string | undefined;
  timeoutMs: number | undefined;
  onBusy: 'wait' | 'fail' | 'skip';
  onLost: 'stop' | 'warn';
  orphans: 'stop' | 'wait';
  healthPort: number | undefined;
  priority: number;
  timings: Timings;
  holder: string | undefined;
  reason: string | undefined;
  url: string | undefined;
  conflictExitCode: number;
  createIfAbsent: boolean;
  legacyExpiry: boolean;
  kubeconfig: string | undefined;
  context: string | undefined;
  server: string | undefined;
  tokenFile: string | undefined;
  certificateAuthority: string | undefined;
  logFormat: 'text' | 'json';
  level: 'error' | 'info' | 'debug';
  argv: readonly [string, ...string[]];
}

export type RunCommandLine =
  | { kind: 'run'; settings: RunSettings }
  | { kind: 'help'; text: string }
  | { kind: 'usage'; message: string }
  /** Each value is right, together they are not. */
  | { kind: 'configuration'; message: string };

type Env = Readonly<Record<string, string | undefined>>;

class UsageError extends Error {}

export async function readRunCommandLine(argv: readonly string[], env: Env): Promise<RunCommandLine> {
  const parser = yargs([...argv])
    .help(false)
    .usage(
      'Usage: k8s-lease-lock run --name NAME [options] [--] command [arguments...]\n\nRuns a command under a lock of a Kubernetes cluster.',
    )
    .epilogue(
      'Each option can also be given by an environment variable: K8S_LEASE_LOCK_NAME, K8S_LEASE_LOCK_ON_BUSY, ...\nDurations are written as 90s, 15m or 1h30m.',
    )
    .parserConfiguration({
      'halt-at-non-option': true,
      'duplicate-arguments-array': true,
      'parse-numbers': false,
      'parse-positional-numbers': false,
      'camel-case-expansion': false,
      'boolean-negation': false,
      'dot-notation': false,
    })
    .options(Object.fromEntries(RUN_OPTIONS.map((option) => [option.name, yargsOption(option)])))
    .option('help', { alias: 'h', type: 'boolean', description: 'show this' })
    .strictOptions()
    .version(false)
    .exitProcess(false)
    .wrap(110)
    .fail((message, error) => {
      throw new UsageError(message ?? error?.message);
    });
  try {
    const parsed = (await parser.parseAsync()) as Record<string, unknown> & { _: string[] };
    if (parsed.help) return { kind: 'help', text: await parser.getHelp() };
    const command = argv.slice(argv.length - parsed._.length);
    return settingsOf(reader(parsed, env), command);
  } catch (error) {
    if (error instanceof UsageError) return { kind: 'usage', message: error.message };
    throw error;
  }
}

function yargsOption({ name, alias, value, choices, default: otherwise, meaning }: Option) {
  return {
    type: value === undefined ? ('boolean' as const) : ('string' as const),
    ...(value !== undefined && { requiresArg: true }),
    ...(alias !== undefined && { alias }),
    description: `${meaning} [${variableOf(name)}]${otherwise === undefined ? '' : ` (default: ${otherwise})`}${choices ? ` (one of ${choices.join(', ')})` : ''}`,
  };
}

interface Reader {
  text(name: string): string | undefined;
  flag(name: string): boolean;
  duration(name: string): number | undefined;
  integer(name: string, range: { from: number; to: number }): number | undefined;
  choice<T extends string>(name: string, choices: readonly T[]): T | undefined;
}

/** Reads an option from the command line, else from its variable; every complaint names the one that it was. */
function reader(parsed: Record<string, unknown>, env: Env): Reader {
  const find = (name: string): { value: string; where: string } | undefined => {
    const given = parsed[name];
    if (Array.isArray(given)) throw new UsageError(`--${name} is given ${given.length} times`);
    if (given !== undefined) return { value: String(given), where: `--${name}` };
    const variable = variableOf(name);
    const value = env[variable];
    return value === undefined || value === '' ? undefined : { value, where: variable };
  };
  return {
    text(name) {
      const found = find(name);
      if (found?.value === '') throw new UsageError(`${found.where} is empty`);
      return found?.value;
    },
    flag(name) {
      const found = find(name);
      if (!found) return false;
      if (found.value !== 'true' && found.value !== 'false')
        throw new UsageError(`${found.where} is "${found.value}": write true or false`);
      return found.value === 'true';
    },
    duration(name) {
      const found = find(name);
      if (!found) return undefined;
      const duration = parseDuration(found.value);
      if (duration.kind === 'refused') throw new UsageError(`${found.where}: ${duration.message}`);
      return duration.ms;
    },
    integer(name, { from, to }) {
      const found = find(name);
      if (!found) return undefined;
      const number = /^-?\d{1,10}$/.test(found.value) ? Number(found.value) : Number.NaN;
      if (!(number >= from && number <= to))
        throw new UsageError(`${found.where} is "${found.value}": write a whole number from ${from} to ${to}`);
      return number;
    },
    choice(name, choices) {
      const found = find(name);
      if (!found) return undefined;
      const choice = choices.find((known) => known === found.value);
      if (choice === undefined) throw new UsageError(`${found.where} is "${found.value}": write one of ${choices.join(', ')}`);
      return choice;
    },
  };
}

function settingsOf(read: Reader, command: readonly string[]): RunCommandLine {
  const [file, ...args] = command;
  const name = read.text('name');
  const namespace = read.text('namespace');
  const holder = read.text('holder');
  const quiet = read.flag('quiet');
  const verbose = read.flag('verbose');
  if (name === undefined) throw new UsageError('no lock is named: give --name');
  const problem =
    problemOfName(name) ??
    (namespace === undefined ? undefined : problemOfNamespace(namespace)) ??
    (holder === undefined ? undefined : problemOfHolder(holder));
  if (problem !== undefined) throw new UsageError(problem);
  if (quiet && verbose) throw new UsageError('--quiet and --verbose contradict each other');
  if (file === undefined) throw new UsageError('no command is given: k8s-lease-lock run --name NAME -- command [arguments...]');
  if (file === '') throw new UsageError('the command is an empty text');
  const durations = timings(read.duration('lease-duration') ?? 60_000, read.duration('kill-grace') ?? 10_000);
  const settings = {
    name,
    namespace,
    timeoutMs: read.duration('timeout'),
    onBusy: read.choice('on-busy', ['wait', 'fail', 'skip'] as const) ?? 'wait',
    onLost: read.choice('on-lost', ['stop', 'warn'] as const) ?? 'stop',
    orphans: read.choice('orphans', ['stop', 'wait'] as const) ?? 'stop',
    healthPort: read.integer('health-port', { from: 0, to: 65_535 }),
    priority: read.integer('priority', { from: -1_000_000, to: 1_000_000 }) ?? 0,
    holder,
    reason: read.text('reason'),
    url: read.text('url'),
    conflictExitCode: read.integer('conflict-exit-code', { from: 0, to: 255 }) ?? 75,
    createIfAbsent: !read.flag('no-create'),
    legacyExpiry: read.flag('legacy-expiry'),
    kubeconfig: read.text('kubeconfig'),
    context: read.text('context'),
    server: read.text('server'),
    tokenFile: read.text('token-file'),
    certificateAuthority: read.text('certificate-authority'),
    logFormat: read.choice('log-format', ['text', 'json'] as const) ?? 'text',
    level: quiet ? ('error' as const) : verbose ? ('debug' as const) : ('info' as const),
    argv: [file, ...args] as const,
  };
  if (durations.kind === 'refused') return { kind: 'configuration', message: durations.message };
  return { kind: 'run', settings: { ...settings, timings: durations.timings } };
}

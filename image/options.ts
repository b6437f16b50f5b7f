/**
 * The options of all commands that want a lock, each once, with its default and meaning: help prints this table, and settings are read by it. Each
 * command picks its own (commands/).
 */
import { formatDuration } from '../src/durations.ts';
import { describeTimings, type TimingNames } from '../src/lock/describe.ts';
import { ON_BUSY, type OnBusy } from '../src/lock/index.ts';
import { problemOfHolder, problemOfName, problemOfNamespace } from '../src/names.ts';
import { DEFAULT_LEASE_DURATION, type Timings, type TimingsResult, timings } from '../src/protocol/timings.ts';
import { type Env, type Option, type Reader, readCommandLine, UsageError } from './command-line.ts';

export const HOLD_FOLDER = '/run/lease-lock';
const ON_LOST = ['stop', 'warn'] as const;
const ORPHANS = ['stop', 'wait'] as const;
const LOG_FORMATS = ['text', 'json'] as const;

const OPTIONS = [
  { name: 'name', value: 'NAME', meaning: 'name of the lock: of its Lease (required)' },
  { name: 'namespace', alias: 'n', value: 'NAMESPACE', unset: "the context's or the Pod's", meaning: 'namespace of the Lease' },
  { name: 'timeout', value: 'DURATION', unset: 'no limit', meaning: 'how long to wait for the lock; 0 tries once' },
  {
    name: 'on-busy',
    value: 'WHAT',
    choices: ON_BUSY,
    default: 'wait',
    meaning: 'wait for the lock; or fail (exit 75) or skip (exit 0) if the lock is not free (or not free within --timeout)',
  },
  { name: 'priority', value: 'NUMBER', default: '0', meaning: 'place in the queue: higher is served first' },
  {
    name: 'lease-duration',
    value: 'DURATION',
    default: DEFAULT_LEASE_DURATION,
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
    choices: ON_LOST,
    default: 'stop',
    meaning: 'stop the command when the lock is lost; or only warn, and let it continue without the lock',
  },
  {
    name: 'orphans',
    value: 'WHAT',
    choices: ORPHANS,
    default: 'stop',
    meaning: 'stop the processes that the command leaves behind when it ends; or wait for them, and keep the lock as long',
  },
  {
    name: 'pod-grace',
    value: 'DURATION',
    default: '30s',
    meaning: "the Pod's terminationGracePeriodSeconds: how long the kubelet lets its containers stop",
  },
  {
    name: 'containers',
    value: 'NUMBER',
    default: '1',
    meaning: 'how many the Pod has, beside init containers: they may be stopped one after the other',
  },
  {
    name: 'status-port',
    value: 'PORT',
    unset: 'none',
    meaning: 'serve /held and /healthz (for probes) and /metrics (Prometheus) on this port',
  },
  {
    name: 'dir',
    value: 'DIR',
    default: HOLD_FOLDER,
    meaning: 'directory on an emptyDir volume; lets a restarted sidecar detect that it was restarted',
  },
  {
    name: 'holder',
    value: 'ID',
    unset: 'the Pod or the host',
    meaning: 'name shown as holder (a random suffix is added)',
  },
  { name: 'reason', value: 'TEXT', meaning: 'reason shown to waiters' },
  { name: 'url', value: 'URL', meaning: 'link shown to waiters, such as the CI run' },
  { name: 'conflict-exit-code', alias: 'E', value: 'CODE', default: '75', meaning: 'exit code when the lock was not acquired' },
  { name: 'no-create', meaning: 'fail if the Lease does not exist instead of creating it' },
  {
    name: 'no-server-clock',
    meaning: "wait until a crashed holder's lease has run out, even if it is long over by the API server's clock",
  },
  { name: 'legacy-expiry', meaning: 'write the time of expiry into renewTime, for locks shared with K8SLock 0.2.5' },
  {
    name: 'kubeconfig',
    value: 'FILE',
    unset: 'KUBECONFIG, ~/.kube/config, else the Pod',
    meaning: 'kubeconfig to find the cluster in',
  },
  { name: 'context', value: 'NAME', unset: 'the current one', meaning: 'context of the kubeconfig' },
  { name: 'server', value: 'URL', meaning: 'API server, instead of a kubeconfig' },
  { name: 'token-file', value: 'FILE', meaning: 'bearer token for --server; read again when it changes' },
  {
    name: 'certificate-authority',
    value: 'FILE',
    unset: "the system's",
    meaning: 'CA certificates (PEM) for --server; read again when they change',
  },
  { name: 'log-format', value: 'FORMAT', choices: LOG_FORMATS, default: 'text', meaning: 'format of the log on stderr' },
  { name: 'quiet', alias: 'q', meaning: 'log errors only' },
  { name: 'verbose', alias: 'v', meaning: 'log every renewal as well' },
] as const satisfies readonly Option[];

type OptionName = (typeof OPTIONS)[number]['name'];

/** Replaces what an option of the table does where it is not given; undefined: it has no default. */
type Overrides = { [name in OptionName]?: { default: string } | { unset: string } | undefined };

/** These options, in the order of the table. */
export function pick(names: readonly OptionName[], overrides: Overrides = {}): Option[] {
  return OPTIONS.filter(({ name }) => names.includes(name)).map((option: Option) => {
    if (!(option.name in overrides)) return option;
    const { default: _, unset: __, ...bare } = option;
    return { ...bare, ...overrides[option.name as OptionName] };
  });
}

/** Options of every command that wants a lock. */
export const JOINING = [
  ...(['name', 'namespace', 'lease-duration', 'holder', 'legacy-expiry', 'kubeconfig', 'context', 'server'] as const),
  ...(['token-file', 'certificate-authority', 'log-format', 'quiet', 'verbose'] as const),
] as const satisfies readonly OptionName[];
/** Options of those that may have to wait for it. */
export const WAITING = [
  ...JOINING,
  'priority',
  'reason',
  'url',
  'no-create',
  'no-server-clock',
] as const satisfies readonly OptionName[];

export interface JoinSettings {
  name: string;
  namespace: string | undefined;
  priority: number;
  timings: Timings;
  holder: string | undefined;
  reason: string | undefined;
  url: string | undefined;
  createIfAbsent: boolean;
  trustStamps: boolean;
  legacyExpiry: boolean;
  kubeconfig: string | undefined;
  context: string | undefined;
  server: string | undefined;
  tokenFile: string | undefined;
  certificateAuthority: string | undefined;
  logFormat: 'text' | 'json';
  level: 'error' | 'info' | 'debug';
}

/** How long to wait, and what follows if the lock is not acquired. */
export interface WaitSettings {
  timeoutMs: number | undefined;
  onBusy: OnBusy;
  conflictExitCode: number;
}

export type Line<Settings> =
  | { kind: 'settings'; settings: Settings }
  | { kind: 'help'; text: string }
  | { kind: 'usage'; message: string }
  /** Each value is valid, the combination is not. */
  | { kind: 'configuration'; message: string };

/** The combination of values is invalid: the message is a sentence. */
export class ConfigurationError extends Error {}

/** One command line of one command: `settingsOf` may throw UsageError and ConfigurationError. */
export function readLine<Settings>(
  shape: Parameters<typeof readCommandLine>[0],
  settingsOf: (read: Reader, operands: readonly string[]) => Settings,
  argv: readonly string[],
  env: Env,
): Line<Settings> {
  try {
    const line = readCommandLine(shape, argv, env);
    return line.kind === 'help' ? line : { kind: 'settings', settings: settingsOf(line.read, line.operands) };
  } catch (error) {
    if (error instanceof UsageError) return { kind: 'usage', message: error.message };
    if (error instanceof ConfigurationError) return { kind: 'configuration', message: error.message };
    throw error;
  }
}

/** Call last: report invalid values before durations that do not fit together. */
export function settled(result: TimingsResult, names: TimingNames): Timings {
  if (result.kind !== 'timings') throw new ConfigurationError(describeTimings(result, names));
  return result.timings;
}

/** From --lease-duration and --kill-grace. */
export function killGraceTimings(read: Reader): Timings {
  const graceMs = given(read.duration('kill-grace'));
  return settled(timings(given(read.duration('lease-duration')), graceMs), {
    duration: 'lease duration',
    grace: `a kill grace of ${formatDuration(graceMs)}`,
    shorterGrace: 'kill grace',
    stopping: 'stopping the command',
  });
}

/** What the table has a default for is never undefined. */
export function given<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('this option has no default');
  return value;
}

export function joinSettings(read: Reader): Omit<JoinSettings, 'timings'> {
  const name = read.text('name');
  const namespace = read.text('namespace');
  const holder = read.text('holder');
  const quiet = read.flag('quiet');
  const verbose = read.flag('verbose');
  if (name === undefined) throw new UsageError('--name is required: the name of the lock');
  const problem =
    problemOfName(name) ??
    (namespace === undefined ? undefined : problemOfNamespace(namespace)) ??
    (holder === undefined ? undefined : problemOfHolder(holder));
  if (problem !== undefined) throw new UsageError(problem);
  if (quiet && verbose) throw new UsageError('--quiet and --verbose cannot be combined');
  return {
    name,
    namespace,
    priority: read.integer('priority', { from: -1_000_000, to: 1_000_000 }) ?? 0,
    holder,
    reason: read.text('reason'),
    url: read.text('url'),
    createIfAbsent: !read.flag('no-create'),
    trustStamps: !read.flag('no-server-clock'),
    legacyExpiry: read.flag('legacy-expiry'),
    kubeconfig: read.text('kubeconfig'),
    context: read.text('context'),
    server: read.text('server'),
    tokenFile: read.text('token-file'),
    certificateAuthority: read.text('certificate-authority'),
    logFormat: given(read.choice('log-format', LOG_FORMATS)),
    level: quiet ? ('error' as const) : verbose ? ('debug' as const) : ('info' as const),
  };
}

export function waitSettings(read: Reader): WaitSettings {
  return {
    timeoutMs: read.duration('timeout'),
    onBusy: given(read.choice('on-busy', ON_BUSY)),
    conflictExitCode: given(read.integer('conflict-exit-code', { from: 0, to: 255 })),
  };
}

export const readOnLost = (read: Reader) => given(read.choice('on-lost', ON_LOST));
export const readOrphans = (read: Reader) => given(read.choice('orphans', ORPHANS));

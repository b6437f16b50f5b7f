/** The options of all commands that want a lock, each once, with its default and meaning; and what those of `run` are together. */
import { problemOfHolder, problemOfName, problemOfNamespace } from '../src/names.ts';
import { type Timings, type TimingsResult, timings } from '../src/protocol/timings.ts';
import { type Env, type Option, type Reader, readCommandLine, UsageError } from './command-line.ts';

/** Of no service that is registered anywhere. */
export const PROBE_PORT = 17_474;
export const HOLD_FOLDER = '/run/lease-lock';

const OPTIONS = [
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
  { name: 'probe-port', value: 'PORT', default: String(PROBE_PORT), meaning: "where the kubelet's probes ask for /held" },
  {
    name: 'dir',
    value: 'DIR',
    default: HOLD_FOLDER,
    meaning: 'folder of a volume (emptyDir): it tells a restarted container that it is one',
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
] as const satisfies readonly Option[];

type OptionName = (typeof OPTIONS)[number]['name'];

/** These options, in the order of the list above; `otherwise` replaces what a default is called where it is another. */
export function pick(names: readonly OptionName[], otherwise: { [name in OptionName]?: string | undefined } = {}): Option[] {
  return OPTIONS.filter(({ name }) => names.includes(name)).map((option) =>
    option.name in otherwise ? withDefault(option, otherwise[option.name]) : option,
  );
}

function withDefault(option: Option, otherwise: string | undefined): Option {
  const { default: _, ...bare } = option;
  return otherwise === undefined ? bare : { ...bare, default: otherwise };
}

/** What everybody may say who wants a lock. */
export const JOINING = [
  ...(['name', 'namespace', 'lease-duration', 'holder', 'legacy-expiry', 'kubeconfig', 'context', 'server'] as const),
  ...(['token-file', 'certificate-authority', 'log-format', 'quiet', 'verbose'] as const),
] as const satisfies readonly OptionName[];
/** Those of them who may have to wait for it. */
export const WAITING = [...JOINING, 'priority', 'reason', 'url', 'no-create'] as const satisfies readonly OptionName[];
const HOLDING: readonly OptionName[] = ['pod-grace', 'containers', 'probe-port', 'dir'];

export const RUN_OPTIONS = pick(OPTIONS.map(({ name }) => name).filter((name) => !HOLDING.includes(name)));

export interface JoinSettings {
  name: string;
  namespace: string | undefined;
  priority: number;
  timings: Timings;
  holder: string | undefined;
  reason: string | undefined;
  url: string | undefined;
  createIfAbsent: boolean;
  legacyExpiry: boolean;
  kubeconfig: string | undefined;
  context: string | undefined;
  server: string | undefined;
  tokenFile: string | undefined;
  certificateAuthority: string | undefined;
  logFormat: 'text' | 'json';
  level: 'error' | 'info' | 'debug';
}

/** How long to wait, and what not to have it means. */
export interface WaitSettings {
  timeoutMs: number | undefined;
  onBusy: 'wait' | 'fail' | 'skip';
  conflictExitCode: number;
}

export interface RunSettings extends JoinSettings, WaitSettings {
  onLost: 'stop' | 'warn';
  orphans: 'stop' | 'wait';
  healthPort: number | undefined;
  argv: readonly [string, ...string[]];
}

export type Line<Settings> =
  | { kind: 'settings'; settings: Settings }
  | { kind: 'help'; text: string }
  | { kind: 'usage'; message: string }
  /** Each value is right, together they are not. */
  | { kind: 'configuration'; message: string };

/** Together they are not right: the message is a sentence. */
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

/** To be called last: a value that is none is complained of before a sum that does not hold. */
export function settled(result: TimingsResult): Timings {
  if (result.kind === 'refused') throw new ConfigurationError(result.message);
  return result.timings;
}

export function joinSettings(read: Reader): Omit<JoinSettings, 'timings'> {
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
  return {
    name,
    namespace,
    priority: read.integer('priority', { from: -1_000_000, to: 1_000_000 }) ?? 0,
    holder,
    reason: read.text('reason'),
    url: read.text('url'),
    createIfAbsent: !read.flag('no-create'),
    legacyExpiry: read.flag('legacy-expiry'),
    kubeconfig: read.text('kubeconfig'),
    context: read.text('context'),
    server: read.text('server'),
    tokenFile: read.text('token-file'),
    certificateAuthority: read.text('certificate-authority'),
    logFormat: read.choice('log-format', ['text', 'json'] as const) ?? 'text',
    level: quiet ? ('error' as const) : verbose ? ('debug' as const) : ('info' as const),
  };
}

export function waitSettings(read: Reader): WaitSettings {
  return {
    timeoutMs: read.duration('timeout'),
    onBusy: read.choice('on-busy', ['wait', 'fail', 'skip'] as const) ?? 'wait',
    conflictExitCode: read.integer('conflict-exit-code', { from: 0, to: 255 }) ?? 75,
  };
}

const RUN_USAGE =
  'Usage: k8s-lease-lock run --name NAME [options] [--] command [arguments...]\n\nRuns a command under a lock of a Kubernetes cluster.';

export function readRunCommandLine(argv: readonly string[], env: Env): Line<RunSettings> {
  return readLine({ usage: RUN_USAGE, options: RUN_OPTIONS, operands: 'command' }, runSettings, argv, env);
}

function runSettings(read: Reader, [file, ...args]: readonly string[]): RunSettings {
  const joined = joinSettings(read);
  if (file === undefined) throw new UsageError('no command is given: k8s-lease-lock run --name NAME -- command [arguments...]');
  if (file === '') throw new UsageError('the command is an empty text');
  return {
    ...joined,
    ...waitSettings(read),
    onLost: read.choice('on-lost', ['stop', 'warn'] as const) ?? 'stop',
    orphans: read.choice('orphans', ['stop', 'wait'] as const) ?? 'stop',
    healthPort: read.integer('health-port', { from: 0, to: 65_535 }),
    argv: [file, ...args],
    timings: settled(timings(read.duration('lease-duration') ?? 60_000, read.duration('kill-grace') ?? 10_000)),
  };
}

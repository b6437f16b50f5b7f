/** The command line of `run`: every option once, with its default and meaning, and what they are together. */
import { problemOfHolder, problemOfName, problemOfNamespace } from '../src/names.ts';
import { type Timings, timings } from '../src/settings.ts';
import { type Env, type Option, type Reader, readCommandLine, UsageError } from './command-line.ts';

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

const USAGE =
  'Usage: k8s-lease-lock run --name NAME [options] [--] command [arguments...]\n\nRuns a command under a lock of a Kubernetes cluster.';

export type RunCommandLine =
  | { kind: 'run'; settings: RunSettings }
  | { kind: 'help'; text: string }
  | { kind: 'usage'; message: string }
  /** Each value is right, together they are not. */
  | { kind: 'configuration'; message: string };

export function readRunCommandLine(argv: readonly string[], env: Env): RunCommandLine {
  try {
    const line = readCommandLine({ usage: USAGE, options: RUN_OPTIONS, operands: 'command' }, argv, env);
    return line.kind === 'help' ? line : settingsOf(line.read, line.operands);
  } catch (error) {
    if (error instanceof UsageError) return { kind: 'usage', message: error.message };
    throw error;
  }
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

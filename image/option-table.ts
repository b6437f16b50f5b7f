/**
 * The options of every command, each once, with its default and meaning: help, the documents and completion print this table, and settings are read by it.
 * Each command picks its own (commands/).
 */
import { ON_BUSY } from '../src/lock/index.ts';
import { FORCES } from '../src/lock/unlock.ts';
import { DEFAULT_GROUP } from '../src/protocol/policies.ts';
import { DEFAULT_KILL_GRACE, DEFAULT_LEASE_DURATION } from '../src/protocol/timings.ts';
import type { Option } from './option.ts';

export const HOLD_FOLDER = '/run/lease-lock';
export const ON_LOST = ['stop', 'warn'] as const;
export const ORPHANS = ['stop', 'wait'] as const;
export const LOG_FORMATS = ['text', 'json'] as const;
export const OUTPUTS = ['text', 'table', 'wide', 'json', 'yaml', 'name'] as const;
/** Selects the Leases that this program has made. */
export const MANAGED = 'app.kubernetes.io/managed-by=k8s-lease-lock';

const OPTIONS = [
  { name: 'name', value: 'NAME', names: 'locks', meaning: 'name of the lock: of its Lease (required)' },
  { name: 'slug', meaning: 'make a valid name of any --name: its readable part, and a digest of all of it' },
  {
    name: 'namespace',
    alias: 'n',
    value: 'NAMESPACE',
    names: 'namespaces',
    unset: "the context's or the Pod's",
    meaning: 'namespace of the Lease',
  },
  { name: 'timeout', value: 'DURATION', unset: 'no limit', meaning: 'how long to wait for the lock; 0 tries once' },
  {
    name: 'on-busy',
    value: 'WHAT',
    choices: ON_BUSY,
    default: 'wait',
    meaning:
      'wait for the lock; fail (exit 75) or skip (exit 0) if the lock is not free (or not free within --timeout); or replace: ask the holder to stop, ' +
      'and wait (policies)',
  },
  {
    name: 'supersede',
    value: 'GROUP',
    implied: DEFAULT_GROUP,
    unset: 'none',
    meaning:
      'older waiters of this group give up (exit 0, or -E), and so does this one for a newer; implied by --on-busy replace',
  },
  {
    name: 'min-hold',
    value: 'DURATION',
    default: '0',
    meaning: 'how long the lock stays taken at least, from when it was acquired, however soon the command ends; at most 24h',
  },
  {
    name: 'once',
    value: 'KEY',
    unset: 'none',
    meaning: 'skip the command (exit 0, or -E) if it has succeeded under this lock with this key, one of the last 20',
  },
  { name: 'shared', meaning: 'hold the lock beside others that share it, and not beside one that does not: readers and writers' },
  {
    name: 'permits',
    value: 'NUMBER',
    unset: "the lock's, or no limit",
    meaning: 'share the lock with so many in all: a semaphore, to be given alike by all that take part; at most 100',
  },
  { name: 'weight', value: 'NUMBER', unset: '1', meaning: 'share the lock, and take so many of its permits' },
  { name: 'no-replace', meaning: 'as holder, finish first, even if a newcomer wants to replace it' },
  { name: 'priority', value: 'NUMBER', default: '0', meaning: 'place in the queue: higher is served first' },
  { name: 'age-step', value: 'DURATION', default: '0', meaning: 'its priority grows by one for each of these that it waits' },
  {
    name: 'lease-duration',
    value: 'DURATION',
    default: DEFAULT_LEASE_DURATION,
    meaning: 'how long the lock outlives a guard that has died; it is renewed four times within',
  },
  {
    name: 'kill-grace',
    value: 'DURATION',
    default: DEFAULT_KILL_GRACE,
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
  {
    name: 'conflict-exit-code',
    alias: 'E',
    value: 'CODE',
    unset: '75',
    meaning: 'exit code when the lock was not acquired; given, also when it was skipped by a policy',
  },
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
  {
    name: 'force',
    value: 'WHICH',
    implied: 'silent',
    choices: FORCES,
    noVariable: true,
    meaning:
      'clear the holder without asking it: silent, one that has not renewed lately; live, any, also while its command runs',
  },
  { name: 'remove', value: 'KEY', names: 'waiters', noVariable: true, meaning: 'remove this waiter, by its key or id' },
  { name: 'move', value: 'KEY', names: 'waiters', noVariable: true, meaning: 'move this waiter, by its key or id' },
  { name: 'to', value: 'PLACE', noVariable: true, meaning: 'place to move it to; 1 is next' },
  { name: 'token', value: 'TOKEN', unset: 'LEASE_LOCK_TOKEN', meaning: 'fencing token of the acquisition' },
  {
    name: 'transitions',
    value: 'NUMBER',
    unset: 'LEASE_LOCK_TRANSITIONS',
    meaning: 'how many times the lock had changed hands then',
  },
  { name: 'all-namespaces', alias: 'A', meaning: 'locks of all namespaces' },
  {
    name: 'selector',
    alias: 'l',
    value: 'SELECTOR',
    mayBeEmpty: true,
    unset: MANAGED,
    meaning: 'labels of the Leases, as for kubectl; an empty one selects every Lease',
  },
  {
    name: 'output',
    alias: 'o',
    value: 'FORMAT',
    choices: OUTPUTS,
    noVariable: true,
    default: 'text',
    meaning: 'format of the output',
  },
  { name: 'watch', alias: 'w', meaning: 'show changes until interrupted' },
  {
    name: 'for',
    value: 'WHOM',
    meaning: 'who gets the rights: serviceaccount:NAMESPACE/NAME, user:NAME or group:NAME (required)',
  },
  { name: 'events', meaning: 'the right to write Events in the namespace of the service account, too' },
  {
    name: 'filename',
    alias: 'f',
    value: 'FILE',
    noVariable: true,
    meaning: 'manifests, YAML or JSON; - is the standard input; may be given several times (required)',
  },
  { name: 'image', value: 'IMAGE', meaning: 'image of the guard, for all' },
  { name: 'kubernetes', value: 'VERSION', unset: '1.29 or later', meaning: 'Kubernetes that they are for, such as 1.28' },
  { name: 'port', value: 'PORT', default: '8001', meaning: 'port on 127.0.0.1; 0 takes a free one' },
  { name: 'write', meaning: 'let the page change locks, where it is opened with the address that contains the token' },
  { name: 'data', value: 'FILE', unset: 'memory only', meaning: 'file to keep the Leases in' },
  { name: 'log-format', value: 'FORMAT', choices: LOG_FORMATS, default: 'text', meaning: 'format of the log on stderr' },
  { name: 'quiet', alias: 'q', meaning: 'log errors only' },
  { name: 'verbose', alias: 'v', meaning: 'log every renewal as well' },
] as const satisfies readonly Option[];

export type OptionName = (typeof OPTIONS)[number]['name'];

/** Replaces what an option of the table does where it is not given (undefined: it has no default), and what it means. */
type Overrides = {
  [name in OptionName]?: Partial<Pick<Option, 'choices' | 'names' | 'default' | 'unset' | 'meaning' | 'noVariable'>> | undefined;
};

/** These options, in the order of the table. */
export function pick(names: readonly OptionName[], overrides: Overrides = {}): Option[] {
  return OPTIONS.filter(({ name }) => names.includes(name)).map((option: Option) => {
    if (!(option.name in overrides)) return option;
    const { default: _, unset: __, ...bare } = option;
    return { ...bare, ...overrides[option.name as OptionName] };
  });
}

/** Options of every command that asks a cluster. */
export const CONNECTING = [
  ...(['namespace', 'kubeconfig', 'context', 'server', 'token-file', 'certificate-authority'] as const),
] as const satisfies readonly OptionName[];
/** Options of every command that wants a lock. */
export const JOINING = [
  ...CONNECTING,
  ...(['name', 'slug', 'lease-duration', 'holder', 'legacy-expiry', 'log-format', 'quiet', 'verbose'] as const),
] as const satisfies readonly OptionName[];
/** How the lock is shared. */
export const SHARING = ['shared', 'permits', 'weight'] as const satisfies readonly OptionName[];

/** Options of those that may have to wait for it. */
export const WAITING = [
  ...JOINING,
  ...(['priority', 'age-step', 'reason', 'url', 'no-create', 'no-server-clock'] as const),
] as const satisfies readonly OptionName[];

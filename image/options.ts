/** The options of commands that want a lock, as settings: read by the table (option-table.ts), each value valid, and fitting the others. */
import { formatDuration } from '../src/durations.ts';
import { describeTimings, type TimingNames } from '../src/lock/describe.ts';
import { ON_BUSY, type OnBusy } from '../src/lock/index.ts';
import {
  type LockName,
  lockNamesIn,
  problemOfHolder,
  problemOfLock,
  problemOfMark,
  problemOfName,
  problemOfNamespace,
  slug,
} from '../src/names.ts';
import { PERMITS_LIMIT, PRIORITY_LIMIT } from '../src/protocol/lock-state.ts';
import type { Policies } from '../src/protocol/me.ts';
import { DEFAULT_GROUP, MIN_HOLD_LIMIT_MS, problemOfAgeStep, problemOfShare, shareOf } from '../src/protocol/policies.ts';
import { type Timings, type TimingsResult, timings } from '../src/protocol/timings.ts';
import { type Env, type Reader, readCommandLine, UsageError } from './command-line.ts';
import { EXIT } from './exit-codes.ts';
import { LOG_FORMATS, ON_LOST, ORPHANS } from './option-table.ts';

/** Which cluster, and which namespace of it. */
export interface ConnectSettings {
  namespace: string | undefined;
  kubeconfig: string | undefined;
  context: string | undefined;
  server: string | undefined;
  tokenFile: string | undefined;
  certificateAuthority: string | undefined;
}

export interface JoinSettings extends ConnectSettings {
  name: string;
  priority: number;
  timings: Timings;
  holder: string | undefined;
  reason: string | undefined;
  url: string | undefined;
  createIfAbsent: boolean;
  trustStamps: boolean;
  legacyExpiry: boolean;
  policies?: Policies | undefined;
  logFormat: 'text' | 'json';
  level: 'error' | 'info' | 'debug';
}

/** Locks that are held together, all or none; the first is the `name` of the others. */
export interface SeveralSettings {
  locks: readonly [LockName, ...LockName[]];
}

/** How long to wait, and what follows if the lock is not acquired. */
export interface WaitSettings {
  timeoutMs: number | undefined;
  onBusy: OnBusy;
  conflictExitCode: number;
  skippedExitCode: number;
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

export function connectSettings(read: Reader): ConnectSettings {
  const namespace = read.text('namespace');
  const problem = namespace === undefined ? undefined : problemOfNamespace(namespace);
  if (problem !== undefined) throw new UsageError(problem);
  return {
    namespace,
    kubeconfig: read.text('kubeconfig'),
    context: read.text('context'),
    server: read.text('server'),
    tokenFile: read.text('token-file'),
    certificateAuthority: read.text('certificate-authority'),
  };
}

/** What --name and --slug say. */
export function lockName(read: Reader): string {
  const name = read.text('name');
  if (name === undefined) throw new UsageError('--name is required: the name of the lock');
  if (read.flag('slug')) return slug(name);
  const problem = problemOfName(name);
  if (problem !== undefined) throw new UsageError(`${problem}, or add --slug`);
  return name;
}

/** What `--name` is to those commands that several locks may be named to. */
export const LOCK_NAMES = {
  name: { meaning: 'name of the lock: of its Lease (required); of several locks NAME or NAMESPACE/NAME, with commas or again' },
};

/** What --name says, where it may be given several times, or with several names in it. A slug is made of a whole text. */
export function lockNames(read: Reader): [LockName, ...LockName[]] {
  const given = read.texts('name');
  const texts = given.length > 1 ? given : [read.text('name') ?? ''];
  const isSlug = read.flag('slug');
  const slugOf = (text: string): LockName[] => (text.trim() === '' ? [] : [{ namespace: undefined, name: slug(text.trim()) }]);
  const [first, ...others] = texts.flatMap(isSlug ? slugOf : lockNamesIn);
  if (first === undefined) throw new UsageError('--name is required: the name of the lock');
  const [problem] = [first, ...others].map(problemOfLock).filter((one) => one !== undefined);
  if (problem !== undefined) throw new UsageError(`${problem}, or add --slug`);
  return [first, ...others];
}

export function joinSettings(read: Reader, name = lockName(read)): Omit<JoinSettings, 'timings'> {
  const holder = read.text('holder');
  const quiet = read.flag('quiet');
  const verbose = read.flag('verbose');
  const connected = connectSettings(read);
  const invalidHolder = holder === undefined ? undefined : problemOfHolder(holder);
  if (invalidHolder !== undefined) throw new UsageError(invalidHolder);
  if (quiet && verbose) throw new UsageError('--quiet and --verbose cannot be combined');
  return {
    ...connected,
    name,
    priority: read.integer('priority', { from: -PRIORITY_LIMIT, to: PRIORITY_LIMIT }) ?? 0,
    holder,
    reason: read.text('reason'),
    url: read.text('url'),
    createIfAbsent: !read.flag('no-create'),
    trustStamps: !read.flag('no-server-clock'),
    legacyExpiry: read.flag('legacy-expiry'),
    logFormat: given(read.choice('log-format', LOG_FORMATS)),
    level: quiet ? ('error' as const) : verbose ? ('debug' as const) : ('info' as const),
  };
}

export function waitSettings(read: Reader): WaitSettings {
  const timeoutMs = read.duration('timeout');
  const onBusy = given(read.choice('on-busy', ON_BUSY));
  const code = read.integer('conflict-exit-code', { from: 0, to: 255 });
  if (onBusy === 'replace' && timeoutMs === 0)
    throw new UsageError('--on-busy replace waits until the holder has stopped: give it a --timeout above 0, or none');
  return { timeoutMs, onBusy, conflictExitCode: code ?? EXIT.notAcquired.code, skippedExitCode: code ?? 0 };
}

/** Of a command that waits: what it wants of the others that want the lock. */
export function waiterPolicies(read: Reader, onBusy: OnBusy): Policies {
  const group = read.text('supersede') ?? (onBusy === 'replace' ? DEFAULT_GROUP : undefined);
  const problem = group === undefined ? undefined : problemOfMark(group, 'group');
  if (problem !== undefined) throw new UsageError(problem);
  const replaces = onBusy === 'replace';
  return { group, replaces, ...placePolicies(read, replaces) };
}

/** How it stands among the others: whether it shares the lock, and with how many; and how its priority grows. */
function placePolicies(read: Reader, replaces = false): Policies {
  const wish = {
    shared: read.flag('shared'),
    permits: read.integer('permits', { from: 1, to: PERMITS_LIMIT }),
    weight: read.integer('weight', { from: 1, to: PERMITS_LIMIT }),
  };
  const problem = problemOfShare(wish, replaces, (option) => `--${option}`);
  if (problem !== undefined) throw new UsageError(problem);
  const ageStepMs = read.duration('age-step') ?? 0;
  const tooShort = problemOfAgeStep(ageStepMs, '--age-step');
  if (tooShort !== undefined) throw new UsageError(tooShort);
  return { ...shareOf(wish), ageStepMs };
}

/** Of one that holds the lock as long as it runs. */
export function holderPolicies(read: Reader): Policies {
  const minHoldMs = read.duration('min-hold') ?? 0;
  if (minHoldMs > MIN_HOLD_LIMIT_MS) throw new UsageError(`--min-hold ${formatDuration(minHoldMs)} is too long: use at most 24h`);
  return { declines: read.flag('no-replace'), minHoldMs, ...placePolicies(read) };
}

/** Of one that knows whether its command has succeeded. */
export function oncePolicy(read: Reader): Policies {
  const once = read.text('once');
  const problem = once === undefined ? undefined : problemOfMark(once, 'key');
  if (problem !== undefined) throw new UsageError(problem);
  return { once };
}

export const readOnLost = (read: Reader) => given(read.choice('on-lost', ON_LOST));
export const readOrphans = (read: Reader) => given(read.choice('orphans', ORPHANS));

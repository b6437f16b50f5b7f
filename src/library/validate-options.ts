/** Options of the library, read once: an invalid option is a LockError that names the option, its value, and what it may be. */

import { formatDuration, parseDuration } from '../durations.ts';
import { describeTimings } from '../lock/describe.ts';
import { type Timings, timings } from '../protocol/timings.ts';
import { LockError } from './lock-error.ts';
import type { ClusterAccess, Duration } from './types.ts';

type Options = Readonly<Record<string, unknown>>;

export function wrong(message: string): LockError {
  return new LockError('configuration', message);
}

/** A misspelt option must not pass for one that was left out. */
export function onlyKnown(options: Options, known: readonly string[], of: string): void {
  if (typeof options !== 'object' || options === null) throw wrong(`${of} takes one object with its options`);
  const stranger = Object.keys(options).find((name) => !known.includes(name));
  if (stranger !== undefined) throw wrong(`${of} has no option "${stranger}": it has ${known.join(', ')}`);
}

export function text(options: Options, name: string): string | undefined {
  const value = options[name];
  if (value === undefined || (typeof value === 'string' && value !== '')) return value;
  throw wrong(`${name} is ${shown(value)}: it must be a string that is not empty`);
}

export function flag(options: Options, name: string, otherwise: boolean): boolean {
  const value = options[name] ?? otherwise;
  if (typeof value === 'boolean') return value;
  throw wrong(`${name} is ${shown(value)}: it must be true or false`);
}

export function integer(options: Options, name: string): number | undefined {
  const value = options[name];
  if (value === undefined || (typeof value === 'number' && Number.isSafeInteger(value))) return value;
  throw wrong(`${name} is ${shown(value)}: it must be a whole number`);
}

export function callback<T extends (...args: never[]) => unknown>(value: T | undefined, name: string): T | undefined {
  if (value === undefined || typeof value === 'function') return value;
  throw wrong(`${name} is ${shown(value)}: it must be a function`);
}

export function oneOf<T extends string>(options: Options, name: string, choices: readonly T[]): T | undefined {
  const value = options[name];
  const choice = choices.find((known) => known === value);
  if (value === undefined || choice !== undefined) return choice;
  throw wrong(`${name} is ${shown(value)}: it must be one of ${choices.join(', ')}`);
}

/** In milliseconds. */
export function duration(value: Duration | undefined, name: string): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'number') {
    if (Number.isFinite(value) && value >= 0) return value;
  } else if (typeof value === 'string') {
    const parsed = parseDuration(value);
    if (parsed.kind === 'duration') return parsed.ms;
    throw wrong(`${name}: ${parsed.message}`);
  }
  throw wrong(`${name} is ${shown(value)}: it must be a number of milliseconds, or a string such as "90s"`);
}

export function signalOf(value: AbortSignal | undefined): AbortSignal | undefined {
  if (value === undefined || value instanceof AbortSignal) return value;
  throw wrong(`signal is ${shown(value)}: it must be an AbortSignal`);
}

export function labelsOf(value: Readonly<Record<string, string>> | undefined): Record<string, string> | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'object') throw wrong(`labels is ${shown(value)}: it must be an object of strings`);
  const bad = Object.entries(value).find(([, label]) => typeof label !== 'string');
  if (bad) throw wrong(`the label ${bad[0]} is ${shown(bad[1])}: it must be a string`);
  return Object.keys(value).length > 0 ? { ...value } : undefined;
}

export const ACCESS_OPTIONS = ['kubeConfig', 'kubeconfig', 'context', 'server', 'tokenFile', 'certificateAuthority'] as const;

export function accessOf(options: ClusterAccess): ClusterAccess {
  const { kubeConfig, ...rest } = options;
  const names = ACCESS_OPTIONS.filter((name) => name !== 'kubeConfig');
  const access: ClusterAccess = Object.fromEntries(names.map((name) => [name, text(rest as Options, name)]));
  if (!kubeConfig) return access;
  if (typeof kubeConfig.getCurrentContext !== 'function')
    throw wrong(
      'kubeConfig must be a KubeConfig of @kubernetes/client-node, already loaded; the path of a file goes into kubeconfig',
    );
  const other = names.find((name) => access[name] !== undefined);
  if (other) throw wrong(`kubeConfig and ${other} are both given: use one of them`);
  return { kubeConfig };
}

/** The durations of a lock, or the error that shows their sum. */
export function timingsFor(durationMs: number, stopWithinMs: number, renewEveryMs?: number): Timings {
  const result = timings(durationMs, stopWithinMs, renewEveryMs);
  if (result.kind === 'timings') return result.timings;
  const message = describeTimings(result, {
    duration: 'lease duration',
    grace: `a stopWithin of ${formatDuration(stopWithinMs)}`,
    shorterGrace: 'stopWithin',
    stopping: 'stopping the work',
  });
  // A number that is meant as seconds is far too short.
  const meant =
    durationMs > 0 && durationMs < 1000 ? `. Numbers are milliseconds: write ${durationMs * 1000}, or "${durationMs}s"` : '';
  throw wrong(message + meant);
}

function shown(value: unknown): string {
  if (typeof value === 'string') return `"${value}"`;
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}

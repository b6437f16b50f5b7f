/**
 * The parameters of a request's address as typed values, once, or the Status that refuses them. Parameters that the real server
 * knows and that make no difference here (`pretty`, `limit`, ...) and unknown ones are ignored.
 */
import { badRequest, type Cause, invalidOptions, type Status } from './status.ts';
import type { WriteOptions } from './store.ts';
import { invalidValue, tooLong } from './validation.ts';

/** Go's durations: `1m30s`, `500ms`, `0`. */
const DURATION = /^[+-]?(0|((\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h))+)$/;
const MANAGER_LIMIT = 128;

export function checkTimeout(query: URLSearchParams): Status | undefined {
  const timeout = query.get('timeout');
  if (!timeout || DURATION.test(timeout)) return undefined;
  return badRequest(`invalid timeout specified in the request URL - time: invalid duration ${JSON.stringify(timeout)}`);
}

export function writeOptions(query: URLSearchParams, kind: string, userAgent: string | undefined): WriteOptions | Status {
  const manager = query.get('fieldManager') || defaultManager(userAgent);
  const fieldValidation = query.get('fieldValidation') || 'Warn';
  const causes: Cause[] = [];
  if (Buffer.byteLength(manager) > MANAGER_LIMIT) causes.push(tooLong('fieldManager', MANAGER_LIMIT));
  const unprintable = [...manager].findIndex((character) => /\p{C}/u.test(character));
  if (unprintable >= 0) {
    const code = (manager.codePointAt(unprintable) ?? 0).toString(16).toUpperCase().padStart(4, '0');
    causes.push(invalidValue('fieldManager', manager, `invalid character U+${code} (at position ${unprintable})`));
  }
  const dryRun = dryRunOf(query.getAll('dryRun'), causes);
  if (fieldValidation !== 'Ignore' && fieldValidation !== 'Warn' && fieldValidation !== 'Strict') {
    causes.push(notSupported('fieldValidation', fieldValidation, ['', 'Ignore', 'Strict', 'Warn']));
    return invalidOptions(kind, causes);
  }
  return causes.length > 0 ? invalidOptions(kind, causes) : { manager, dryRun, fieldValidation };
}

/** `dryRun=All` or nothing. */
export function dryRunOf(values: string[], causes: Cause[]): boolean {
  const wanted = values.filter(Boolean);
  if (wanted.some((value) => value !== 'All')) {
    causes.push({
      reason: 'FieldValueNotSupported',
      message: `Unsupported value: ${JSON.stringify(wanted)}: supported values: "All"`,
      field: 'dryRun',
    });
  }
  return wanted.length > 0;
}

export function notSupported(field: string, value: string, supported: string[]): Cause {
  const list = supported.map((name) => JSON.stringify(name)).join(', ');
  return {
    reason: 'FieldValueNotSupported',
    message: `Unsupported value: ${JSON.stringify(value)}: supported values: ${list}`,
    field,
  };
}

export function isTrue(text: string | null): boolean {
  return text !== null && text !== '0' && text !== 'false';
}

/** What stands before the first slash names the program. */
function defaultManager(userAgent = ''): string {
  return userAgent.split('/')[0]?.slice(0, MANAGER_LIMIT) ?? '';
}

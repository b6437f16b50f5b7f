/**
 * What the API server refuses in a Lease that it could read: names, labels, annotations, owner references and the numbers of the
 * spec. Each finding is a cause with the field, the reason and the words of the real server.
 */
import type { SentLease } from './lease.ts';
import type { Cause } from './status.ts';

const LABEL = '[A-Za-z0-9][-A-Za-z0-9_.]*';
const SUBDOMAIN = '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*';
const NAME_PART = `(${LABEL})?[A-Za-z0-9]`;
const LABEL_VALUE = `((${LABEL})?[A-Za-z0-9])?`;

const SUBDOMAIN_SAYS = `a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '${SUBDOMAIN}')`;
const NAME_PART_SAYS = `must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')`;
const LABEL_VALUE_SAYS =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

/** All annotations of one object, keys and values together, in bytes. */
const ANNOTATIONS_LIMIT = 256 * 1024;

export function validateLease({ metadata, spec }: SentLease): Cause[] {
  const causes: Cause[] = [];
  const name = metadata.name ?? '';
  if (!name) causes.push(required('metadata.name', 'name or generateName is required'));
  for (const problem of name ? nameProblems(name) : []) causes.push(invalidValue('metadata.name', name, problem));
  for (const [key, value] of Object.entries(metadata.labels ?? {})) {
    for (const problem of qualifiedNameProblems(key)) causes.push(invalidValue('metadata.labels', key, problem));
    for (const problem of labelValueProblems(value)) causes.push(invalidValue('metadata.labels', value, problem));
  }
  causes.push(...annotationCauses(metadata.annotations ?? {}));
  for (const [index, owner] of (metadata.ownerReferences ?? []).entries()) {
    for (const field of ['apiVersion', 'kind', 'name', 'uid'] as const) {
      if (!owner[field]) causes.push(required(`metadata.ownerReferences[${index}].${field}`, 'must not be empty'));
    }
  }
  const { leaseDurationSeconds, leaseTransitions } = spec;
  if (leaseDurationSeconds !== undefined && leaseDurationSeconds <= 0) {
    causes.push(invalidValue('spec.leaseDurationSeconds', leaseDurationSeconds, 'must be greater than 0'));
  }
  if (leaseTransitions !== undefined && leaseTransitions < 0) {
    causes.push(invalidValue('spec.leaseTransitions', leaseTransitions, 'must be greater than or equal to 0'));
  }
  return causes;
}

export function invalidValue(field: string, value: string | number, problem: string): Cause {
  return { reason: 'FieldValueInvalid', message: `Invalid value: ${JSON.stringify(value)}: ${problem}`, field };
}

export function required(field: string, problem: string): Cause {
  return { reason: 'FieldValueRequired', message: `Required value: ${problem}`, field };
}

export function tooLong(field: string, limit: number): Cause {
  return { reason: 'FieldValueTooLong', message: `Too long: may not be more than ${limit} bytes`, field };
}

function annotationCauses(annotations: Record<string, string>): Cause[] {
  const causes: Cause[] = [];
  let size = 0;
  for (const [key, value] of Object.entries(annotations)) {
    size += Buffer.byteLength(key) + Buffer.byteLength(value);
    // The rule for keys wants a lowercase prefix; for annotations the server lowers it first.
    for (const problem of qualifiedNameProblems(key.toLowerCase()))
      causes.push(invalidValue('metadata.annotations', key, problem));
  }
  if (size > ANNOTATIONS_LIMIT) causes.push(tooLong('metadata.annotations', ANNOTATIONS_LIMIT));
  return causes;
}

function nameProblems(name: string): string[] {
  return [...atMost(name, 253), ...(matches(name, SUBDOMAIN) ? [] : [SUBDOMAIN_SAYS])];
}

function qualifiedNameProblems(key: string): string[] {
  const parts = key.split('/');
  if (parts.length > 2) {
    return [`a valid label key ${NAME_PART_SAYS} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`];
  }
  const prefix = parts.length === 2 ? (parts[0] ?? '') : undefined;
  const name = parts.at(-1) ?? '';
  const problems: string[] = [];
  if (prefix === '') problems.push('prefix part must be non-empty');
  else if (prefix !== undefined) problems.push(...nameProblems(prefix).map((problem) => `prefix part ${problem}`));
  if (!name) problems.push('name part must be non-empty');
  problems.push(...atMost(name, 63).map((problem) => `name part ${problem}`));
  if (!matches(name, NAME_PART)) problems.push(`name part ${NAME_PART_SAYS}`);
  return problems;
}

function labelValueProblems(value: string): string[] {
  return [...atMost(value, 63), ...(matches(value, LABEL_VALUE) ? [] : [LABEL_VALUE_SAYS])];
}

function atMost(text: string, length: number): string[] {
  return text.length > length ? [`must be no more than ${length} characters`] : [];
}

function matches(text: string, pattern: string): boolean {
  return new RegExp(`^(?:${pattern})$`).test(text);
}

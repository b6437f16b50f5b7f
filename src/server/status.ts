/**
 * The API's own form of an answer that is no object: `Status`, with the reason and the details that clients decide by. The words
 * are those of the real server, so that what is learned from one error message holds for both.
 */
export interface Cause {
  reason: string;
  message: string;
  field?: string;
}

export interface Status {
  kind: 'Status';
  apiVersion: 'v1';
  metadata: Record<string, never>;
  status: 'Success' | 'Failure';
  message?: string;
  reason?: string;
  details?: { name?: string; group?: string; kind?: string; uid?: string; causes?: Cause[]; retryAfterSeconds?: number };
  code?: number;
}

export const GROUP = 'coordination.k8s.io';
export const RESOURCE = `leases.${GROUP}`;

function failure(code: number, reason: string, message: string, details?: Status['details']): Status {
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message,
    ...(reason && { reason }),
    ...(details && { details }),
    code,
  };
}

export const badRequest = (message: string): Status => failure(400, 'BadRequest', message);
export const undecodable = (why: string): Status => badRequest(`Lease in version "v1" cannot be handled as a Lease: ${why}`);
export const forbidden = (message: string): Status => failure(403, 'Forbidden', message);
export const serverError = (message: string): Status => failure(500, '', message);
export const unsupportedMediaType = (message: string, details?: object): Status =>
  failure(415, 'UnsupportedMediaType', message, details);

export function notFound(name: string): Status {
  return failure(404, 'NotFound', `${RESOURCE} "${name}" not found`, { name, group: GROUP, kind: 'leases' });
}

export function noSuchResource(): Status {
  return failure(404, 'NotFound', 'the server could not find the requested resource', {});
}

export function methodNotAllowed(): Status {
  return failure(405, 'MethodNotAllowed', 'the server does not allow this method on the requested resource', {});
}

export function tooLarge(limit: number): Status {
  return failure(413, 'RequestEntityTooLarge', `Request entity too large: limit is ${limit}`);
}

export function alreadyExists(name: string): Status {
  return failure(409, 'AlreadyExists', `${RESOURCE} "${name}" already exists`, { name, group: GROUP, kind: 'leases' });
}

export function conflict(name: string, why: string): Status {
  return failure(409, 'Conflict', `Operation cannot be fulfilled on ${RESOURCE} "${name}": ${why}`, {
    name,
    group: GROUP,
    kind: 'leases',
  });
}

/** A failed precondition of a delete names the kind where other conflicts name the resource, as on the real server. */
export function deleteConflict(name: string, why: string): Status {
  return failure(409, 'Conflict', `Operation cannot be fulfilled on Lease.${GROUP} "${name}": ${why}`, {
    name,
    group: GROUP,
    kind: 'Lease',
  });
}

export const STALE = 'the object has been modified; please apply your changes to the latest version and try again';

export function expired(asked: bigint, oldest: bigint): Status {
  return failure(410, 'Expired', `too old resource version: ${asked} (${oldest})`);
}

/** Validation of the object found something. `kind` is `Lease`; an update without a version says `leases` instead. */
export function invalid(name: string, causes: Cause[], subject: 'Lease' | 'leases' = 'Lease'): Status {
  return failure(422, 'Invalid', `${subject}.${GROUP} "${name}" is invalid: ${sentence(causes)}`, {
    ...(name && { name }),
    group: GROUP,
    kind: subject,
    causes,
  });
}

/** A query parameter (`UpdateOptions`, ...) is out of bounds. */
export function invalidOptions(kind: string, causes: Cause[]): Status {
  const details = { group: 'meta.k8s.io', kind, causes };
  return failure(422, 'Invalid', `${kind}.meta.k8s.io "" is invalid: ${sentence(causes)}`, details);
}

/** The object that a patch led to can't be read. */
export function invalidPatch(result: string, why: string): Status {
  const cause = { reason: 'FieldValueInvalid', message: `Invalid value: ${JSON.stringify(result)}: ${why}`, field: 'patch' };
  return failure(422, 'Invalid', ` "" is invalid: ${sentence([cause])}`, { causes: [cause] });
}

/** A JSON patch whose operations don't fit the object; the real server doesn't say which. */
export function unfitPatch(): Status {
  return failure(422, 'Invalid', 'the server rejected our request due to an error in our request', {});
}

export function versionTooLarge(asked: string, current: string): Status {
  const causes = [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }];
  return failure(504, 'Timeout', `Timeout: Too large resource version: ${asked}, current: ${current}`, {
    causes,
    retryAfterSeconds: 1,
  });
}

export function notAcceptable(): Status {
  return failure(406, 'NotAcceptable', '406: Not Acceptable\n\nAvailable representations: application/json', {});
}

export function deleted(name: string, uid: string): Status {
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Success',
    details: { name, group: GROUP, kind: 'leases', uid },
  };
}

function sentence(causes: Cause[]): string {
  const parts = causes.map((cause) => `${cause.field}: ${cause.message}`);
  return parts.length === 1 ? (parts[0] ?? '') : `[${parts.join(', ')}]`;
}

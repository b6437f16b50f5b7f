/**
 * What a client sent, before it is allowed to become the new state: can it be read, does it belong where it was sent, is it based on
 * the state that is there? Each function answers with the Status that refuses it. Pure.
 */
import { decodeLease, type Lease, type SentLease } from './lease.ts';
import * as say from './status.ts';
import { invalidValue } from './validation.ts';

const API_VERSION = `${say.GROUP}/v1`;

export type FieldValidation = 'Ignore' | 'Warn' | 'Strict';

/** `why` is the reason alone, for a patch whose result can't be read. */
export type ReadLease = { lease: SentLease; warnings: string[] } | { refusal: say.Status; why: string };

export function readSent(sent: unknown, fieldValidation: FieldValidation = 'Warn'): ReadLease {
  const decoded = decodeLease(sent);
  const undecodable = (why: string) => ({ refusal: say.undecodable(why), why });
  if ('error' in decoded) return undecodable(decoded.error);
  const { kind = 'Lease', apiVersion = API_VERSION } = decoded.lease;
  if (kind !== 'Lease' || apiVersion !== API_VERSION) {
    const why = `it is no Lease of ${API_VERSION}`;
    const message = `${kind} in version "${apiVersion.split('/').at(-1)}" cannot be handled as a Lease: ${why}`;
    return { refusal: say.badRequest(message), why };
  }
  const unknown = decoded.unknownFields.map((field) => `unknown field ${quoted(field)}`);
  if (unknown.length > 0 && fieldValidation === 'Strict') return undecodable(`strict decoding error: ${unknown.join(', ')}`);
  return { lease: decoded.lease, warnings: fieldValidation === 'Ignore' ? [] : unknown };
}

/** As Go's %q: whatever is not printed as itself is escaped, since it becomes a header. */
const quoted = (text: string): string =>
  JSON.stringify(text).replace(
    /(?! )[\p{C}\p{Z}]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

/** The address says where it belongs; the object may repeat it and must not contradict it. `name` undefined: a POST. */
export function wrongPlace(sent: SentLease, namespace: string, name: string | undefined): say.Status | undefined {
  const { metadata } = sent;
  if (name !== undefined && !metadata.name)
    return say.badRequest(`the name of the object (${name} based on URL) was undeterminable: name must be provided`);
  if (name !== undefined && metadata.name !== name) {
    return say.badRequest(`the name of the object (${metadata.name}) does not match the name on the URL (${name})`);
  }
  if (metadata.namespace && metadata.namespace !== namespace) {
    return say.badRequest('the namespace of the provided object does not match the namespace sent on the request');
  }
  return undefined;
}

/** The uid is a precondition even where there is no object: that is what keeps a stale PUT from creating one. */
export function wrongUid(sent: SentLease, live: Lease | undefined, key: string): say.Status | undefined {
  const wanted = sent.metadata.uid;
  const has = live?.metadata.uid ?? '';
  if (!wanted || wanted === has) return undefined;
  const why = `StorageError: invalid object, Code: 4, Key: ${key}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: ${wanted}, UID in object meta: ${has}`;
  return say.conflict(sent.metadata.name ?? '', why);
}

export function wrongVersion(sent: SentLease, live: Lease): say.Status | undefined {
  const wanted = versionOf(sent);
  const { name, resourceVersion } = live.metadata;
  if (wanted === resourceVersion) return undefined;
  if (wanted === '')
    return say.invalid(name, [invalidValue('metadata.resourceVersion', 0, 'must be specified for an update')], 'leases');
  if (!/^\d+$/.test(wanted)) return say.serverError(`strconv.ParseUint: parsing ${JSON.stringify(wanted)}: invalid syntax`);
  return say.conflict(name, say.STALE);
}

/** 0 means "none" to the API. */
export function versionOf(sent: SentLease): string {
  const version = sent.metadata.resourceVersion ?? '';
  return version === '0' ? '' : version;
}

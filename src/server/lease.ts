/**
 * What a Lease is made of, and how JSON becomes one: the fields that the API knows are type-checked and kept, in the API's order;
 * the others are dropped and named. `strategy` and `preferredHolder` are known and dropped, as on a cluster with default features.
 */
import { parseMicroTime } from './micro-time.ts';

export interface Lease {
  kind: 'Lease';
  apiVersion: 'coordination.k8s.io/v1';
  metadata: LeaseMetadata;
  spec: LeaseSpec;
}

export interface LeaseMetadata {
  name: string;
  generateName?: string;
  namespace: string;
  uid: string;
  resourceVersion: string;
  generation?: number;
  creationTimestamp: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  ownerReferences?: OwnerReference[];
  finalizers?: string[];
  managedFields?: ManagedFieldsEntry[];
}

export interface OwnerReference {
  apiVersion?: string;
  kind?: string;
  name?: string;
  uid?: string;
}

export interface ManagedFieldsEntry {
  manager?: string;
  operation?: string;
  apiVersion?: string;
  time?: string;
  fieldsType?: string;
  fieldsV1?: FieldTree;
  subresource?: string;
}

export interface FieldTree {
  [step: string]: FieldTree;
}

export interface LeaseSpec {
  holderIdentity?: string;
  leaseDurationSeconds?: number;
  acquireTime?: string | null;
  renewTime?: string | null;
  leaseTransitions?: number;
}

/** As a client sends it: any of what the server fills in may be missing. */
export interface SentLease {
  kind?: string;
  apiVersion?: string;
  metadata: Partial<LeaseMetadata>;
  spec: LeaseSpec;
}

export type Decoded = { lease: SentLease; unknownFields: string[] } | { error: string };

type Rule =
  | { is: 'string'; go?: string }
  | { is: 'integer'; bits: 32 | 64 }
  | { is: 'microTime' }
  | { is: 'map' }
  | { is: 'list'; of: string }
  | { is: 'ignored' }
  | { is: 'struct'; go: string; name: string; fields: Record<string, Rule> };

const string: Rule = { is: 'string' };
const int32: Rule = { is: 'integer', bits: 32 };
const int64: Rule = { is: 'integer', bits: 64 };
const ignored: Rule = { is: 'ignored' };

const metadata: Rule = {
  is: 'struct',
  go: 'v1.ObjectMeta',
  name: 'ObjectMeta',
  fields: {
    name: string,
    generateName: string,
    namespace: string,
    selfLink: ignored,
    uid: { is: 'string', go: 'types.UID' },
    resourceVersion: string,
    generation: int64,
    creationTimestamp: ignored,
    deletionTimestamp: ignored,
    deletionGracePeriodSeconds: ignored,
    labels: { is: 'map' },
    annotations: { is: 'map' },
    ownerReferences: { is: 'list', of: '[]v1.OwnerReference' },
    finalizers: { is: 'list', of: '[]string' },
    managedFields: { is: 'list', of: '[]v1.ManagedFieldsEntry' },
  },
};

const spec: Rule = {
  is: 'struct',
  go: 'v1.LeaseSpec',
  name: 'LeaseSpec',
  fields: {
    holderIdentity: string,
    leaseDurationSeconds: int32,
    acquireTime: { is: 'microTime' },
    renewTime: { is: 'microTime' },
    leaseTransitions: int32,
    strategy: ignored,
    preferredHolder: ignored,
  },
};

const leaseRule: Rule = {
  is: 'struct',
  go: 'v1.Lease',
  name: 'Lease',
  fields: { kind: string, apiVersion: string, metadata, spec },
};

export function decodeLease(value: unknown): Decoded {
  const unknownFields: string[] = [];
  try {
    const read = (decode(value, leaseRule, { path: [], owner: 'Lease', unknownFields }) ?? {}) as Partial<SentLease>;
    return { lease: { ...read, metadata: read.metadata ?? {}, spec: read.spec ?? {} }, unknownFields: unknownFields.sort() };
  } catch (error) {
    if (error instanceof Unreadable) return { error: error.message };
    throw error;
  }
}

class Unreadable extends Error {}

interface Place {
  path: string[];
  /** The Go struct that has the field, which the server's messages name. */
  owner: string;
  unknownFields: string[];
}

/** undefined where the field is as good as absent: null, an empty map or list, or one that the server does not keep. */
function decode(value: unknown, rule: Rule, place: Place): unknown {
  if (rule.is === 'ignored' || value === null || value === undefined) return undefined;
  switch (rule.is) {
    case 'string':
      return typeof value === 'string' ? value : mismatch(value, rule.go ?? 'string', place);
    case 'integer':
      return integer(value, rule.bits, place);
    case 'microTime':
      return microTime(value, place);
    case 'map':
      return stringMap(value, place);
    case 'list':
      // An empty list of managed fields means something (tracking off), so it is kept apart from an absent one.
      return Array.isArray(value) ? value : mismatch(value, rule.of, place);
    case 'struct':
      return struct(value, rule, place);
  }
}

function struct(value: unknown, rule: Rule & { is: 'struct' }, place: Place): Record<string, unknown> {
  if (typeof value !== 'object' || Array.isArray(value)) return mismatch(value, rule.go, place);
  const read = new Map<string, unknown>();
  for (const [key, field] of Object.entries(value as object)) {
    const path = [...place.path, key];
    const fieldRule = Object.hasOwn(rule.fields, key) ? rule.fields[key] : undefined;
    if (fieldRule) read.set(key, decode(field, fieldRule, { ...place, path, owner: rule.name }));
    else place.unknownFields.push(path.join('.'));
  }
  const ordered = Object.keys(rule.fields).filter((key) => read.get(key) !== undefined);
  return Object.fromEntries(ordered.map((key) => [key, read.get(key)]));
}

function integer(value: unknown, bits: 32 | 64, place: Place): number {
  if (typeof value !== 'number') return mismatch(value, `int${bits}`, place);
  const limit = 2 ** (bits - 1);
  if (Number.isInteger(value) && value >= -limit && value < limit) return value;
  throw new Unreadable(
    `json: cannot unmarshal number ${value} into Go struct field ${place.owner}.${place.path.join('.')} of type int${bits}`,
  );
}

function microTime(value: unknown, place: Place): string | null {
  if (typeof value !== 'string') return mismatch(value, 'string', place);
  const parsed = parseMicroTime(value);
  if ('error' in parsed) throw new Unreadable(parsed.error);
  return parsed.value;
}

function stringMap(value: unknown, place: Place): Record<string, string> | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return mismatch(value, 'map[string]string', place);
  const entries = Object.entries(value).map(([key, entry]): [string, string] => {
    if (entry === null) return [key, ''];
    return [key, typeof entry === 'string' ? entry : mismatch(entry, 'string', place)];
  });
  if (entries.length === 0) return undefined;
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function mismatch(value: unknown, wanted: string, place: Place): never {
  const got = Array.isArray(value) ? 'array' : typeof value === 'boolean' ? 'bool' : typeof value;
  throw new Unreadable(
    `json: cannot unmarshal ${got} into Go struct field ${place.owner}.${place.path.join('.')} of type ${wanted}`,
  );
}

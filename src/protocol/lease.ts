/** A Lease as the API knows it: its JSON, its times and versions. What it says about a lock: document.ts. Pure. */

/** A Lease as JSON came and goes: never a typed model, which would drop what it does not know. */
export interface RawLease {
  apiVersion?: string;
  kind?: string;
  metadata: RawMetadata;
  spec?: RawSpec;
  [unknown: string]: unknown;
}

export interface RawMetadata {
  name: string;
  namespace: string;
  uid?: string;
  resourceVersion?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  managedFields?: { manager?: string; time?: string; fieldsV1?: Record<string, unknown> }[];
  [unknown: string]: unknown;
}

export interface RawSpec {
  holderIdentity?: string;
  leaseDurationSeconds?: number;
  acquireTime?: string;
  renewTime?: string;
  leaseTransitions?: number;
  strategy?: string;
  preferredHolder?: string;
  [unknown: string]: unknown;
}

export function newLease(namespace: string, name: string): RawLease {
  return { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name, namespace }, spec: {} };
}

/** The Lease as it was known, ready to be created again: without what ties it to the deleted object. */
export function asNew(lease: RawLease): RawLease {
  const { name, namespace, labels, annotations } = lease.metadata;
  return { ...lease, metadata: { name, namespace, ...(labels && { labels }), ...(annotations && { annotations }) } };
}

/** MicroTime as the Lease API wants it: exactly six fractional digits. */
export function microTime(date: Date): string {
  return date.toISOString().replace('Z', '000Z');
}

/** Resource versions are decimal numbers of any length: longer is newer, then by text. */
export function newerVersion(a: string | undefined, b: string | undefined): boolean {
  if (a === undefined || b === undefined) return a !== undefined;
  return a.length !== b.length ? a.length > b.length : a > b;
}

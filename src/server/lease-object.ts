/** How a Lease that was sent becomes the object that is stored: its fields in the order of the API server, and who owns them. */
import type { Lease, SentLease } from './lease.ts';
import { sameOwners } from './managed-fields.ts';

const API_VERSION = 'coordination.k8s.io/v1';
/** What etcd takes by default; it counts a more compact form, so this refuses a little earlier. */
const OBJECT_LIMIT = 1.5 * 1024 * 1024;

export function complete(
  sent: SentLease,
  known: { name: string; namespace: string; uid: string; creationTimestamp: string; resourceVersion?: string },
): Lease {
  const { generateName, generation, labels, annotations, ownerReferences, finalizers, managedFields } = sent.metadata;
  return {
    kind: 'Lease',
    apiVersion: API_VERSION,
    metadata: {
      name: known.name,
      ...(generateName && { generateName }),
      namespace: known.namespace,
      uid: known.uid,
      resourceVersion: known.resourceVersion ?? '',
      ...(generation && { generation }),
      creationTimestamp: known.creationTimestamp,
      ...(labels && { labels }),
      ...(annotations && { annotations }),
      ...(ownerReferences?.length && { ownerReferences }),
      ...(finalizers?.length && { finalizers }),
      ...(managedFields && { managedFields }),
    },
    spec: sent.spec,
  };
}

export function withManagedFields(lease: Lease, managedFields: Lease['metadata']['managedFields']): Lease {
  const { managedFields: _sent, ...metadata } = lease.metadata;
  return { ...lease, metadata: { ...metadata, ...(managedFields && { managedFields }) } };
}

/** A write that changes nothing is answered and not done: no new version, no event. */
export function same(live: Lease, next: Lease): boolean {
  const content = (lease: Lease) => JSON.stringify(withManagedFields(lease, undefined));
  return content(live) === content(next) && sameOwners(live.metadata.managedFields, next.metadata.managedFields);
}

export function isTooLarge(lease: Lease): boolean {
  return Buffer.byteLength(JSON.stringify(lease)) > OBJECT_LIMIT;
}

/** The version of an object that a dry run would have made is not known; the server leaves it out. */
export function withoutVersion(lease: Lease): Lease {
  const { resourceVersion: _none, ...metadata } = lease.metadata;
  return { ...lease, metadata: metadata as Lease['metadata'] };
}

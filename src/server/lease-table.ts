/**
 * All Leases, with one version that counts every change, and the changes themselves for those who watch. A change is saved before it counts; if
 * that throws, nothing has changed. Objects that come out are frozen.
 */
import { createHistory, type History, type Matches } from './history.ts';
import type { Lease } from './lease.ts';

export interface Snapshot {
  resourceVersion: string;
  leases: Lease[];
}

export interface LeaseTable {
  version(): bigint;
  find(place: Place): Lease | undefined;
  /** By namespace and name. */
  list(matches: Matches): Lease[];
  /** Returns the object with its new version; of a deletion, that which was deleted. */
  commit(change: { before: Lease | undefined; after: Lease | undefined }): Lease;
  history: History;
}

export interface Place {
  namespace: string;
  name: string;
}

export interface LeaseTableOptions {
  saved: Snapshot | undefined;
  save: ((snapshot: Snapshot) => void) | undefined;
  /** How many changes a watcher may be behind. */
  historyLimit: number;
}

/** Versions start well above 0 and 1, which mean "any" and "surely too old" to clients. */
const FIRST_VERSION = 100n;

export function createLeaseTable({ saved, save, historyLimit }: LeaseTableOptions): LeaseTable {
  const leases = new Map((saved?.leases ?? []).map((lease) => [keyOf(lease.metadata), freeze(lease)]));
  let version = saved ? BigInt(saved.resourceVersion) : FIRST_VERSION;
  const history = createHistory(version, historyLimit);
  const put = (key: string, lease: Lease | undefined) => (lease ? leases.set(key, lease) : leases.delete(key));
  return {
    version: () => version,
    history,
    find: (place) => leases.get(keyOf(place)),
    list: (matches) => [...leases.values()].filter(matches).sort((a, b) => (keyOf(a.metadata) < keyOf(b.metadata) ? -1 : 1)),
    commit({ before, after }) {
      const next = version + 1n;
      const object = stamp(after ?? (before as Lease), next);
      const key = keyOf(object.metadata);
      put(key, after && object);
      try {
        save?.({ resourceVersion: `${next}`, leases: [...leases.values()] });
      } catch (error) {
        put(key, before);
        throw error;
      }
      version = next;
      history.record({ version, before, after: after && object, object });
      return object;
    },
  };
}

function keyOf({ namespace, name }: Place): string {
  return `${namespace}/${name}`;
}

function stamp(lease: Lease, version: bigint): Lease {
  return freeze({ ...lease, metadata: { ...lease.metadata, resourceVersion: `${version}` } });
}

function freeze(lease: Lease): Lease {
  Object.freeze(lease.metadata);
  Object.freeze(lease.spec);
  return Object.freeze(lease);
}

/**
 * Leases in memory, with the rules of the API server and without HTTP, clock or chance: versions, uids, conflicts, create by PUT,
 * ownership of fields, events. Every call is synchronous and atomic. `save` is called with the next state before a write is
 * answered; if it throws, nothing has changed. Objects that come out are frozen. Not modelled: finalizers hold no deletion up,
 * and every namespace exists.
 */
import { createHistory, eventOf, type Matches, type WatchEvent } from './history.ts';
import type { Lease, SentLease } from './lease.ts';
import { sameOwners, trackedFields } from './managed-fields.ts';
import { applyPatch, type PatchType } from './patch.ts';
import { type FieldValidation, readSent, versionOf, wrongPlace, wrongUid, wrongVersion } from './sent.ts';
import * as say from './status.ts';
import { invalidValue, validateLease } from './validation.ts';

export interface StoreOptions {
  now: () => Date;
  uid: () => string;
  saved?: Snapshot;
  save?: (snapshot: Snapshot) => void;
  /** How many changes a watcher may be behind. */
  historyLimit?: number;
}

export interface Snapshot {
  resourceVersion: string;
  leases: Lease[];
}

/** What one call answers, as HTTP would: a code and an object or a Status. */
export interface Reply {
  code: number;
  body: Lease | say.Status;
  /** Unknown fields and the like, for `Warning` headers. */
  warnings: string[];
}

export interface WriteOptions {
  manager: string;
  dryRun?: boolean;
  fieldValidation?: FieldValidation;
}

export interface DeleteOptions {
  uid?: string;
  resourceVersion?: string;
  dryRun?: boolean;
}

export interface LeaseStore {
  resourceVersion(): string;
  get(namespace: string, name: string): Reply;
  list(matches: Matches): Lease[];
  put(namespace: string, name: string, sent: unknown, options: WriteOptions): Reply;
  post(namespace: string, sent: unknown, options: WriteOptions): Reply;
  patch(namespace: string, name: string, patch: { type: PatchType; body: unknown }, options: WriteOptions): Reply;
  delete(namespace: string, name: string, options?: DeleteOptions): Reply;
  /** Every change after `since`, the remembered ones at once. `since` undefined: the current state first, as ADDED. */
  subscribe(
    watch: { matches: Matches; since?: bigint },
    listener: (event: WatchEvent) => void,
  ): { undo: () => void } | say.Status;
}

/** Versions start well above 0 and 1, which mean "any" and "surely too old" to clients. */
const FIRST_VERSION = 100n;
const HISTORY_LIMIT = 1000;
/** What etcd takes by default; it counts a more compact form, so this refuses a little earlier. */
const OBJECT_LIMIT = 1.5 * 1024 * 1024;
const API_VERSION = 'coordination.k8s.io/v1';

export function createLeaseStore({ now, uid, saved, save, historyLimit = HISTORY_LIMIT }: StoreOptions): LeaseStore {
  const leases = new Map((saved?.leases ?? []).map((lease) => [keyOf(lease.metadata), freeze(lease)]));
  let version = saved ? BigInt(saved.resourceVersion) : FIRST_VERSION;
  const history = createHistory(version, historyLimit);

  function commit(change: { before: Lease | undefined; after: Lease | undefined }): Lease {
    const next = version + 1n;
    const object = stamp(change.after ?? (change.before as Lease), next);
    const key = keyOf(object.metadata);
    const undo = change.before;
    if (change.after) leases.set(key, object);
    else leases.delete(key);
    try {
      save?.({ resourceVersion: `${next}`, leases: [...leases.values()] });
    } catch (error) {
      if (undo) leases.set(key, undo);
      else leases.delete(key);
      throw error;
    }
    version = next;
    history.record({ version, before: change.before, after: change.after && object, object });
    return object;
  }

  function list(matches: Matches): Lease[] {
    return [...leases.values()].filter(matches).sort((a, b) => (keyOf(a.metadata) < keyOf(b.metadata) ? -1 : 1));
  }

  function create(namespace: string, sent: SentLease, { manager, dryRun }: WriteOptions, warnings: string[]): Reply {
    const at = now();
    const { generateName } = sent.metadata;
    const name = sent.metadata.name || (generateName && `${generateName}${uid().replaceAll('-', '').slice(-5)}`);
    const metadata = { ...sent.metadata, ...(name && { name }), namespace };
    const causes = validateLease({ ...sent, metadata });
    if (causes.length > 0) return refuse(say.invalid(name ?? '', causes));
    if (leases.has(keyOf({ namespace, name: name ?? '' }))) return refuse(say.alreadyExists(name ?? ''));
    const made = complete(sent, { name: name ?? '', namespace, uid: uid(), creationTimestamp: seconds(at) });
    const lease = withManagedFields(made, trackedFields(undefined, made, { manager, at }));
    if (isTooLarge(lease)) return refuse(say.serverError(TOO_LARGE));
    if (dryRun) return { code: 201, body: withoutVersion(lease), warnings };
    return { code: 201, body: commit({ before: undefined, after: lease }), warnings };
  }

  function update(live: Lease, sent: SentLease, { manager, dryRun }: WriteOptions, warnings: string[]): Reply {
    const { name, namespace, creationTimestamp } = live.metadata;
    const made = complete(sent, {
      name,
      namespace,
      uid: live.metadata.uid,
      creationTimestamp,
      resourceVersion: live.metadata.resourceVersion,
    });
    const { generation } = live.metadata;
    if (generation === undefined) delete made.metadata.generation;
    else made.metadata.generation = generation;
    const causes = validateLease(made);
    if (sent.metadata.uid && sent.metadata.uid !== live.metadata.uid) {
      causes.unshift(invalidValue('metadata.uid', sent.metadata.uid, 'field is immutable'));
    }
    if (causes.length > 0) return refuse(say.invalid(name, causes));
    const lease = withManagedFields(made, trackedFields(live, made, { manager, at: now() }));
    // A write that changes nothing is answered and not done: no new version, no event.
    if (same(live, lease)) return { code: 200, body: live, warnings };
    if (isTooLarge(lease)) return refuse(say.serverError(TOO_LARGE));
    if (dryRun) return { code: 200, body: lease, warnings };
    return { code: 200, body: commit({ before: live, after: lease }), warnings };
  }

  return {
    resourceVersion: () => `${version}`,

    get(namespace, name) {
      const lease = leases.get(keyOf({ namespace, name }));
      return lease ? { code: 200, body: lease, warnings: [] } : refuse(say.notFound(name));
    },

    list,

    put(namespace, name, sent, options) {
      const read = readSent(sent, options.fieldValidation);
      if ('refusal' in read) return refuse(read.refusal);
      const problem = wrongPlace(read.lease, namespace, name);
      if (problem) return refuse(problem);
      const live = leases.get(keyOf({ namespace, name }));
      const refusal =
        wrongUid(read.lease, live, `/registry/leases/${namespace}/${name}`) ?? (live && wrongVersion(read.lease, live));
      if (refusal) return refuse(refusal);
      // A version on an object that does not exist is ignored: a stale PUT creates it anew, unless it carries the uid.
      return live ? update(live, read.lease, options, read.warnings) : create(namespace, read.lease, options, read.warnings);
    },

    post(namespace, sent, options) {
      const read = readSent(sent, options.fieldValidation);
      if ('refusal' in read) return refuse(read.refusal);
      const problem = wrongPlace(read.lease, namespace, undefined);
      if (problem) return refuse(problem);
      if (versionOf(read.lease) !== '')
        return refuse(say.serverError('resourceVersion should not be set on objects to be created'));
      return create(namespace, read.lease, options, read.warnings);
    },

    patch(namespace, name, { type, body }, options) {
      const live = leases.get(keyOf({ namespace, name }));
      if (!live) return refuse(say.notFound(name));
      const patched = applyPatch(type, live, body);
      if ('malformed' in patched) return refuse(say.badRequest(patched.malformed));
      if ('unfit' in patched) return refuse(say.unfitPatch());
      const read = readSent(patched.value, options.fieldValidation);
      if ('refusal' in read) return refuse(say.invalidPatch(JSON.stringify(patched.value), read.why));
      const refusal = wrongPlace(read.lease, namespace, name) ?? wrongVersion(read.lease, live);
      if (refusal) return refuse(refusal);
      return update(live, read.lease, options, read.warnings);
    },

    delete(namespace, name, { uid: wantedUid, resourceVersion, dryRun } = {}) {
      const live = leases.get(keyOf({ namespace, name }));
      if (!live) return refuse(say.notFound(name));
      const has = live.metadata;
      if (wantedUid !== undefined && wantedUid !== has.uid) {
        const why = `the UID in the precondition (${wantedUid}) does not match the UID in record (${has.uid}). The object might have been deleted and then recreated`;
        return refuse(say.deleteConflict(name, why));
      }
      if (resourceVersion !== undefined && resourceVersion !== has.resourceVersion) {
        const why = `the ResourceVersion in the precondition (${resourceVersion}) does not match the ResourceVersion in record (${has.resourceVersion}). The object might have been modified`;
        return refuse(say.deleteConflict(name, why));
      }
      if (!dryRun) commit({ before: live, after: undefined });
      return { code: 200, body: say.deleted(name, has.uid), warnings: [] };
    },

    subscribe({ matches, since }, listener) {
      if (since !== undefined && since < history.oldest()) return say.expired(since, history.oldest());
      const state = since === undefined ? list(matches).map((object): WatchEvent => ({ type: 'ADDED', object })) : [];
      const missed = since === undefined ? [] : history.since(since).map((change) => eventOf(change, matches));
      for (const event of [...state, ...missed]) if (event) listener(event);
      const undo = history.listen((change) => {
        const event = eventOf(change, matches);
        if (event && change.version > (since ?? 0n)) listener(event);
      });
      return { undo };
    },
  };
}

function keyOf({ namespace, name }: { namespace: string; name: string }): string {
  return `${namespace}/${name}`;
}

function refuse(status: say.Status): Reply {
  return { code: status.code ?? 500, body: status, warnings: [] };
}

function complete(
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

function withManagedFields(lease: Lease, managedFields: Lease['metadata']['managedFields']): Lease {
  const { managedFields: _sent, ...metadata } = lease.metadata;
  return { ...lease, metadata: { ...metadata, ...(managedFields && { managedFields }) } };
}

function same(live: Lease, next: Lease): boolean {
  const content = (lease: Lease) => JSON.stringify(withManagedFields(lease, undefined));
  return content(live) === content(next) && sameOwners(live.metadata.managedFields, next.metadata.managedFields);
}

const TOO_LARGE = 'etcdserver: request is too large';

function isTooLarge(lease: Lease): boolean {
  return Buffer.byteLength(JSON.stringify(lease)) > OBJECT_LIMIT;
}

function stamp(lease: Lease, version: bigint): Lease {
  return freeze({ ...lease, metadata: { ...lease.metadata, resourceVersion: `${version}` } });
}

/** The version of an object that a dry run would have made is not known; the server leaves it out. */
function withoutVersion(lease: Lease): Lease {
  const { resourceVersion: _none, ...metadata } = lease.metadata;
  return { ...lease, metadata: metadata as Lease['metadata'] };
}

function freeze(lease: Lease): Lease {
  Object.freeze(lease.metadata);
  Object.freeze(lease.spec);
  return Object.freeze(lease);
}

function seconds(at: Date): string {
  return `${at.toISOString().slice(0, 19)}Z`;
}

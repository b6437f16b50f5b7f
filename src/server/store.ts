/**
 * Leases in memory, with the rules of the API server and without HTTP, clock or chance: versions, uids, conflicts, create by PUT,
 * ownership of fields, events. Every call is synchronous and atomic. Not modelled: finalizers hold no deletion up, and every namespace
 * exists. What becomes of a write that is let through: lease-table.ts.
 */
import { eventOf, type Matches, type WatchEvent } from './history.ts';
import type { Lease, SentLease } from './lease.ts';
import { complete, isTooLarge, same, withManagedFields, withoutVersion } from './lease-object.ts';
import { createLeaseTable, type LeaseTable, type Place, type Snapshot } from './lease-table.ts';
import { trackedFields } from './managed-fields.ts';
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

const HISTORY_LIMIT = 1000;
const TOO_LARGE = 'etcdserver: request is too large';

interface Store extends Pick<StoreOptions, 'now' | 'uid'> {
  table: LeaseTable;
}

export function createLeaseStore({ now, uid, saved, save, historyLimit = HISTORY_LIMIT }: StoreOptions): LeaseStore {
  const table = createLeaseTable({ saved, save, historyLimit });
  const store: Store = { table, now, uid };
  return {
    resourceVersion: () => `${table.version()}`,
    get(namespace, name) {
      const lease = table.find({ namespace, name });
      return lease ? { code: 200, body: lease, warnings: [] } : refuse(say.notFound(name));
    },
    list: table.list,
    put: (namespace, name, sent, options) => put(store, { namespace, name }, sent, options),
    post: (namespace, sent, options) => post(store, namespace, sent, options),
    patch: (namespace, name, patched, options) => patch(store, { namespace, name }, patched, options),
    delete: (namespace, name, options = {}) => remove(table, { namespace, name }, options),
    subscribe: (watch, listener) => subscribe(table, watch, listener),
  };
}

function put(store: Store, place: Place, sent: unknown, options: WriteOptions): Reply {
  const { namespace, name } = place;
  const read = readSent(sent, options.fieldValidation);
  if ('refusal' in read) return refuse(read.refusal);
  const problem = wrongPlace(read.lease, namespace, name);
  if (problem) return refuse(problem);
  const live = store.table.find(place);
  const refusal = wrongUid(read.lease, live, `/registry/leases/${namespace}/${name}`) ?? (live && wrongVersion(read.lease, live));
  if (refusal) return refuse(refusal);
  // A version on an object that does not exist is ignored: a stale PUT creates it anew, unless it carries the uid.
  return live ? update(store, live, read, options) : create(store, namespace, read, options);
}

function post(store: Store, namespace: string, sent: unknown, options: WriteOptions): Reply {
  const read = readSent(sent, options.fieldValidation);
  if ('refusal' in read) return refuse(read.refusal);
  const problem = wrongPlace(read.lease, namespace, undefined);
  if (problem) return refuse(problem);
  if (versionOf(read.lease) !== '') return refuse(say.serverError('resourceVersion should not be set on objects to be created'));
  return create(store, namespace, read, options);
}

function patch(store: Store, place: Place, { type, body }: { type: PatchType; body: unknown }, options: WriteOptions): Reply {
  const { namespace, name } = place;
  const live = store.table.find(place);
  if (!live) return refuse(say.notFound(name));
  const patched = applyPatch(type, live, body);
  if ('malformed' in patched) return refuse(say.badRequest(patched.malformed));
  if ('unfit' in patched) return refuse(say.unfitPatch());
  const read = readSent(patched.value, options.fieldValidation);
  if ('refusal' in read) return refuse(say.invalidPatch(JSON.stringify(patched.value), read.why));
  const refusal = wrongPlace(read.lease, namespace, name) ?? wrongVersion(read.lease, live);
  if (refusal) return refuse(refusal);
  return update(store, live, read, options);
}

interface Read {
  lease: SentLease;
  warnings: string[];
}

function create({ table, now, uid }: Store, namespace: string, { lease: sent, warnings }: Read, options: WriteOptions): Reply {
  const { manager, dryRun } = options;
  const at = now();
  const { generateName } = sent.metadata;
  const given = sent.metadata.name || (generateName && `${generateName}${uid().replaceAll('-', '').slice(-5)}`);
  const metadata = { ...sent.metadata, ...(given && { name: given }), namespace };
  const name = given ?? '';
  const causes = validateLease({ ...sent, metadata });
  if (causes.length > 0) return refuse(say.invalid(name, causes));
  if (table.find({ namespace, name })) return refuse(say.alreadyExists(name));
  const made = complete(sent, { name, namespace, uid: uid(), creationTimestamp: seconds(at) });
  const lease = withManagedFields(made, trackedFields(undefined, made, { manager, at }));
  if (isTooLarge(lease)) return refuse(say.serverError(TOO_LARGE));
  if (dryRun) return { code: 201, body: withoutVersion(lease), warnings };
  return { code: 201, body: table.commit({ before: undefined, after: lease }), warnings };
}

function update({ table, now }: Store, live: Lease, { lease: sent, warnings }: Read, options: WriteOptions): Reply {
  const { manager, dryRun } = options;
  const { name, generation } = live.metadata;
  const made = complete(sent, live.metadata);
  if (generation === undefined) delete made.metadata.generation;
  else made.metadata.generation = generation;
  const causes = validateLease(made);
  if (sent.metadata.uid && sent.metadata.uid !== live.metadata.uid) {
    causes.unshift(invalidValue('metadata.uid', sent.metadata.uid, 'field is immutable'));
  }
  if (causes.length > 0) return refuse(say.invalid(name, causes));
  const lease = withManagedFields(made, trackedFields(live, made, { manager, at: now() }));
  if (same(live, lease)) return { code: 200, body: live, warnings };
  if (isTooLarge(lease)) return refuse(say.serverError(TOO_LARGE));
  if (dryRun) return { code: 200, body: lease, warnings };
  return { code: 200, body: table.commit({ before: live, after: lease }), warnings };
}

function remove(table: LeaseTable, place: Place, { uid, resourceVersion, dryRun }: DeleteOptions): Reply {
  const live = table.find(place);
  if (!live) return refuse(say.notFound(place.name));
  const has = live.metadata;
  if (uid !== undefined && uid !== has.uid) {
    const why = `the UID in the precondition (${uid}) does not match the UID in record (${has.uid}). The object might have been deleted and then recreated`;
    return refuse(say.deleteConflict(place.name, why));
  }
  if (resourceVersion !== undefined && resourceVersion !== has.resourceVersion) {
    const why = `the ResourceVersion in the precondition (${resourceVersion}) does not match the ResourceVersion in record (${has.resourceVersion}). The object might have been modified`;
    return refuse(say.deleteConflict(place.name, why));
  }
  if (!dryRun) table.commit({ before: live, after: undefined });
  return { code: 200, body: say.deleted(place.name, has.uid), warnings: [] };
}

function subscribe(
  { list, history }: LeaseTable,
  { matches, since }: { matches: Matches; since?: bigint },
  listener: (event: WatchEvent) => void,
): { undo: () => void } | say.Status {
  if (since !== undefined && since < history.oldest()) return say.expired(since, history.oldest());
  const state = since === undefined ? list(matches).map((object): WatchEvent => ({ type: 'ADDED', object })) : [];
  const missed = since === undefined ? [] : history.since(since).map((change) => eventOf(change, matches));
  for (const event of [...state, ...missed]) if (event) listener(event);
  const undo = history.listen((change) => {
    const event = eventOf(change, matches);
    if (event && change.version > (since ?? 0n)) listener(event);
  });
  return { undo };
}

function refuse(status: say.Status): Reply {
  return { code: status.code ?? 500, body: status, warnings: [] };
}

function seconds(at: Date): string {
  return `${at.toISOString().slice(0, 19)}Z`;
}

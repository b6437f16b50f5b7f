/**
 * Who owns which field, and when that owner last wrote: `metadata.managedFields` for plain updates. A write takes the fields that it
 * adds or changes away from their owners; its entry gets the server's time, in whole seconds, whenever it changed anything. As on
 * the real server a client may send entries of its own making, may switch tracking off (`[]` or `[{}]`), and an object that has no
 * entry stays without. Not modelled: server-side apply, and the merging of old entries once there are more than ten managers.
 */
import type { FieldTree, Lease, LeaseMetadata, LeaseSpec, ManagedFieldsEntry } from './lease.ts';

interface Content {
  metadata: Partial<LeaseMetadata>;
  spec: LeaseSpec;
}

const API_VERSION = 'coordination.k8s.io/v1';

/** Undefined: the object has no entries. */
export function trackedFields(
  live: Lease | undefined,
  next: Content,
  write: { manager: string; at: Date },
): ManagedFieldsEntry[] | undefined {
  const sent = next.metadata.managedFields;
  if (live && sent?.every((entry) => Object.keys(entry).length === 0)) return undefined;
  const entries = !live ? [] : usable(sent) ? sent : (live.metadata.managedFields ?? []);
  if (live && entries.length === 0) return undefined;

  const before = leaves(live);
  const after = leaves(next);
  const changed = new Set([...after].filter(([path, value]) => before.get(path) !== value).map(([path]) => path));
  const removed = new Set([...before.keys()].filter((path) => !after.has(path)));
  // A write that changes nothing else can't give entries another time either.
  if (live && changed.size === 0 && removed.size === 0)
    return sameOwners(entries, live.metadata.managedFields) ? live.metadata.managedFields : entries;

  const own = entries.find((entry) => isOwn(entry, write.manager));
  const others = entries
    .filter((entry) => entry !== own)
    .map((entry) => withPaths(entry, minus(pathsOf(entry), changed, removed)));
  const mine = minus(new Set([...(own ? pathsOf(own) : []), ...changed]), removed);
  const time = `${write.at.toISOString().slice(0, 19)}Z`;
  const updated = { manager: write.manager, operation: 'Update', apiVersion: API_VERSION, time, fieldsType: 'FieldsV1' };
  const all = [...others, withPaths(updated, mine)].filter((entry) => Object.keys(entry.fieldsV1 ?? {}).length > 0);
  return all.length > 0 ? all.sort(byOperationTimeAndName) : undefined;
}

export function sameOwners(a: ManagedFieldsEntry[] | undefined, b: ManagedFieldsEntry[] | undefined): boolean {
  const withoutTimes = (entries: ManagedFieldsEntry[] | undefined) =>
    JSON.stringify((entries ?? []).map((entry) => ({ ...entry, time: '' })));
  return withoutTimes(a) === withoutTimes(b);
}

function usable(entries: ManagedFieldsEntry[] | undefined): entries is ManagedFieldsEntry[] {
  return (
    !!entries?.length &&
    entries.every((entry) => entry?.fieldsType === 'FieldsV1' && ['Update', 'Apply'].includes(entry.operation ?? ''))
  );
}

function isOwn(entry: ManagedFieldsEntry, manager: string): boolean {
  return entry.manager === manager && entry.operation === 'Update' && entry.apiVersion === API_VERSION && !entry.subresource;
}

/** Every field that can have an owner, as a path (JSON of its steps), with its value as text. A map is a field beside its entries. */
function leaves(content: Content | undefined): Map<string, string> {
  const found = new Map<string, string>();
  if (!content) return found;
  const add = (value: unknown, ...steps: string[]) => found.set(JSON.stringify(steps), JSON.stringify(value));
  const { generateName, labels, annotations, finalizers, ownerReferences } = content.metadata;
  if (generateName) add(generateName, 'f:metadata', 'f:generateName');
  for (const [name, map] of Object.entries({ labels, annotations })) {
    if (!map) continue;
    add('', 'f:metadata', `f:${name}`, '.');
    for (const [key, value] of Object.entries(map)) add(value, 'f:metadata', `f:${name}`, `f:${key}`);
  }
  if (finalizers?.length) add('', 'f:metadata', 'f:finalizers', '.');
  for (const finalizer of finalizers ?? []) add('', 'f:metadata', 'f:finalizers', `v:${JSON.stringify(finalizer)}`);
  if (ownerReferences?.length) add('', 'f:metadata', 'f:ownerReferences', '.');
  for (const owner of ownerReferences ?? [])
    add(owner, 'f:metadata', 'f:ownerReferences', `k:${JSON.stringify({ uid: owner.uid })}`);
  for (const [key, value] of Object.entries(content.spec)) if (value !== undefined) add(value, 'f:spec', `f:${key}`);
  return found;
}

function pathsOf(entry: ManagedFieldsEntry): Set<string> {
  const paths = new Set<string>();
  const walk = (tree: FieldTree, steps: string[]) => {
    for (const [step, below] of Object.entries(tree)) {
      if (Object.keys(below ?? {}).length === 0) paths.add(JSON.stringify([...steps, step]));
      else walk(below, [...steps, step]);
    }
  };
  walk(entry.fieldsV1 ?? {}, []);
  return paths;
}

function withPaths(entry: ManagedFieldsEntry, paths: Set<string>): ManagedFieldsEntry {
  const tree = emptyTree();
  for (const path of [...paths].sort()) {
    let at = tree;
    for (const step of JSON.parse(path) as string[]) {
      at[step] ??= emptyTree();
      at = at[step];
    }
  }
  return { ...entry, fieldsV1: tree };
}

/** Steps can come from a client, `__proto__` included: without a prototype that is a name like any other. */
function emptyTree(): FieldTree {
  return Object.create(null) as FieldTree;
}

function minus(paths: Set<string>, ...taken: Set<string>[]): Set<string> {
  return new Set([...paths].filter((path) => !taken.some((set) => set.has(path))));
}

function byOperationTimeAndName(a: ManagedFieldsEntry, b: ManagedFieldsEntry): number {
  const key = (entry: ManagedFieldsEntry) => [entry.operation, entry.time, entry.manager].join('\n');
  return key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0;
}

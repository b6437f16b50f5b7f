/**
 * An API server with one Lease: what etcd and the API machinery promise of it, and what they do that surprises. Versions grow over deletes,
 * a PUT without uid and version creates, a uid guards against what was deleted, managedFields tell who set `renewTime` last and
 * when, by the clock of one of several servers that agree only roughly. A write is one moment: it happens wholly or not at all.
 */
import type { RawLease } from '../../src/protocol/lease.ts';
import type { Author, Deed, Sent } from './history.ts';
import { EPOCH_MS } from './process.ts';
import type { Random } from './random.ts';
import type { World } from './world.ts';

export interface Write {
  author: Author;
  manager: string;
  sent?: Sent;
  deed?: Deed;
}

export interface Server {
  get(): { lease: RawLease | undefined };
  put(lease: RawLease, write: Write): RawLease | 'conflict' | 'too-large';
  /** Like `put`, checked and stamped, and not done. */
  dry(lease: RawLease, write: Write): RawLease | 'conflict';
  /** Like `put`, for the version that is there: what an administrator or a PATCH does. */
  force(lease: RawLease, write: Write): RawLease;
  remove(write: Write): void;
  /** Puts back how everything was so many changes ago: etcd comes from a backup. False if nothing is that old. */
  restore(changes: number, write: Write): boolean;
  /** The clock of one of the servers steps. */
  step(ms: number): void;
  onCommit(listener: (commit: Commit) => void): () => void;
  /** What happened after a version; undefined if that is too long ago to tell. */
  since(version: string): (RawLease | undefined)[] | undefined;
  readonly version: string;
}

export interface Commit {
  write: Write;
  before: RawLease | undefined;
  after: RawLease | undefined;
}

export interface ServerOptions {
  random: Random;
  /** How far the servers' clocks are from true time, each. */
  skewsMs: readonly [number, ...number[]];
  /** Whether it tracks fields at all. */
  tracks?: boolean;
}

/** What the API allows of all annotations together. */
const LIMIT_BYTES = 262_144;
const sizeOf = ({ metadata: { annotations = {} } }: RawLease): number =>
  Object.entries(annotations).reduce((sum, [name, text]) => sum + name.length + text.length, 0);

/** How many changes a watch cache remembers. */
const MEMORY = 50;
/** Just below a power of ten: versions gain a digit during a run. */
const FIRST_VERSION = 99_400;

export const newServer = (world: World, options: ServerOptions): Server => new SimulatedServer(world, options);

class SimulatedServer implements Server {
  readonly #world: World;
  readonly #random: Random;
  readonly #tracks: boolean;
  readonly #skewsMs: [number, ...number[]];
  readonly #listeners = new Set<(commit: Commit) => void>();
  #lease: RawLease | undefined;
  #version = FIRST_VERSION;
  #incarnations = 0;
  #history: { version: number; lease: RawLease | undefined }[] = [{ version: FIRST_VERSION, lease: undefined }];

  constructor(world: World, { random, skewsMs, tracks = true }: ServerOptions) {
    this.#world = world;
    this.#random = random;
    this.#tracks = tracks;
    this.#skewsMs = [...skewsMs];
  }

  get version(): string {
    return String(this.#version);
  }

  get(): { lease: RawLease | undefined } {
    return { lease: this.#lease };
  }

  dry(given: RawLease, write: Write): RawLease | 'conflict' {
    const { uid, resourceVersion } = given.metadata;
    const lease = this.#lease;
    if (!lease || uid !== lease.metadata.uid || resourceVersion !== lease.metadata.resourceVersion) return 'conflict';
    return { ...given, metadata: { ...given.metadata, managedFields: fields(lease, given, write, this.#serverMs()) } };
  }

  put(given: RawLease, write: Write): RawLease | 'conflict' | 'too-large' {
    const { uid, resourceVersion } = given.metadata;
    const lease = this.#lease;
    if (sizeOf(given) > LIMIT_BYTES) return 'too-large';
    if (!lease) {
      // Only the uid tells a stale update from a creation.
      if (uid !== undefined) return 'conflict';
      this.#incarnations += 1;
      return this.#store(given, `uid-${this.#incarnations}`, write);
    }
    if (resourceVersion !== lease.metadata.resourceVersion) return 'conflict';
    if (uid !== undefined && uid !== lease.metadata.uid) return 'conflict';
    return this.#store(given, lease.metadata.uid ?? '', write);
  }

  force(given: RawLease, write: Write): RawLease {
    if (!this.#lease) this.#incarnations += 1;
    return this.#store(given, this.#lease?.metadata.uid ?? `uid-${this.#incarnations}`, write);
  }

  remove(write: Write): void {
    if (!this.#lease) return;
    this.#version += 1;
    this.#commit(undefined, write);
  }

  restore(changes: number, write: Write): boolean {
    const then = this.#history.at(-1 - changes);
    if (!then) return false;
    this.#history = this.#history.slice(0, -changes);
    this.#version = then.version;
    const before = this.#lease;
    this.#lease = then.lease;
    for (const listener of this.#listeners) listener({ write, before, after: this.#lease });
    return true;
  }

  step(ms: number): void {
    this.#skewsMs[Math.floor(this.#random.next() * this.#skewsMs.length)] = ms;
  }

  onCommit(listener: (commit: Commit) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  since(seen: string): (RawLease | undefined)[] | undefined {
    if (Number(seen) < (this.#history[0]?.version ?? 0) || Number(seen) > this.#version) return undefined;
    return this.#history.filter(({ version: at }) => at > Number(seen)).map(({ lease: then }) => then);
  }

  #serverMs(): number {
    return Math.floor((EPOCH_MS + this.#world.now() + this.#random.pick(this.#skewsMs)) / 1000) * 1000;
  }

  #commit(after: RawLease | undefined, write: Write): void {
    const before = this.#lease;
    this.#lease = after && deepFreeze(after);
    this.#history.push({ version: this.#version, lease: this.#lease });
    if (this.#history.length > 2 * MEMORY) this.#history = this.#history.slice(-MEMORY);
    for (const listener of this.#listeners) listener({ write, before, after: this.#lease });
  }

  #store(given: RawLease, uid: string, write: Write): RawLease {
    this.#version += 1 + Math.floor(this.#random.next() * 3);
    const { managedFields: _, ...own } = given.metadata;
    const tracked = this.#tracks && { managedFields: fields(this.#lease, given, write, this.#serverMs()) };
    const metadata = { ...own, uid, resourceVersion: String(this.#version), ...tracked };
    const after = { ...given, metadata };
    this.#commit(after, write);
    return after;
  }
}

type Field = NonNullable<RawLease['metadata']['managedFields']>[number] & { manager?: string };

/** Field tracking, as far as `renewTime` and the annotations go: who sets a new value owns it, from now on. */
function fields(before: RawLease | undefined, after: RawLease, { manager }: Write, serverMs: number): Field[] {
  const notes = { before: before?.metadata.annotations ?? {}, after: after.metadata.annotations ?? {} };
  const set = Object.keys(notes.after).filter((name) => notes.after[name] !== notes.before[name]);
  const names = new Set(set.map((name) => `f:${name}`));
  if (after.spec?.renewTime !== undefined && after.spec.renewTime !== before?.spec?.renewTime) names.add('f:renewTime');
  // Only an empty list resets it: what a writer says of managedFields is ignored otherwise.
  const reset = after.metadata.managedFields?.length === 0;
  const entries: Field[] = (reset ? undefined : before?.metadata.managedFields) ?? [];
  const own = entries.find((entry) => entry.manager === manager);
  const others = entries.filter((entry) => entry !== own).map((entry) => ({ ...entry, ...left(entry, names, after) }));
  // Who only removes something takes no field, and is not stamped.
  const time = names.size > 0 ? new Date(serverMs).toISOString().replace('.000Z', 'Z') : own?.time;
  const owned = [...names, ...(own ? ownedBy(own) : [])].filter((name) => isThere(name, after));
  const mine = { manager, operation: 'Update', ...(time && { time }), ...fieldsOf(owned) } as Field;
  return capped([...others, mine].filter((entry) => ownedBy(entry).length > 0));
}

/** What remains to somebody else: what it owned, without what is taken or removed. */
const left = (entry: Field, taken: ReadonlySet<string>, after: RawLease) =>
  fieldsOf(ownedBy(entry).filter((name) => !taken.has(name) && isThere(name, after)));

const ownedBy = ({ fieldsV1 }: Field): string[] => [
  ...Object.keys((fieldsV1?.['f:spec'] as object | undefined) ?? {}),
  ...Object.keys((fieldsV1?.['f:metadata'] as { 'f:annotations'?: object } | undefined)?.['f:annotations'] ?? {}),
];

const isThere = (name: string, { metadata, spec }: RawLease): boolean =>
  name === 'f:renewTime' ? spec?.renewTime !== undefined : metadata.annotations?.[name.slice(2)] !== undefined;

function fieldsOf(names: readonly string[]): { fieldsV1: NonNullable<Field['fieldsV1']> } {
  const notes = names.filter((name) => name !== 'f:renewTime').map((name) => [name, {}] as const);
  const spec = names.includes('f:renewTime') && { 'f:spec': { 'f:renewTime': {} } };
  return { fieldsV1: { 'f:metadata': { 'f:annotations': Object.fromEntries(notes) }, ...spec } };
}

/** As many as the API server keeps apart: the oldest of more are merged, under the time of the newest of them. */
function capped(entries: Field[]): Field[] {
  const most = 10;
  if (entries.length <= most) return entries;
  const byAge = entries.toSorted((a, b) => Date.parse(a.time ?? '') - Date.parse(b.time ?? ''));
  const old = byAge.slice(0, entries.length - most + 1);
  const merged = { ...(old.at(-1) as Field), manager: 'ancient-changes', ...fieldsOf(old.flatMap(ownedBy)) };
  return [merged, ...byAge.slice(old.length)];
}

/** What the server holds, nobody changes in place: a participant that tried would be stopped on the spot. */
function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    for (const part of Object.values(value)) deepFreeze(part);
    Object.freeze(value);
  }
  return value;
}

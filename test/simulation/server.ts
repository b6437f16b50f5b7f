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

export function newServer(world: World, { random, skewsMs: skews, tracks = true }: ServerOptions): Server {
  const skewsMs: [number, ...number[]] = [...skews];
  let lease: RawLease | undefined;
  let version = FIRST_VERSION;
  let incarnations = 0;
  const listeners = new Set<(commit: Commit) => void>();
  let history: { version: number; lease: RawLease | undefined }[] = [{ version, lease: undefined }];

  const serverMs = () => Math.floor((EPOCH_MS + world.now() + random.pick(skewsMs)) / 1000) * 1000;

  const commit = (after: RawLease | undefined, write: Write) => {
    const before = lease;
    lease = after && deepFreeze(after);
    history.push({ version, lease });
    if (history.length > 2 * MEMORY) history = history.slice(-MEMORY);
    for (const listener of listeners) listener({ write, before, after: lease });
  };

  const store = (given: RawLease, uid: string, write: Write): RawLease => {
    version += 1 + Math.floor(random.next() * 3);
    const { managedFields: _, ...own } = given.metadata;
    const tracked = tracks && { managedFields: fields(lease, given, write, serverMs()) };
    const metadata = { ...own, uid, resourceVersion: String(version), ...tracked };
    const after = { ...given, metadata };
    commit(after, write);
    return after;
  };

  return {
    get: () => ({ lease }),
    dry(given, write) {
      const { uid, resourceVersion } = given.metadata;
      if (!lease || uid !== lease.metadata.uid || resourceVersion !== lease.metadata.resourceVersion) return 'conflict';
      return { ...given, metadata: { ...given.metadata, managedFields: fields(lease, given, write, serverMs()) } };
    },
    put(given, write) {
      const { uid, resourceVersion } = given.metadata;
      if (sizeOf(given) > LIMIT_BYTES) return 'too-large';
      if (!lease) {
        // Only the uid tells a stale update from a creation.
        if (uid !== undefined) return 'conflict';
        incarnations += 1;
        return store(given, `uid-${incarnations}`, write);
      }
      if (resourceVersion !== lease.metadata.resourceVersion) return 'conflict';
      if (uid !== undefined && uid !== lease.metadata.uid) return 'conflict';
      return store(given, lease.metadata.uid ?? '', write);
    },
    force(given, write) {
      if (!lease) incarnations += 1;
      return store(given, lease?.metadata.uid ?? `uid-${incarnations}`, write);
    },
    remove(write) {
      if (!lease) return;
      version += 1;
      commit(undefined, write);
    },
    restore(changes, write) {
      const then = history.at(-1 - changes);
      if (!then) return false;
      history = history.slice(0, -changes);
      version = then.version;
      const before = lease;
      lease = then.lease;
      for (const listener of listeners) listener({ write, before, after: lease });
      return true;
    },
    step(ms) {
      skewsMs[Math.floor(random.next() * skewsMs.length)] = ms;
    },
    onCommit(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    since(seen) {
      if (Number(seen) < (history[0]?.version ?? 0) || Number(seen) > version) return undefined;
      return history.filter(({ version: at }) => at > Number(seen)).map(({ lease: then }) => then);
    },
    get version() {
      return String(version);
    },
  };
}

type Field = NonNullable<RawLease['metadata']['managedFields']>[number] & { manager?: string };

/** Field tracking, as far as `renewTime` goes: who sets a new value owns it, from now on. */
function fields(before: RawLease | undefined, after: RawLease, { manager }: Write, serverMs: number): Field[] {
  const sets = after.spec?.renewTime !== undefined && after.spec.renewTime !== before?.spec?.renewTime;
  // Only an empty list resets it: what a writer says of managedFields is ignored otherwise.
  const reset = after.metadata.managedFields?.length === 0;
  const entries: Field[] = (reset ? undefined : before?.metadata.managedFields) ?? [];
  const others = entries.filter((entry) => entry.manager !== manager);
  const owned = entries.some((entry) => entry.manager === manager && entry.fieldsV1?.['f:spec']);
  const rest = sets ? others.map(({ fieldsV1, ...entry }) => ({ ...entry, fieldsV1: { 'f:metadata': {} } })) : others;
  const time = new Date(serverMs).toISOString().replace('.000Z', 'Z');
  const fieldsV1 = { 'f:metadata': {}, ...((sets || owned) && { 'f:spec': { 'f:renewTime': {} } }) };
  return [...rest, { manager, operation: 'Update', time, fieldsV1 } as Field];
}

/** What the server holds, nobody changes in place: a participant that tried would be stopped on the spot. */
function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    for (const part of Object.values(value)) deepFreeze(part);
    Object.freeze(value);
  }
  return value;
}

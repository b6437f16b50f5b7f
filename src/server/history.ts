/**
 * What happened, in order, for as long as it is remembered: the latest `limit` changes. Who asks for everything since a version
 * that is no longer covered is told so and must start over from the current state. Nothing is written to disk.
 */
import type { Lease } from './lease.ts';

/** One change. `before` and `after` tell a watcher with a selector whether the object came into its sight or left it. */
export interface Change {
  version: bigint;
  before: Lease | undefined;
  /** For a deletion: undefined. */
  after: Lease | undefined;
  /** The object as an event of this change carries it: of a deletion the last state, with the deletion's version. */
  object: Lease;
}

export type Matches = (lease: Lease) => boolean;

export interface WatchEvent {
  type: 'ADDED' | 'MODIFIED' | 'DELETED';
  object: Lease;
}

export interface History {
  /** The oldest version after which every change is still known. */
  oldest(): bigint;
  record(change: Change): void;
  since(version: bigint): Change[];
  /** Returns the undo. Listeners are called before the write that caused it is answered. */
  listen(listener: (change: Change) => void): () => void;
}

export function createHistory(start: bigint, limit: number): History {
  const changes: Change[] = [];
  const listeners = new Set<(change: Change) => void>();
  let oldest = start;
  return {
    oldest: () => oldest,
    record(change) {
      changes.push(change);
      if (changes.length > limit) oldest = changes.shift()?.version ?? oldest;
      for (const listener of [...listeners]) listener(change);
    },
    since: (version) => changes.filter((change) => change.version > version),
    listen(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** What a watcher with this selector sees of a change, if anything. */
export function eventOf({ before, after, object }: Change, matches: Matches): WatchEvent | undefined {
  const was = !!before && matches(before);
  const is = !!after && matches(after);
  if (was && is) return { type: 'MODIFIED', object };
  if (is) return { type: 'ADDED', object };
  if (!was || !before) return undefined;
  // It left the selector's sight: the event shows what was seen last, with the version of the change.
  return {
    type: 'DELETED',
    object: { ...before, metadata: { ...before.metadata, resourceVersion: object.metadata.resourceVersion } },
  };
}

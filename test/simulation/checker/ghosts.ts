/**
 * Holders of a Lease that was deleted: whoever has seen one goes on honouring it for its whole duration, from when he learns of the deletion, though
 * no document tells of it any more. Others need not know.
 */
import { type Doc, docOf, PREFIX } from '../document.ts';
import type { Author, Occurrence } from '../history.ts';
import { holderKeys } from './writes.ts';

export interface Ghosts {
  shown(at: number, event: Occurrence & { type: 'shown' }): void;
  /** Until when this author may have reason to wait for one of them. */
  honouredUntil(author: Author): number;
  /** What is shown from now on may be older than what was shown before. */
  reset(): void;
}

/** What somebody knows of a holder, since when, and of which incarnation of the Lease. */
interface Known {
  uid: string | undefined;
  durationMs: number;
  datedAt: number;
}

interface Memory {
  version: number;
  /** Undefined: there is no Lease. */
  uid: string | undefined;
  holders: Map<string, Known>;
}

/** Answers, and timers that are late. */
const SLACK_MS = 500;

export function newGhosts(): Ghosts {
  const memories = new Map<string, Memory>();
  return {
    shown(at, { author, lease, byAnswer }) {
      const memory = memories.get(author.nonce) ?? { version: 0, uid: undefined, holders: new Map() };
      memories.set(author.nonce, memory);
      if (lease) remember(memory, at, docOf(lease));
      // That it is gone, a watch only hints at.
      else if (byAnswer && memory.uid !== undefined) {
        memory.uid = undefined;
        for (const known of memory.holders.values()) known.datedAt = at;
      }
    },
    reset() {
      for (const memory of memories.values()) memory.version = 0;
    },
    honouredUntil({ nonce }) {
      const { uid, holders } = memories.get(nonce) ?? { holders: [] };
      const ghosts = [...holders.values()].filter((known) => known.uid !== uid);
      return Math.max(Number.NEGATIVE_INFINITY, ...ghosts.map((known) => known.datedAt + honouredMs(known) + SLACK_MS));
    },
  };
}

function remember(memory: Memory, at: number, doc: Doc): void {
  const uid = doc.lease.metadata.uid;
  const broken = memory.uid !== uid;
  const present = holdersOf(doc);
  // Old news, too, tells of a holder that may still run.
  if (doc.version < memory.version) {
    if (broken) for (const [key, durationMs] of present) memory.holders.set(key, { uid, durationMs, datedAt: at });
    return;
  }
  for (const [key, known] of memory.holders) {
    if (broken) known.datedAt = at;
    if (known.uid === uid) memory.holders.delete(key);
  }
  for (const [key, durationMs] of present) memory.holders.set(key, { uid, durationMs, datedAt: at });
  memory.uid = uid;
  memory.version = doc.version;
}

function holdersOf(doc: Doc): [key: string, durationMs: number][] {
  const { named, holders, lease } = doc;
  // One that can't be read blocks, too.
  const annotated = holderKeys(doc).map((name): [string, number] => {
    const key = name.slice(PREFIX.holder.length);
    // An administrator may have written less into it than the spec says: then that counts.
    const stated = holders.find((entry) => entry.key === key)?.durationMs ?? 0;
    return [key, stated && Math.max(stated, (lease.spec?.leaseDurationSeconds ?? 0) * 1000)];
  });
  if (named === '' || holders.some(({ id }) => id === named)) return annotated;
  return [...annotated, [`foreign:${named}`, (lease.spec?.leaseDurationSeconds ?? 0) * 1000]];
}

/** With what waiters add to it, by a clock that may be slow; a duration that can't be read is their own. */
const honouredMs = ({ durationMs }: Known): number => {
  const stated = durationMs > 0 ? durationMs : 120_000;
  return (stated + Math.max(2000, stated / 10)) * 1.03;
};

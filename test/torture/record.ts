/**
 * Writes down what happens to one Lease on a real API server, and what commands say of themselves, as a history that the simulation's checker
 * reads. A write is dated by the time that its author wrote into it, all being on one machine: what the watch tells may come seconds late when
 * the API server was frozen.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RawLease } from '../../src/protocol/lease.ts';
import type { Api } from '../harness/api.ts';
import { type Doc, docOf, type Entry } from '../simulation/document.ts';
import type { Author, Deed, Occurrence } from '../simulation/history.ts';

interface Write {
  lease: RawLease | undefined;
  version: string;
  receivedAt: number;
}

export interface LeaseRecord {
  /** Why versions may be missing. */
  readonly gap: string | undefined;
  writes: readonly Write[];
  end(): void;
}

/** Watches one Lease without missing a version: on an API server that is not restarted, since a new one knows nothing of the past. */
export function recordLease(api: Pick<Api, 'watch'>, namespace: string, name: string): LeaseRecord {
  const writes: Write[] = [];
  let ended = false;
  let since = '';
  let gap: string | undefined;
  void (async () => {
    while (!ended) {
      try {
        const query = `watch=1&fieldSelector=metadata.name%3D${name}${since && `&resourceVersion=${since}`}`;
        const watching = await api.watch(`/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases?${query}`);
        for (let event = await watching.next(); event && !ended; event = await watching.next()) {
          if (event.type === 'ERROR') gap = JSON.stringify(event.object);
          if (event.type === 'ERROR') break;
          const lease = event.object as unknown as RawLease;
          since = lease.metadata.resourceVersion ?? since;
          writes.push({ lease: event.type === 'DELETED' ? undefined : lease, version: since, receivedAt: Date.now() });
        }
        watching.close();
      } catch {
        // The API server is away: from where it was, once it is back.
      }
      await sleep(50);
    }
  })();
  return {
    writes,
    get gap() {
      return gap;
    },
    end() {
      ended = true;
    },
  };
}

/** By the version that it made: what the torture did itself. */
export type Deeds = ReadonlyMap<string, { author: Author; deed?: Deed }>;

export interface Dated {
  at: number;
  occurrence: Occurrence;
}

export function historyOf(
  writes: readonly Write[],
  commands: string,
  { deeds, durationMs }: { deeds: Deeds; durationMs: number },
): Dated[] {
  const authors = new Map<string, Author>();
  const authorOf = (id: string): Author => {
    const nonce = id.slice(id.lastIndexOf('/') + 1);
    const known = authors.get(nonce) ?? { name: id, kind: 'ours', id, nonce, durationMs };
    authors.set(nonce, known);
    return known;
  };
  const times = timesOf(writes);
  const history: Dated[] = [];
  const committedAt = new Map<string, number>();
  let before: RawLease | undefined;
  for (const [i, { lease, version }] of writes.entries()) {
    const at = times[i] ?? 0;
    const done = deeds.get(version) ?? operated(before, lease) ?? writtenBy(before, lease, authorOf);
    committedAt.set(version, at);
    history.push({ at, occurrence: { type: 'commit', before, after: lease, ...done } });
    if (lease && done.author.kind === 'ours')
      history.push({ at, occurrence: { type: 'shown', author: done.author, lease, byAnswer: true } });
    before = lease;
  }
  history.push(...commandsOf(commands, committedAt, authorOf));
  return history.sort((a, b) => a.at - b.at);
}

const ADMIN: Author = { name: 'admin', kind: 'admin', id: 'admin', nonce: 'admin', durationMs: 0 };

const UNLOCKED = 'lease-lock.nullplatform.com/unlocked';

/** What a command for operators has written; what it clears by force, it signs. */
function operated(before: RawLease | undefined, after: RawLease | undefined): { author: Author; deed: Deed } | undefined {
  if (!before || !after) return undefined;
  const [was, now] = [docOf(before), docOf(after)];
  if (was.annotations[UNLOCKED] !== now.annotations[UNLOCKED]) return { author: ADMIN, deed: 'unlock' };
  const asked = JSON.stringify(was.lock.stop) !== JSON.stringify(now.lock.stop) && now.lock.stop !== undefined;
  const asksWaiter = ({ text }: { text: string }) => 'stop' in JSON.parse(text);
  const leaves = now.waiters.filter(asksWaiter).length > was.waiters.filter(asksWaiter).length;
  return asked || leaves ? { author: ADMIN, deed: 'other' } : undefined;
}

function writtenBy(before: RawLease | undefined, after: RawLease | undefined, authorOf: (id: string) => Author) {
  const next = after && handedTo(before && docOf(before), docOf(after));
  return { author: writerOf(before, after, authorOf), ...(next && { to: authorOf(next.id) }) };
}

/** Whose entry the write has changed: each writes its own. */
function writerOf(before: RawLease | undefined, after: RawLease | undefined, authorOf: (id: string) => Author): Author {
  if (!after) return ADMIN;
  const old = before && docOf(before);
  const now = docOf(after);
  const changed = now.holders.find((holder) => old?.holders.find(({ key }) => key === holder.key)?.text !== holder.text);
  const arrived = now.waiters.find((waiter) => !old?.waiters.some(({ key }) => key === waiter.key));
  const gone = (of: 'holders' | 'waiters') => old?.[of].find(({ key }) => !now[of].some((entry) => entry.key === key));
  // But for the one that hands the lock over, with the write that takes its own entry out.
  const author = (handedTo(old, now) && gone('holders')) ?? changed ?? arrived ?? gone('holders') ?? gone('waiters');
  return author ? authorOf(author.id) : ADMIN;
}

const handedTo = (old: Doc | undefined, now: Doc): Entry | undefined =>
  now.holders.find(({ granted, key }) => granted && !old?.holders.some((holder) => holder.key === key));

function timesOf(writes: readonly Write[]): number[] {
  const times = writes.map(({ lease, receivedAt }, i) => {
    const renewed = lease?.spec?.renewTime;
    const fresh = renewed !== undefined && renewed !== writes[i - 1]?.lease?.spec?.renewTime;
    return fresh ? Math.min(receivedAt, Date.parse(renewed)) : receivedAt;
  });
  for (let i = times.length - 2; i >= 0; i--) times[i] = Math.min(times[i] ?? 0, times[i + 1] ?? 0);
  return times;
}

/** A command lives from its first word to its last sign of life. */
function commandsOf(file: string, committedAt: ReadonlyMap<string, number>, authorOf: (id: string) => Author): Dated[] {
  const ran = new Map<string, { from: number; to: number; token: string }>();
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    const [what, id = '', at = '0', token = ''] = line.split(' ');
    const ms = Number(BigInt(at || '0') / 1000n) / 1000;
    if (what === 'start') ran.set(id, { from: ms, to: ms, token });
    const known = ran.get(id);
    if (what === 'alive' && known) known.to = ms;
  }
  return [...ran].flatMap(([id, { from, to, token }]): Dated[] => {
    const author = authorOf(id);
    // The watch may tell of the claim after the command has told of its start.
    const startedAt = Math.max(from, (committedAt.get(token) ?? from) + 0.001);
    return [
      { at: startedAt, occurrence: { type: 'started', author, token } },
      { at: Math.max(to, startedAt), occurrence: { type: 'ended', author, clock: to, how: 'last sign of life' } },
    ];
  });
}

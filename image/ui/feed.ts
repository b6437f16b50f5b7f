/**
 * What the pages are sent: all locks, then what has changed of them. The locks are read once a second with one request, however many pages look, and not at
 * all while none does. Who has held what since the first page was opened is kept, up to a limit.
 */
import { type Clock, later, waitUntil } from '../../src/clock.ts';
import type { Locks } from '../operate/locks.ts';
import { type LockView, viewOf } from './view.ts';

const EVERY_MS = 1000;
/** A page shows no more than that, and a process that runs for weeks keeps no more. */
const HOLDS_MOST = 500;

export interface Hold {
  id: string;
  /** `namespace/name`. */
  lock: string;
  holder: string;
  from: number;
  /** Undefined while it lasts; else when it was first seen to be over. */
  to?: number;
}

export interface Message {
  /** `all`: forget what was before. */
  kind: 'all' | 'some';
  /** When this was read, by the API server's clock, in milliseconds since 1970. */
  at: number;
  locks: LockView[];
  /** `namespace/name` of those that are no more. */
  gone: string[];
  holds: Hold[];
  /** Why the locks cannot be read, and since when. What was read before is no longer sure. */
  trouble: { message: string; since: number } | undefined;
}

export interface Feed {
  /** Sends everything, then each change; returns what ends that. */
  follow(send: (message: Message) => void): () => void;
  /** Everything, for a page that has missed some. */
  everything(): Message;
}

/** What is known, and was sent. */
interface Known {
  at: number;
  trouble: Message['trouble'];
  shown: Map<string, { view: LockView; text: string }>;
  holds: Hold[];
  /** Those of them that last, by lock and key of the holder. */
  running: Map<string, Hold>;
}

export function feedOf(read: () => Promise<Locks>, clock: Clock): Feed {
  const followers = new Set<(message: Message) => void>();
  const known: Known = { at: 0, trouble: undefined, shown: new Map(), holds: [], running: new Map() };
  let reading = false;

  async function readOn(): Promise<void> {
    reading = true;
    for (let first = true; followers.size > 0; first = false) {
      const changes = news(known, await read(), clock.wall().getTime());
      const message = first ? everythingOf(known) : changes;
      if (message) for (const send of followers) send(message);
      await waitUntil(clock, later(clock.now(), EVERY_MS));
    }
    reading = false;
  }

  return {
    everything: () => everythingOf(known),
    follow(send) {
      followers.add(send);
      // What was read when somebody last looked may be old.
      if (!reading) void readOn();
      else if (known.at > 0) send(everythingOf(known));
      return () => void followers.delete(send);
    },
  };
}

function everythingOf({ at, trouble, shown, holds }: Known): Message {
  const locks = [...shown.values()].map(({ view }) => view);
  return { kind: 'all', at, locks, gone: [], holds, trouble };
}

const keyOf = ({ namespace, name }: { namespace: string; name: string }): string => `${namespace}/${name}`;

/** Takes in what was read, and returns what is new of it. */
function news(known: Known, found: Locks, wallMs: number): Message | undefined {
  if (found.kind !== 'locks') {
    known.at = wallMs;
    if (known.trouble?.message === found.message) return undefined;
    known.trouble = { message: found.message, since: known.trouble?.since ?? wallMs };
    return { kind: 'some', at: known.at, locks: [], gone: [], holds: [], trouble: known.trouble };
  }
  const isNews = known.at === 0 || known.trouble !== undefined;
  known.at = found.nowMs;
  known.trouble = undefined;
  const views = found.locks.map((lock) => viewOf(lock, found.nowMs));
  const changed = views.filter((view) => {
    const text = JSON.stringify(view);
    if (known.shown.get(keyOf(view))?.text === text) return false;
    known.shown.set(keyOf(view), { view, text });
    return true;
  });
  const there = new Set(views.map(keyOf));
  const gone = [...known.shown.keys()].filter((key) => !there.has(key));
  for (const key of gone) known.shown.delete(key);
  const holds = takeHolds(known, views);
  if (!isNews && changed.length + gone.length + holds.length === 0) return undefined;
  return { kind: 'some', at: known.at, locks: changed, gone, holds, trouble: undefined };
}

/** Those that have begun or ended since they were last looked at. */
function takeHolds(known: Known, views: readonly LockView[]): Hold[] {
  const { running, at } = known;
  const now = new Map(views.flatMap((view) => view.holders.map((holder) => [`${keyOf(view)}/${holder.key}`, { view, holder }])));
  const changed: Hold[] = [];
  for (const [key, hold] of running) {
    if (now.has(key)) continue;
    running.delete(key);
    changed.push(Object.assign(hold, { to: at }));
  }
  for (const [key, { view, holder }] of now) {
    if (running.has(key)) continue;
    const hold = { id: `${key}@${at}`, lock: keyOf(view), holder: holder.id, from: holder.sinceAt ?? at };
    running.set(key, hold);
    known.holds.push(hold);
    changed.push(hold);
  }
  known.holds = known.holds.slice(-HOLDS_MOST);
  return changed;
}

/**
 * The board of a small world: one time for all, what is due at which moment, what is on its way, and what could happen next. Everything that happens
 * is one move, and after each the code under test comes to rest. How many of the moves may be faults is limited, so that a world ends.
 */
import type { Checker } from '../checker/index.ts';
import { newChecker } from '../checker/index.ts';
import type { Author, Listener } from '../history.ts';
import { randomOf } from '../random.ts';
import { newServer, type Server } from '../server.ts';
import { newStory, type Story } from '../story.ts';
import type { SmallWorld } from './worlds.ts';

export interface Move {
  name: string;
  make(): void;
}

/** A request on its way. */
export interface Flight {
  name: string;
  /** Serves it, once; undefined when it has been. */
  apply: (() => void) | undefined;
  /** Carries the answer back; undefined before it is served, and when nobody waits for it any more. */
  answer: (() => void) | undefined;
  /** Time has been allowed to pass while it was on its way: that is paid for. */
  slow: boolean;
}

export interface Board {
  readonly world: SmallWorld;
  readonly server: Server;
  readonly checker: Checker;
  readonly story: Story;
  readonly listen: Listener;
  now(): number;
  /** Calls `fire` at that moment, among the moves of `whose`; the undo. `idle`: it only looks, and is no move of its own. */
  at(whose: string, time: number, fire: () => void, idle?: boolean): () => void;
  readonly flights: Set<Flight>;
  /** Events of each watch, in their order. */
  readonly hints: Map<string, (() => void)[]>;
  /** What each participant has taken in: with the same, it is in the same state. */
  took(whose: string, what: string): void;
  /** A participant is gone, with its timers and its watch. */
  vanish(whose: string): void;
  /** More moves than those of time and network. */
  readonly deeds: Map<string, () => void>;
  moves(): Move[];
  /** The same for two ways to the same situation. */
  fingerprint(): string;
}

interface Timer {
  whose: string;
  time: number;
  fire: () => void;
  idle: boolean;
}

const ADMIN: Author = { name: 'admin', kind: 'admin', id: '', nonce: 'admin', durationMs: 0 };

export function newBoard(world: SmallWorld): Board {
  let now = 0;
  let faults = world.faults;
  const timers = new Set<Timer>();
  const flights = new Set<Flight>();
  const hints = new Map<string, (() => void)[]>();
  const taken = new Map<string, string>();
  const deeds = new Map<string, () => void>();
  let commits = '';
  const checker = newChecker({ drift: false, skew: false, gentle: false });
  const story = newStory();
  const listen: Listener = (at, occurrence) => {
    story.take(at, occurrence);
    checker.take(at, occurrence);
  };
  const server = newServer(
    { now: () => now, at() {}, run: async () => 0 },
    { random: { ...randomOf(1, 'small'), next: () => 0, pick: ([first]) => first }, skewsMs: [0] },
  );
  server.onCommit(({ write: { author, sent, deed }, before, after }) => {
    commits = digest(`${commits}${now}${JSON.stringify(after)}`);
    listen(now, { type: 'commit', author, before, after, ...(sent && { sent }), ...(deed && { deed }) });
  });
  for (const deed of world.deeds ?? []) deeds.set(`admin: ${deed}`, () => doDeed(server, deed));

  const due = () => [...timers].filter(({ time, idle }) => !idle && time <= now);
  const next = () => Math.min(...[...timers].map(({ time, idle }) => (idle ? Number.POSITIVE_INFINITY : time)));
  /** Time goes to the next moment at which something is due; those that only look do so on the way. */
  const pass = () => {
    const until = next();
    const looks = () => [...timers].filter(({ time, idle }) => idle && time < until).sort((a, b) => a.time - b.time);
    for (let [look] = looks(); look; [look] = looks()) {
      timers.delete(look);
      now = Math.max(now, look.time);
      look.fire();
    }
    now = until;
  };

  /** What costs nothing: it only takes its turn. */
  function turns(): Move[] {
    const moves: Move[] = [];
    const seen = new Set<string>();
    for (const timer of due()) {
      // Of one participant, what is due first comes first.
      if (seen.has(timer.whose)) continue;
      seen.add(timer.whose);
      moves.push({ name: `${timer.whose}: its timer`, make: () => fire(timer) });
    }
    for (const flight of flights) {
      if (flight.apply && !flight.slow) moves.push({ name: `${flight.name} is served`, make: flight.apply });
      else if (flight.answer && !flight.slow) moves.push({ name: `${flight.name} is answered`, make: flight.answer });
    }
    for (const [whose, queue] of hints) {
      const [hint] = queue;
      if (hint) moves.push({ name: `${whose}: a watch event`, make: () => queue.shift()?.() });
    }
    return moves;
  }

  function fire(timer: Timer): void {
    timers.delete(timer);
    taken.set(timer.whose, digest(`${taken.get(timer.whose)} timer ${timer.time} ${now}`));
    timer.fire();
  }

  /** What is late comes whenever it likes. */
  const latecomers = (): Move[] =>
    [...flights].flatMap(({ name, slow, apply, answer }) => {
      const make = apply ?? answer;
      return slow && make ? [{ name: `${name} is ${apply ? 'served' : 'answered'} late`, make }] : [];
    });

  /** Time passes: for nothing if nothing is under way, else each request that is left on its way is a fault. */
  function wait(): Move[] {
    const left = [...flights].filter(({ slow }) => !slow);
    const behind = [...hints.values()].some((queue) => queue.length > 0) ? 1 : 0;
    const cost = left.length + behind;
    if (due().length > 0 || cost > faults || next() > world.untilMs) return [];
    return [
      {
        name:
          cost > 0
            ? `time passes, and ${[...left.map(({ name }) => name), ...(behind ? ['a watch'] : [])].join(', ')} is slow`
            : 'time passes',
        make() {
          faults -= cost;
          for (const flight of left) flight.slow = true;
          if (behind) hints.clear();
          pass();
        },
      },
    ];
  }

  function misdeeds(): Move[] {
    return [...deeds].map(([name, make]) => ({
      name,
      make() {
        deeds.delete(name);
        make();
      },
    }));
  }

  return {
    ...{ world, server, checker, story, listen, flights, hints, deeds },
    now: () => now,
    at(whose, time, happen, idle = false) {
      const timer = { whose, time: Math.max(time, now), fire: happen, idle };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    took: (whose, what) => void taken.set(whose, digest(`${taken.get(whose)} ${now} ${what}`)),
    vanish(whose) {
      for (const timer of timers) if (timer.whose === whose) timers.delete(timer);
      hints.delete(whose);
    },
    moves: () => [...turns(), ...wait(), ...latecomers(), ...misdeeds()],
    fingerprint() {
      const onTheWay = [...flights].map(({ name, slow, apply }) => `${name} ${slow} ${apply !== undefined}`).sort();
      const waiting = [...hints].map(([whose, queue]) => `${whose} ${queue.length}`).sort();
      const histories = [...taken].map(([whose, what]) => `${whose} ${what}`).sort();
      const left = [...timers]
        .filter(({ idle }) => !idle)
        .map(({ whose, time }) => `${whose} ${time}`)
        .sort();
      return JSON.stringify([now, faults, commits, onTheWay, waiting, histories, left, [...deeds.keys()]]);
    },
  };
}

function doDeed(server: Server, deed: 'delete' | 'clear'): void {
  const { lease } = server.get();
  if (!lease) return;
  if (deed === 'delete') server.remove({ author: ADMIN, manager: 'kubectl', deed });
  else {
    const vacant = { holderIdentity: '', leaseDurationSeconds: 1, renewTime: '2030-01-01T00:00:00.000000Z' };
    server.force({ ...lease, spec: { ...lease.spec, ...vacant } }, { author: ADMIN, manager: 'kubectl', deed });
  }
}

/** Two of 32 bits: short, and good enough not to take one situation for another. */
export function digest(text: string): string {
  let a = 0x811c9dc5;
  let b = 0x9e3779b9;
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    a = Math.imul(a ^ code, 0x01000193);
    b = Math.imul(b ^ code, 0x85ebca6b) ^ (b >>> 13);
  }
  return `${(a >>> 0).toString(36)}${(b >>> 0).toString(36)}`;
}

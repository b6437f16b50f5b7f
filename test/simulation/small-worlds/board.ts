/**
 * The board of a small world: one time for all, what is due at which moment, what is on its way, and what could happen next. Everything that happens
 * is one move, and after each the code under test comes to rest. How many of the moves may be faults is limited, so that a world ends.
 */
import type { Checker } from '../checker/index.ts';
import { newChecker } from '../checker/index.ts';
import type { Author, Listener } from '../history.ts';
import { type Random, randomOf } from '../random.ts';
import { newServer, type Server } from '../server.ts';
import { newStory, type Story } from '../story.ts';
import { type Flight, type Move, movesOf, type Situation } from './moves.ts';
import { newTimers } from './timers.ts';
import type { SmallWorld } from './worlds.ts';

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

const ADMIN: Author = { name: 'admin', kind: 'admin', id: '', nonce: 'admin', durationMs: 0 };

export function newBoard(world: SmallWorld): Board {
  const timers = newTimers();
  const { now } = timers;
  const situation: Situation = { timers, flights: new Set(), hints: new Map(), deeds: new Map(), faults: world.faults };
  const { flights, hints, deeds } = situation;
  const taken = new Map<string, string>();
  const took = (whose: string, what: string) => void taken.set(whose, digest(`${taken.get(whose)} ${now()} ${what}`));
  let commits = '';
  const checker = newChecker({ drift: false, skew: false, gentle: false });
  const story = newStory();
  const listen: Listener = (at, occurrence) => {
    story.take(at, occurrence);
    checker.take(at, occurrence);
  };
  const server = newServer({ now, at() {}, run: async () => 0 }, { random: NO_CHANCE, skewsMs: [0] });
  server.onCommit(({ write: { author, sent, deed }, before, after }) => {
    commits = digest(`${commits}${now()}${JSON.stringify(after)}`);
    listen(now(), { type: 'commit', author, before, after, ...(sent && { sent }), ...(deed && { deed }) });
  });
  for (const deed of world.deeds ?? []) deeds.set(`admin: ${deed}`, () => doDeed(server, deed));
  return {
    ...{ world, server, checker, story, listen, flights, hints, deeds, now, took },
    at(whose, time, happen, idle = false) {
      const fire = () => {
        if (!idle) took(whose, `timer ${time}`);
        happen();
      };
      return timers.add({ whose, time: Math.max(time, now()), fire, idle });
    },
    vanish(whose) {
      timers.vanish(whose);
      hints.delete(whose);
    },
    moves: () => movesOf(situation, world.untilMs),
    fingerprint() {
      const onTheWay = [...flights].map(({ name, slow, apply }) => `${name} ${slow} ${apply !== undefined}`).sort();
      const waiting = [...hints].map(([whose, queue]) => `${whose} ${queue.length}`).sort();
      const histories = [...taken].map(([whose, what]) => `${whose} ${what}`).sort();
      const rest = [onTheWay, waiting, histories, timers.pending(), [...deeds.keys()]];
      return JSON.stringify([now(), situation.faults, commits, ...rest]);
    },
  };
}

const NO_CHANCE: Random = { ...randomOf(1, 'small'), next: () => 0, pick: ([first]) => first };

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

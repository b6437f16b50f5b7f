/**
 * Plays a small world in every way: each situation in which several moves are possible is come back to, by playing the same moves once more from the
 * beginning. Two ways to one situation are followed once: a participant that has taken in the same, at the same times, is in the same state.
 */
import { setImmediate } from 'node:timers/promises';
import type { Violation } from '../checker/index.ts';
import type { Source } from '../ours.ts';
import { enter } from './actor.ts';
import { digest, newBoard } from './board.ts';
import type { SmallWorld } from './worlds.ts';

export interface Exploration {
  states: number;
  /** The longest way, in moves. */
  depth: number;
  plays: number;
  /** False: there was no time, or no room, for the rest. */
  complete: boolean;
  tookMs: number;
  found: Found | undefined;
}

export interface Found {
  violation: Violation;
  moves: string[];
  story: string;
}

/** A world in which something goes round in circles has no end. */
const MOST_WAYS = 200_000;

export interface ExploreOptions {
  maxMs?: number;
  maxDepth?: number;
}

export async function explore(
  world: SmallWorld,
  source: Source,
  { maxMs = 60_000, maxDepth = 200 }: ExploreOptions = {},
): Promise<Exploration> {
  const began = performance.now();
  const seen = new Set<string>();
  const open: number[][] = [[]];
  const result: Exploration = { states: 0, depth: 0, plays: 0, complete: true, tookMs: 0, found: undefined };
  for (let way = open.pop(); way && !result.found; way = open.pop()) {
    if (performance.now() - began > maxMs || open.length > MOST_WAYS) {
      result.complete = false;
      break;
    }
    result.plays += 1;
    const play = await playOn(world, source, { way, seen, open, maxDepth });
    result.depth = Math.max(result.depth, play.depth);
    result.found = play.found;
    result.complete &&= !play.cut;
  }
  result.states = seen.size;
  result.tookMs = performance.now() - began;
  return result;
}

interface Play {
  way: readonly number[];
  seen: Set<string>;
  /** Ways that are still to be played. */
  open: number[][];
  maxDepth: number;
}

/** Plays this way, and on from its end into what nobody has seen, until nothing is possible, or all is known. */
async function playOn(
  world: SmallWorld,
  source: Source,
  { way, seen, open, maxDepth }: Play,
): Promise<{ depth: number; cut: boolean; found?: Found }> {
  const board = newBoard(world);
  for (const cast of world.cast) enter(board, cast, source);
  const made: string[] = [];
  const taken: number[] = [];
  for (;;) {
    const { violation } = board.checker;
    if (violation)
      return { depth: made.length, cut: false, found: { violation, moves: made, story: board.story.tell(violation) } };
    const moves = board.moves();
    if (taken.length >= way.length) {
      const key = digest(board.fingerprint());
      if (seen.has(key)) return { depth: made.length, cut: false };
      seen.add(key);
      if (made.length >= maxDepth) return { depth: made.length, cut: true };
      for (let other = moves.length - 1; other > 0; other -= 1) open.push([...taken, other]);
    }
    const choice = way[taken.length] ?? 0;
    const move = moves[choice];
    if (!move) return { depth: made.length, cut: false };
    taken.push(choice);
    made.push(move.name);
    move.make();
    // All promises settle before the next immediate.
    await setImmediate();
  }
}

/** The shortest way to break it: fewer faults first, then fewer moves. */
export async function shortest(world: SmallWorld, source: Source, maxMs: number): Promise<Found | undefined> {
  let best: Found | undefined;
  for (let faults = 0; faults <= world.faults && !best; faults += 1) {
    const few = { ...world, faults };
    best = (await explore(few, source, { maxMs })).found;
    while (best) {
      const { found } = await explore(few, source, { maxMs, maxDepth: best.moves.length - 1 });
      if (!found) break;
      best = found;
    }
  }
  return best;
}

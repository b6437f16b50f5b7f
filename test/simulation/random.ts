/**
 * Chance that can be had again: every purpose of a run draws from a stream of its own, so that taking one kind of trouble out of a run
 * leaves the others as they were. Not for secrets.
 */
export interface Random {
  /** 0 <= x < 1. */
  next(): number;
  between(low: number, high: number): number;
  chance(probability: number): boolean;
  pick<T>(list: readonly [T, ...T[]]): T;
  /** Many small ones and few large ones, never more than ten times the mean. */
  about(mean: number): number;
}

export function randomOf(seed: number, purpose: string): Random {
  let state = hash(`${seed}/${purpose}`);
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    next,
    between: (low, high) => low + (high - low) * next(),
    chance: (probability) => next() < probability,
    pick: (list) => list[Math.floor(next() * list.length)] ?? list[0],
    about: (mean) => Math.min(10, -Math.log(1 - next())) * mean,
  };
}

function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  return value;
}

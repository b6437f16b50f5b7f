/** What one participant of ours is like: its durations, and what it wants of the others. */
import type { Policies } from '../../src/protocol/me.ts';
import type { Timings } from '../../src/protocol/timings.ts';
import type { Source } from './ours.ts';
import type { Random } from './random.ts';

export function pickTimings(source: Source, random: Random): Timings {
  for (;;) {
    const durationMs = random.pick([3, 6, 10, 15, 15, 30, 60, 120]) * 1000;
    const result = source.timings(durationMs, Math.round(random.next() * durationMs * 0.4));
    if (result.kind === 'timings') return result.timings;
  }
}

/** How many permits the lock has at first. */
export const PERMITS = 3;

/** Nothing is drawn where nothing is asked for, so that seeds of other runs stay what they are. */
export function pickPolicies(random: Random, has: (fault: string) => boolean): Policies | undefined {
  const policies: Policies = {};
  if (has('supersede') && random.chance(0.6)) policies.group = random.pick(['red', 'blue', '1']);
  // Those that share have the same number in mind, or none.
  if (has('shared') && random.chance(0.75)) policies.weight = has('permits') ? random.pick([1, 1, 1, 2, 3]) : 1;
  if (has('permits') && policies.weight !== undefined && random.chance(0.8)) policies.permits = PERMITS;
  if (has('replace')) {
    if (policies.weight === undefined && random.chance(0.3))
      Object.assign(policies, { replaces: true, group: policies.group ?? 'default' });
    policies.declines = random.chance(0.2);
  }
  if (has('ageing') && random.chance(0.7)) policies.ageStepMs = random.pick([2, 5, 10, 30]) * 1000;
  if (has('min-hold') && random.chance(0.4)) policies.minHoldMs = random.pick([3, 10, 30, 90, 300]) * 1000;
  if (has('once') && random.chance(0.6)) policies.once = `tick-${Math.floor(random.next() * 40)}`;
  return Object.keys(policies).length > 0 ? policies : undefined;
}

/**
 * The simulation as a part of `npm test`: a fixed set of seeds in which nothing may be broken, the seeds that once broke something, and every
 * mutant with a seed that catches it. Longer runs: `npm run simulate`.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MUTANTS } from './mutants/index.ts';
import { hunt } from './mutate.ts';
import { type Plan, PROFILE_NAMES, planOf } from './plan.ts';
import { run } from './run.ts';
import { commandFor } from './shrink.ts';
import { loadSource } from './source.ts';

const source = await loadSource();

async function assertHolds(plan: Plan): Promise<void> {
  const { violation, story } = await run(plan, source);
  assert.equal(violation, undefined, `${violation?.invariant}: ${violation?.what}\n${commandFor(plan)}\n${story}`);
}

for (const profile of PROFILE_NAMES) {
  test(`nothing is broken: ${profile}`, async () => {
    for (let seed = 1; seed <= 8; seed++) await assertHolds(planOf(seed, { minutes: 15, profile }));
  });
}

/** Each broke an invariant once; docs/safety.md tells how. */
const REGRESSIONS: readonly [seed: number, profile: string, minutes: number][] = [
  [38, 'network', 20],
  [54, 'deletions', 20],
  [7, 'deeds', 20],
  [81, 'deletions', 30],
  [5079, 'deletions', 20],
  [8057, 'network', 25],
  [37, 'stalls', 30],
];

for (const [seed, profile, minutes] of REGRESSIONS) {
  test(`what was found with seed ${seed} of ${profile} stays mended`, async () => {
    await assertHolds(planOf(seed, { minutes, profile }));
  });
}

test('twenty participants at once', async () => {
  for (let seed = 1; seed <= 3; seed++) await assertHolds(planOf(seed, { minutes: 15, participants: 20, profile: 'storm' }));
});

test('a crowd that arrives within a second is served to the last', async () => {
  await assertHolds(planOf(1, { minutes: 5, participants: 60, profile: 'flood' }));
});

test('a seed repeats a run exactly', async () => {
  const plan = planOf(11, { minutes: 10, profile: 'storm' });
  const [first, second] = [await run(plan, source), await run(plan, source)];
  assert.deepEqual([second.steps, second.starts, second.simulatedMs], [first.steps, first.starts, first.simulatedMs]);
  assert.ok(first.steps > 500);
});

test('there are at least fifty ways to break the protocol', () => {
  assert.ok(new Set(MUTANTS.map(({ name }) => name)).size >= 50);
});

for (const mutant of MUTANTS) {
  test(`the mutant ${mutant.name} is caught: ${mutant.breaks}`, async () => {
    const caught = await hunt(mutant, 1);
    assert.ok(
      caught,
      `it survived seed ${mutant.seed} of ${mutant.profile}: find another seed, or the missing invariant, with npm run simulate -- --mutants`,
    );
  });
}

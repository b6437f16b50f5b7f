/**
 * The simulation as a part of `npm test`: a fixed set of seeds in which nothing may be broken, and every mutant with a seed that catches it, in
 * which the unbroken source breaks nothing. Longer runs: `npm run simulate`.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
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

/** What the simulation once found in the protocol, as docs/evidence.md tells: each came back as a mutant, with a seed that shows it. */
const FOUND = [
  ...['stale-sighting-over-deletion', 'late-claim-confirmed-blindly', 'long-dead-not-foretold', 'unseen-hold'],
  ...['only-the-newest-hint', 'conflict-taken-as-certain', 'loss-asked-for-again', 'long-free-by-my-clock'],
];

test('docs/evidence.md has a row for each mutant, and for nothing else', () => {
  const text = readFileSync(new URL('../../docs/evidence.md', import.meta.url), 'utf8');
  const [, table = ''] = /<!-- mutants -->([\s\S]*)<!-- \/mutants -->/.exec(text) ?? [];
  const rows = [...table.matchAll(/^\| `([^`]+)` \| (.*?) \|/gm)].map(([, name, breaks]) => [name, breaks]);
  assert.deepEqual(
    rows,
    MUTANTS.map(({ name, breaks }) => [name, breaks]),
    'npm run simulate -- --mutants',
  );
});

test('what was found once has a mutant', () => {
  const names = MUTANTS.map(({ name }) => name);
  assert.deepEqual(
    FOUND.filter((name) => !names.includes(name)),
    [],
  );
});

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

/** The smallest worlds, played in every way; and the mutants that one of them shows. The others: `npm run explore`. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MUTANTS } from '../mutants/index.ts';
import { broken, remove } from '../mutate.ts';
import { loadSource, SRC } from '../source.ts';
import { explore } from './explore.ts';
import { SHOWN_IN, WORLDS } from './worlds.ts';

const source = await loadSource();

for (const world of WORLDS.filter(({ small }) => small)) {
  test(`nothing can go wrong in a small world: ${world.name}`, async () => {
    const { found, complete, states } = await explore(world, source);
    assert.equal(found, undefined, `${found?.moves.join('\n')}\n${found?.story}`);
    assert.ok(complete, 'it has an end');
    assert.ok(states > 50, 'something can happen in it');
  });
}

for (const [name, where] of Object.entries(SHOWN_IN)) {
  test(`the mutant ${name} is shown by a small world: ${where}`, async () => {
    const mutant = MUTANTS.find((one) => one.name === name);
    const world = WORLDS.find((one) => one.name === where);
    assert.ok(mutant && world);
    const copy = broken(mutant, SRC);
    try {
      const { found } = await explore(world, await loadSource(copy));
      assert.ok(found, 'another world shows it, or none: npm run explore -- --mutant');
    } finally {
      remove(copy);
    }
  });
}

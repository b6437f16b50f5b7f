/**
 * The command `npm run explore --`: every small world, with its situations, its longest way and its time.
 *   --world name   this one only   --small   those of `npm test` only   --seconds S   stops each after so long
 *   --mutant name  the shortest story in which this mutant breaks something
 */
import { parseArgs } from 'node:util';
import { MUTANTS } from '../mutants/index.ts';
import { broken, remove } from '../mutate.ts';
import { loadSource, SRC } from '../source.ts';
import { explore, type Found, shortest } from './explore.ts';
import { WORLDS } from './worlds.ts';

const { values } = parseArgs({
  options: {
    world: { type: 'string' },
    small: { type: 'boolean', default: false },
    seconds: { type: 'string', default: '600' },
    mutant: { type: 'string' },
  },
});
const print = (text: string) => process.stdout.write(`${text}\n`);
const maxMs = Number(values.seconds) * 1000;
const worlds = WORLDS.filter(({ name, small }) => (small || !values.small) && (!values.world || name === values.world));
const told = ({ moves, story }: Found) => `  ${moves.join('\n  ')}\n${story}`;

process.exitCode = values.mutant === undefined ? await all() : await story(values.mutant);

async function all(): Promise<number> {
  const source = await loadSource();
  let failed = 0;
  for (const world of worlds) {
    const { states, depth, plays, complete, tookMs, found } = await explore(world, source, { maxMs });
    const extent = `${states.toLocaleString('en')} situations, ${depth} moves deep, ${plays.toLocaleString('en')} plays`;
    print(`${world.name}: ${extent} in ${(tookMs / 1000).toFixed(1)}s${complete ? '' : ', and more'}`);
    if (!found) continue;
    failed += 1;
    print(`BROKEN after\n${told(found)}`);
  }
  return failed > 0 ? 1 : 0;
}

async function story(name: string): Promise<number> {
  const mutant = MUTANTS.find((one) => one.name === name && one.edits);
  if (!mutant) {
    print(`no mutant of the source has the name ${name}`);
    return 2;
  }
  const copy = broken(mutant, SRC);
  try {
    const source = await loadSource(copy);
    for (const world of worlds) {
      const found = await shortest(world, source, maxMs);
      if (!found) continue;
      print(`${name} (${mutant.breaks}), in the world "${world.name}":\n${told(found)}`);
      return 0;
    }
  } finally {
    remove(copy);
  }
  print(`no small world shows ${name}`);
  return 1;
}

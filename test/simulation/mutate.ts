/** Makes a broken copy of src/ in a folder of its own, and holds the simulation against it. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Mutant } from './mutants/index.ts';
import { type Plan, planOf } from './plan.ts';
import { type Outcome, run } from './run.ts';
import { loadSource, SRC } from './source.ts';

export interface Caught {
  mutant: Mutant;
  seed: number;
  outcome: Outcome;
  /** Runs that it survived before. */
  survived: number;
}

/** How long a run is that a mutant must not survive. */
const MINUTES = 30;

/** Runs the mutant with its own seed, then with others; the first that catches it. */
export async function hunt(mutant: Mutant, tries: number, folder: URL | string = SRC): Promise<Caught | undefined> {
  const copy = mutant.edits ? broken(mutant, folder) : undefined;
  try {
    const source = await loadSource(copy ?? folder);
    for (let survived = 0; survived < tries; survived += 1) {
      const seed = mutant.seed + survived;
      const plan = planOf(seed, { minutes: MINUTES, profile: mutant.profile });
      const outcome = await run(plan, source, { conduct: mutant.conduct });
      // It is caught by what it does, and not by what it has forgotten to say.
      if (/(Type|Reference|Syntax)Error/.test(outcome.violation?.what ?? ''))
        throw new Error(`mutant ${mutant.name} no longer fits the source: ${outcome.violation?.what}`);
      if (outcome.violation && (await isSound(plan, outcome.violation.at, folder))) return { mutant, seed, outcome, survived };
    }
    return undefined;
  } finally {
    if (copy) remove(copy);
  }
}

/** The same run of the unbroken source, up to that moment: where that fails, too, no mutant has been caught. */
async function isSound(plan: Plan, at: number, folder: URL | string): Promise<boolean> {
  const { violation } = await run({ ...plan, minutes: Math.ceil(at / 60_000) }, await loadSource(folder));
  return violation === undefined;
}

/** A folder of its own, beside the package.json that the source reads its version from. */
export function broken({ name, edits = [] }: Mutant, folder: URL | string): string {
  const source = typeof folder === 'string' ? folder : fileURLToPath(folder);
  const copy = join(mkdtempSync(join(tmpdir(), `mutant-${name}-`)), 'src');
  cpSync(source, copy, { recursive: true });
  cpSync(join(source, '../package.json'), join(copy, '../package.json'));
  for (const [file, from, to] of edits) {
    const path = join(copy, file);
    const text = readFileSync(path, 'utf8');
    // A mutant that no longer changes anything would pass for a mutant that nobody can catch.
    if (text.split(from).length !== 2)
      throw new Error(`mutant ${name}: "${from}" occurs ${text.split(from).length - 1} times in ${file}`);
    writeFileSync(
      path,
      text.replace(from, () => to),
    );
  }
  return copy;
}

/** The folder of a broken copy, and what lies beside it. */
export const remove = (copy: string): void => rmSync(dirname(copy), { recursive: true, force: true });

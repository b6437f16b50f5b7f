/** The table of mutants, as it stands in docs/evidence.md between two marks. */
import { readFileSync, writeFileSync } from 'node:fs';
import { MUTANTS } from './mutants/index.ts';
import { hunt } from './mutate.ts';

const DOCUMENT = new URL('../../docs/evidence.md', import.meta.url);
const BEGIN = '<!-- mutants -->';
const END = '<!-- /mutants -->';

export interface MutantsTable {
  markdown: string;
  survivors: string[];
}

/** Runs every mutant until it is caught, or has survived that many runs. */
export async function mutantsTable(tries: number, told: (line: string) => void): Promise<MutantsTable> {
  const rows = [
    '| mutant | what it gets wrong | invariant that it breaks | runs and steps until caught |',
    '| --- | --- | --- | --- |',
  ];
  const survivors: string[] = [];
  for (const mutant of MUTANTS) {
    const caught = await hunt(mutant, tries);
    if (!caught) survivors.push(mutant.name);
    const by = caught ? `${caught.outcome.violation?.invariant}` : 'NONE';
    const steps = caught ? `${caught.survived + 1}, ${caught.outcome.steps.toLocaleString('en')}` : `survived ${tries} runs`;
    rows.push(`| \`${mutant.name}\` | ${mutant.breaks} | ${by} | ${steps} |`);
    told(`${mutant.name}: ${by} (${mutant.profile}, seed ${caught?.seed ?? '-'}; ${steps})`);
  }
  return { markdown: rows.join('\n'), survivors };
}

/** False if the document has no place for it. */
export function writeTable(markdown: string): boolean {
  const text = readFileSync(DOCUMENT, 'utf8');
  const from = text.indexOf(BEGIN);
  const to = text.indexOf(END);
  if (from < 0 || to < from) return false;
  writeFileSync(DOCUMENT, `${text.slice(0, from + BEGIN.length)}\n${markdown}\n${text.slice(to)}`);
  return true;
}

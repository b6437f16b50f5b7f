/**
 * The command `npm run simulate --`:
 *   --seed N [--runs R] [--minutes M] [--participants P] [--profile p | --faults a,b] [--src folder]   runs, and the story of the first that fails
 *   --shown name  tells of every sight that this participant has of the Lease      --lines N   how much of a story is told
 *   --seconds S   stops after so long      --quiet   one line for each failure, and on      --coverage   branches that were not visited
 *   --mutants     every mutant, and the table in docs/safety.md
 */
import { parseArgs } from 'node:util';
import { startCoverage } from './coverage.ts';
import { FAULTS, PROFILE_NAMES, planOf } from './plan.ts';
import { run } from './run.ts';
import { commandFor, shrink } from './shrink.ts';
import { folderOf, loadSource } from './source.ts';
import { mutantsTable, writeTable } from './table.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    runs: { type: 'string', default: '1' },
    minutes: { type: 'string' },
    participants: { type: 'string' },
    profile: { type: 'string' },
    faults: { type: 'string' },
    src: { type: 'string' },
    shown: { type: 'string' },
    lines: { type: 'string' },
    seconds: { type: 'string', default: '1e9' },
    quiet: { type: 'boolean', default: false },
    coverage: { type: 'boolean', default: false },
    mutants: { type: 'boolean', default: false },
  },
});

const print = (text: string) => process.stdout.write(`${text}\n`);
/** Runs that a mutant may survive before it counts as one that nothing catches. */
const TRIES = 200;
/** What decides; the rest of src/ carries it to an API server or tells of it. */
const COVERED = [
  ...['protocol/rules.ts', 'protocol/sightings.ts', 'protocol/writes.ts', 'protocol/document.ts'],
  ...['protocol/entries.ts', 'protocol/lock-state.ts', 'protocol/stamps.ts'],
  ...['lock/acquire.ts', 'lock/wait.ts', 'lock/setbacks.ts', 'lock/one-try.ts', 'lock/queue-watch.ts'],
  ...['lock/hold.ts', 'lock/renew.ts', 'lock/release.ts'],
];

process.exitCode = values.mutants ? await mutants() : await runs();

async function mutants(): Promise<number> {
  const { markdown, survivors } = await mutantsTable(TRIES, print);
  if (!writeTable(markdown)) print(markdown);
  for (const name of survivors) print(`SURVIVED: ${name}`);
  return survivors.length > 0 ? 1 : 0;
}

async function runs(): Promise<number> {
  const faults = values.faults === 'none' ? [] : values.faults?.split(',');
  const strange = faults?.filter((fault) => !FAULTS.includes(fault)) ?? [];
  if (strange.length > 0) {
    print(`no trouble ${strange.join(', ')}: ${FAULTS.join(', ')} (profiles: ${PROFILE_NAMES.join(', ')})`);
    return 2;
  }
  const coverage = values.coverage ? await startCoverage() : undefined;
  const source = await loadSource(values.src);
  const options = { story: { shown: values.shown, lines: values.lines === undefined ? undefined : Number(values.lines) } };
  const began = performance.now();
  const total = { runs: 0, failed: 0, steps: 0, starts: 0, simulatedMs: 0 };
  for (let seed = Number(values.seed); seed < Number(values.seed) + Number(values.runs); seed += 1) {
    if (performance.now() - began > Number(values.seconds) * 1000) break;
    const plan = planOf(seed, {
      ...(values.minutes && { minutes: Number(values.minutes) }),
      ...(values.participants && { participants: Number(values.participants) }),
      ...(faults && { faults }),
      profile: values.profile,
    });
    const outcome = await run(plan, source, options);
    total.runs += 1;
    total.steps += outcome.steps;
    total.starts += outcome.starts;
    total.simulatedMs += outcome.simulatedMs;
    if (!outcome.violation) continue;
    total.failed += 1;
    const { invariant, what, at } = outcome.violation;
    print(
      `seed ${seed}, at ${(at / 1000).toFixed(1)}s, step ${outcome.steps}: ${invariant}: ${what.split('\n')[0]}\n  ${commandFor(plan)}`,
    );
    if (values.quiet) continue;
    const smallest = await shrink({ plan, outcome }, source, options);
    print(smallest.outcome.story);
    print(`smallest: ${commandFor(smallest.plan)}`);
    break;
  }
  const tookMs = performance.now() - began;
  print(
    `${total.runs} runs, ${total.failed} failed; ${total.steps} steps, ${total.starts} starts, ${(total.simulatedMs / 3_600_000).toFixed(1)} simulated hours in ` +
      `${(tookMs / 1000).toFixed(1)}s: ${Math.round(total.steps / (tookMs / 1000))} steps/s, ${Math.round(total.simulatedMs / tookMs)} times real time, ` +
      `${(total.simulatedMs / tookMs / 8766).toFixed(2)} simulated years/hour`,
  );
  for (const { file, branches, unvisited } of (await coverage?.take(folderOf(values.src), COVERED)) ?? []) {
    print(`${file}: ${branches - unvisited.length} of ${branches} branches`);
    for (const { line, text } of unvisited) print(`  ${file}:${line}  ${text}`);
  }
  return total.failed > 0 ? 1 : 0;
}

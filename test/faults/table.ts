/** `node test/faults/table.ts FOLDER`: the evidence of a run as docs/evidence.md shows it: a table, and the smallest distances. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { EVIDENCE, type Evidence } from './evidence.ts';

const GROUPS = ['API server', 'network', 'answers', 'lock', 'guard', 'command', 'machine'];

export function tableOf(all: readonly Evidence[]): string {
  const rows = GROUPS.flatMap((group) => all.filter((evidence) => evidence.group === group)).map(
    ({ group, cell, why, code, said, freeBy, deadBeforeFreeMs, deadBeforeNextMs }) =>
      [group, cell, why, String(code), said, `${seconds(deadBeforeFreeMs)} (${freeBy})`, seconds(deadBeforeNextMs)]
        .map((text) => text.replaceAll('|', '\\|'))
        .join(' | '),
  );
  return [
    '| | What was done | Why nobody else can run | Exit code | Last message about the lock | From the end of the command until the lock was free | From the end of the command until the next one started |',
    '|---|---|---|---|---|---|---|',
    ...rows.map((row) => `| ${row} |`),
    '',
    `${all.length} cells. The shortest times from the last sign of life of the command:`,
    '',
    ...summaryOf(all),
    '',
  ].join('\n');
}

/** A release is sent as soon as the last process is gone; an expiry has to leave room for clocks that drift. */
function summaryOf(all: readonly Evidence[]): string[] {
  const released = all.filter(({ freeBy }) => freeBy === 'release');
  const expired = all.filter(({ freeBy }) => freeBy !== 'release');
  const row = (until: string, some: readonly Evidence[], pick: (evidence: Evidence) => number) => {
    const worst = some.toSorted((a, b) => pick(a) - pick(b))[0];
    return `| ${until} | ${worst ? `${seconds(pick(worst))} | ${worst.group}: ${worst.cell}` : 'none | '} |`;
  };
  return [
    '| Until | | In |',
    '|---|---|---|',
    row('the end of the lease', expired, (e) => e.deadBeforeFreeMs),
    row('the release', released, (e) => e.deadBeforeFreeMs),
    row("the start of the next holder's first process", all, (e) => e.deadBeforeNextMs),
  ];
}

export function readEvidence(folder: string): Evidence[] {
  return globSync('*.json', { cwd: folder })
    .sort()
    .map((file) => JSON.parse(readFileSync(join(folder, file), 'utf8')) as Evidence);
}

const seconds = (ms: number): string => (ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);

if (import.meta.main) process.stdout.write(tableOf(readEvidence(process.argv[2] ?? process.env[EVIDENCE] ?? '.')));

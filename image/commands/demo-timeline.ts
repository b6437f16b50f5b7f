/** Who waited and who ran when, drawn for a terminal, and whether any two ran at the same time. Pure. */

export interface Row {
  name: string;
  /** Milliseconds from a common start; undefined where it never came to that. */
  waitedFrom?: number;
  from?: number;
  to?: number;
  killed: boolean;
}

const COLUMNS = 60;

/** `·` waits, `█` runs, `x` is where it was killed. */
export function drawTimeline(rows: readonly Row[], lengthMs: number): string {
  const column = (ms: number) => Math.min(COLUMNS - 1, Math.floor((ms / lengthMs) * COLUMNS));
  const width = Math.max(...rows.map(({ name }) => name.length));
  const lines = rows.map(({ name, waitedFrom, from, to, killed }) => {
    const cells = Array.from({ length: COLUMNS }, () => ' ');
    const start = from ?? lengthMs;
    if (waitedFrom !== undefined) cells.fill('·', column(waitedFrom), column(start));
    if (from !== undefined) cells.fill('█', column(from), Math.max(column(from) + 1, column(to ?? lengthMs)));
    if (killed && to !== undefined) cells[column(to)] = 'x';
    return `  ${name.padEnd(width)}  ${cells.join('').trimEnd()}`;
  });
  const end = `${(lengthMs / 1000).toFixed(1)}s`;
  const scale = `  ${' '.repeat(width)}  0s${end.padStart(COLUMNS - 2)}`;
  return ['', ...lines, scale, '', '  · waits   █ runs   x killed', ''].join('\n');
}

/** The names of two that ran at the same time. */
export function findOverlap(rows: readonly Row[]): [string, string] | undefined {
  const ran = rows.flatMap(({ name, from, to }) =>
    from === undefined ? [] : [{ name, from, to: to ?? Number.POSITIVE_INFINITY }],
  );
  const sorted = ran.toSorted((a, b) => a.from - b.from);
  for (const [i, next] of sorted.entries()) {
    const before = sorted[i - 1];
    if (before && before.to > next.from) return [before.name, next.name];
  }
  return undefined;
}

/** What was measured, as a table for a terminal and for a document. Ratios come first: the figures themselves depend on the machine. */
import { percentile } from './percentile.ts';

export interface Row {
  name: string;
  values: number[];
}

export interface Result {
  /** Of its files. */
  id: string;
  title: string;
  unit: 'ms' | 's' | 'MB' | 'requests';
  /** Name of the row that the ratios refer to. */
  base: string;
  rows: Row[];
}

export interface Line {
  name: string;
  n: number;
  ratio: number;
  p50: number;
  p99: number;
  max: number;
}

/** With few values p99 is the largest of them. */
export function linesOf({ base, rows }: Pick<Result, 'base' | 'rows'>): Line[] {
  const sorted = rows.map(({ name, values }) => ({ name, values: values.toSorted((a, b) => a - b) }));
  const reference = percentile(sorted.find(({ name }) => name === base)?.values ?? [], 0.5);
  return sorted.map(({ name, values }) => {
    const p50 = percentile(values, 0.5);
    return { name, n: values.length, ratio: p50 / reference, p50, p99: percentile(values, 0.99), max: percentile(values, 1) };
  });
}

export const shown = (value: number): string => (Number.isFinite(value) ? value.toFixed(1) : '-');

export function textOf(result: Result): string {
  const head = `${'x '.padStart(8)}${'p50'.padStart(9)}${'p99'.padStart(9)}${'max'.padStart(9)}  ${result.unit}`;
  const lines = linesOf(result).map(({ name, n, ratio, p50, p99, max }) => {
    const figures = [p50, p99, max].map((value) => shown(value).padStart(9)).join('');
    return `${shown(ratio).padStart(7)} ${figures}  ${name} (n=${n})`;
  });
  return ['', result.title, head, ...lines, ''].join('\n');
}

export function markdownOf(result: Result): string {
  const { unit, base } = result;
  const rows = linesOf(result).map(
    ({ name, n, ratio, p50, p99, max }) => `| ${name} | ${[ratio, p50, p99, max].map(shown).join(' | ')} | ${n} |`,
  );
  return [
    `| | times ${base} | p50, ${unit} | p99, ${unit} | largest, ${unit} | values |`,
    '| --- | --: | --: | --: | --: | --: |',
    ...rows,
  ].join('\n');
}

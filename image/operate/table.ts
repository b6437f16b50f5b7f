/** Tables as kubectl prints them: upper-case heads, three spaces between columns, `<none>` for what there is not. */
import { visible } from '../../src/visible.ts';

export interface Column<Row> {
  head: string;
  /** Undefined or empty: no value. Whatever others have written in it is made harmless here. */
  cell(row: Row): string | undefined;
  /** Around the text, once it has its width. */
  paint?(text: string, row: Row): string;
}

const GAP = '   ';

export function printTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[], { heads = true } = {}): string[] {
  const texts = rows.map((row) => columns.map(({ cell }) => visible(cell(row) ?? '') || '<none>'));
  const widths = columns.map(({ head }, i) => Math.max(head.length, ...texts.map((cells) => (cells[i] ?? '').length)));
  const line = (cells: readonly string[], paint: (text: string, i: number) => string) =>
    cells
      .map((text, i) => paint(text, i) + ' '.repeat((widths[i] ?? 0) - text.length))
      .join(GAP)
      .trimEnd();
  const head = line(
    columns.map((column) => column.head),
    (text) => text,
  );
  const body = rows.map((row, at) => line(texts[at] ?? [], (text, i) => columns[i]?.paint?.(text, row) ?? text));
  return heads ? [head, ...body] : body;
}

/** As kubectl shows ages: `45s`, `3m5s`, `2h10m`, `3d4h`. */
export function age(ms: number | undefined): string | undefined {
  if (ms === undefined) return undefined;
  const total = Math.floor(Math.max(0, ms) / 1000);
  const [days, hours, minutes, seconds] = [
    Math.floor(total / 86_400),
    Math.floor(total / 3600) % 24,
    Math.floor(total / 60) % 60,
    total % 60,
  ];
  if (days > 0) return `${days}d${hours > 0 ? `${hours}h` : ''}`;
  if (hours > 0) return `${hours}h${minutes > 0 ? `${minutes}m` : ''}`;
  if (minutes > 0) return `${minutes}m${seconds > 0 ? `${seconds}s` : ''}`;
  return `${seconds}s`;
}

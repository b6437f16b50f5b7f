/** A result as a picture: for each row a bar to its p50 and a line to its p99, on a scale of powers of ten. */
import { type Line, linesOf, type Result, shown } from './results.ts';

const [NAME, SCALE, ROW, TOP] = [230, 420, 26, 40];

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

export function plotOf(result: Result): string {
  const lines = linesOf(result).filter(({ p50 }) => Number.isFinite(p50));
  const all = lines.flatMap(({ p50, p99 }) => [p50, p99]).filter((value) => value > 0);
  const from = Math.floor(Math.log10(Math.min(...all)));
  const to = Math.max(from + 1, Math.ceil(Math.log10(Math.max(...all))));
  // What is 0 or less, two commands at the same time, stands at the left end.
  const x = (value: number) => NAME + Math.max(0, (Math.log10(Math.max(value, 10 ** from)) - from) / (to - from)) * SCALE;
  const bottom = TOP + lines.length * ROW;
  const tick = (power: number) => {
    const at = x(10 ** power).toFixed(1);
    return `<path d="M${at} ${TOP}V${bottom}" stroke="#8886"/><text x="${at}" y="${bottom + 16}" text-anchor="middle">${10 ** power}</text>`;
  };
  const row = ({ name, p50, p99 }: Line, i: number) => {
    const y = TOP + i * ROW;
    const [end, far] = [x(p50), x(p99)].map((value) => value.toFixed(1));
    const ours = name.startsWith('k8s-lease-lock');
    return (
      `<text x="${NAME - 8}" y="${y + 17}" text-anchor="end">${escaped(name)}</text>` +
      `<path d="M${NAME} ${y + 5}H${end}V${y + 20}H${NAME}Z" fill="${ours ? '#2f6fd0' : '#888'}"/>` +
      `<path d="M${end} ${y + 12.5}H${far}" stroke="${ours ? '#2f6fd0' : '#888'}" stroke-width="2"/>` +
      `<text x="${Number(far) + 6}" y="${y + 17}">${shown(p50)}</text>`
    );
  };
  const [width, height] = [NAME + SCALE + 60, bottom + 28];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12" fill="#777">`,
    `<title>${escaped(result.title)}</title>`,
    `<text x="8" y="20" font-size="14">${escaped(result.title)}: p50, and a line to p99, in ${result.unit}</text>`,
    ...Array.from({ length: to - from + 1 }, (_, i) => tick(from + i)),
    ...lines.map(row),
    '</svg>',
    '',
  ].join('\n');
}

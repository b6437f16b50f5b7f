/**
 * `npm run record`: runs the demo of the build and writes docs/demo.svg, which shows each line when it was printed, and starts again after a while. Who
 * wants no motion sees the last picture. test/e2e/serve-demo.test.ts holds what it shows against what the demo prints.
 */
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const RECORDING = new URL('../../docs/demo.svg', import.meta.url);
const PROMPT = '$ npx @nullplatform/k8s-lease-lock demo';
/** Pixels of a character, of a line, and around it all. */
const [CHARACTER, LINE, EDGE] = [8, 20, 20];
/** How long the prompt stands alone, and the last picture before it starts again. */
const [BEFORE_MS, AFTER_MS] = [800, 8000];
const COLOURS: Record<string, string> = { '·': 'waits', '█': 'runs', x: 'killed' };

interface Line {
  text: string;
  atMs: number;
}

/** What two runs of the demo have in common: all but the port, and how long each took. */
export const withoutTimes = (text: string): string =>
  text
    .replace(/(127\.0\.0\.1:)\d+/, '$1PORT')
    .replace(/^( +\w+) +([·█]+x?)$/gm, (_, name, cells) => `${name} ${cells.replace(/(.)\1+/g, '$1')}`)
    .replace(/ +[\d.]+s$/m, ' TIME')
    .trimEnd();

/** The lines that the recording shows, as text. */
export function recorded(): string {
  const lines = [...readFileSync(RECORDING, 'utf8').matchAll(/<text[^>]*>(.*)<\/text>/g)];
  const shown = lines.map(([, line = '']) => line.replace(/<[^>]*>/g, '').replaceAll('&#39;', "'"));
  return shown.slice(1).join('\n');
}

async function record(): Promise<Line[]> {
  const child = spawn(process.execPath, [fileURLToPath(new URL('../../dist/cli/index.js', import.meta.url)), 'demo']);
  child.stderr.pipe(process.stderr);
  const startedAt = Date.now();
  const lines: Line[] = [];
  for await (const text of createInterface({ input: child.stdout })) lines.push({ text, atMs: Date.now() - startedAt });
  if (child.exitCode) throw new Error(`the demo ended with ${child.exitCode}`);
  return lines;
}

function draw(lines: Line[]): string {
  const shown = [{ text: PROMPT, atMs: 0 }, ...lines.map(({ text, atMs }) => ({ text, atMs: atMs + BEFORE_MS }))];
  const totalMs = (shown.at(-1)?.atMs ?? 0) + AFTER_MS;
  const width = 2 * EDGE + CHARACTER * Math.max(...shown.map(({ text }) => text.length));
  const height = 2 * EDGE + LINE * shown.length;
  const at = (ms: number) => ((100 * ms) / totalMs).toFixed(2);
  const steps = shown.map(
    ({ atMs }, i) => `@keyframes l${i}{0%,${at(atMs)}%{opacity:0}${at(atMs + 1)}%,100%{opacity:1}}.l${i}{animation-name:l${i}}`,
  );
  const label = 'k8s-lease-lock demo: three guards, one lock, and a kill; one runs at a time';
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${label}">`,
    '<style>',
    'text{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:#e6edf3;white-space:pre;',
    `animation:${totalMs}ms linear infinite}`,
    '.waits{fill:#8b949e}.runs{fill:#3fb950}.killed{fill:#f85149}',
    ...steps,
    '@media (prefers-reduced-motion:reduce){text{animation:none}}',
    '</style>',
    `<rect width="${width}" height="${height}" rx="8" fill="#0d1117"/>`,
    ...shown.map(({ text }, i) => drawLine(text, i)),
    '</svg>\n',
  ].join('\n');
}

function drawLine(text: string, i: number): string {
  const size = `textLength="${text.length * CHARACTER}" lengthAdjust="spacingAndGlyphs"`;
  const marked = /[·█]/.test(text)
    ? text.replace(/·+|█+|x/g, (part) => `<tspan class="${COLOURS[part[0] ?? '']}">${part}</tspan>`)
    : text.replaceAll("'", '&#39;');
  return `<text class="l${i}" x="${EDGE}" y="${EDGE + LINE * (i + 0.7)}" xml:space="preserve" ${size}>${marked}</text>`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(RECORDING, draw(await record()));

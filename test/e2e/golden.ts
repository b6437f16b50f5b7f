/**
 * What commands print, held to the files in golden/. With UPDATE_GOLDEN=1 the files are written again. What differs from run to run is replaced by
 * something of the same width.
 */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { VERSION } from '../../src/version.ts';
import { guard, PROGRAM } from '../harness/guards.ts';
import { terminal } from '../harness/terminal.ts';

export interface Printing {
  env: Record<string, string>;
  /** What is replaced besides what always is. */
  replace?: readonly [RegExp | string, string][];
  cwd?: string;
}

const ALWAYS: readonly [RegExp | string, string][] = [
  [/\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d/g, '2026-01-01T12:00:00'],
  [/(?<=T12:00:00)\.\d+/g, (text: string) => text.replace(/\d/g, '0')] as unknown as [RegExp, string],
  [`v${VERSION}/`, 'vVERSION/'],
];

function settled(text: string, replace: Printing['replace'] = []): string {
  const plain = text.replaceAll('\r\n', '\n').replaceAll('\x1b', '\\e');
  return [...ALWAYS, ...replace].reduce((rest, [found, by]) => rest.replaceAll(found, by), plain);
}

const WINDOWS = [80, 200];

/** The command without a terminal, then on one of each width; what is the same is not repeated. */
export async function printed(t: TestContext, args: readonly string[], printing: Printing): Promise<string> {
  const plain = await plainly(t, args, printing);
  const shown = new Map([[outputOf(plain), 'without a terminal']]);
  const sections = [plain];
  for (const columns of WINDOWS) {
    const command = [...PROGRAM, ...args].map((word) => `'${word}'`).join(' ');
    const { env, cwd = '.' } = printing;
    const options = { env: { HOME: '/nonexistent', TERM: 'xterm', ...env }, columns };
    const { screen } = await terminal(t, `sh -c "cd '${cwd}' && exec ${command}"`, options).ended;
    const text = settled(screen, printing.replace);
    const same = shown.get(text);
    sections.push(`--- on a terminal with ${columns} columns${same ? `: as ${same}` : `\n${text.trimEnd()}`}`);
    shown.set(text, `with ${columns} columns`);
  }
  return sections.join('\n');
}

const outputOf = (section: string): string =>
  section
    .replace(/^\$.*\n/, '')
    .replace(/^--- on stderr\n/m, '')
    .replace(/^--- exit code \d+$/m, '');

/** Without a terminal, with its exit code. */
export async function plainly(t: TestContext, args: readonly string[], { env, replace, cwd = '.' }: Printing): Promise<string> {
  const { code, stdout, stderr } = await guard(t, [...args], { env, cwd }).finished;
  const line = `$ k8s-lease-lock ${args.map((word) => (/^[\w./:=-]+$/.test(word) ? word : `'${word}'`)).join(' ')}`;
  const errors = stderr === '' ? '' : `--- on stderr\n${stderr}`;
  return `${settled(`${line}\n${stdout}${errors}`, replace)}--- exit code ${code}`;
}

export function compare(name: string, outputs: readonly string[]): void {
  const file = fileURLToPath(new URL(`golden/${name}.txt`, import.meta.url));
  const text = `${outputs.join('\n\n')}\n`;
  if (process.env.UPDATE_GOLDEN) {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  } else assert.equal(text, readFileSync(file, 'utf8'), 'run the test once with UPDATE_GOLDEN=1');
}

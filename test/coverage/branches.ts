/**
 * Which branches of the sources V8 has seen visited, by all processes together that wrote into one folder (NODE_V8_COVERAGE). Sources are run as they
 * are: types are erased in place, so that what V8 calls an offset is one in the file.
 */
import { globSync, readFileSync } from 'node:fs';
import type { Profiler } from 'node:inspector';
import { join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { mergeScriptCovs } from '@bcoe/v8-coverage';

export interface Branch {
  /** Relative to the folder that was asked for. */
  file: string;
  line: number;
  /** Its first words. */
  text: string;
}

export interface Visits {
  /** Functions and blocks that V8 tells apart. */
  branches: number;
  unvisited: Branch[];
}

const WORDS = 100;

/** `written`: where the processes wrote; `root`: the folder of the sources, and which of them. */
export function visitsIn(written: string, root: string, files: readonly string[]): Visits {
  const scripts = new Map<string, Profiler.ScriptCoverage[]>(
    files.map((file) => [pathToFileURL(join(root, file)).href, []] as const),
  );
  for (const name of globSync('*.json', { cwd: written })) {
    const { result } = JSON.parse(readFileSync(join(written, name), 'utf8')) as { result: Profiler.ScriptCoverage[] };
    for (const script of result) scripts.get(script.url)?.push(script);
  }
  const visits: Visits = { branches: 0, unvisited: [] };
  for (const [url, covered] of scripts) {
    const merged = mergeScriptCovs(covered);
    if (merged) add(visits, relative(root, fileURLToPath(url)), merged);
  }
  visits.unvisited.sort((a, b) => a.file.localeCompare(b.file) || a.line - b.line);
  return visits;
}

function add(visits: Visits, file: string, { url, functions }: Profiler.ScriptCoverage): void {
  const source = readFileSync(fileURLToPath(url), 'utf8');
  const ranges = functions.flatMap((one) => one.ranges);
  visits.branches += ranges.length;
  for (const { count, startOffset, endOffset } of ranges) {
    const text = source.slice(startOffset, endOffset).replace(/\s+/g, ' ').trim();
    // A closing bracket after a return, say.
    if (count > 0 || !/\w/.test(text)) continue;
    visits.unvisited.push({ file, line: source.slice(0, startOffset).split('\n').length, text: text.slice(0, WORDS) });
  }
}

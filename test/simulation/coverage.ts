/**
 * Which branches of the code under test the simulation has been through, as V8 counts them. What remains is named with its line, so that a
 * rule that no run reaches is seen, and either reached or explained.
 */
import { readFileSync } from 'node:fs';
import { type Profiler, Session } from 'node:inspector/promises';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface FileCoverage {
  file: string;
  /** Functions and blocks that V8 tells apart. */
  branches: number;
  unvisited: { line: number; text: string }[];
}

/** To be started before the code under test is loaded. */
export async function startCoverage(): Promise<{ take(folder: URL, files: readonly string[]): Promise<FileCoverage[]> }> {
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  return {
    async take(folder, files) {
      const { result } = await session.post('Profiler.takePreciseCoverage');
      session.disconnect();
      const urls = files.map((file) => new URL(file, folder).href);
      const scripts = result.filter(({ url }) => urls.includes(url));
      return scripts.map(coverageOf).sort((a, b) => a.file.localeCompare(b.file));
    },
  };
}

function coverageOf({ url, functions }: Profiler.ScriptCoverage): FileCoverage {
  // Types are erased in place: what V8 calls an offset is one in the file.
  const text = readFileSync(fileURLToPath(url), 'utf8');
  const ranges = functions.flatMap((one) => one.ranges);
  const unvisited = ranges
    .filter(({ count, startOffset, endOffset }) => count === 0 && /\w/.test(text.slice(startOffset, endOffset)))
    .map(({ startOffset, endOffset }) => ({
      line: text.slice(0, startOffset).split('\n').length,
      text: text.slice(startOffset, endOffset).replace(/\s+/g, ' ').trim().slice(0, 100),
    }));
  return { file: basename(url), branches: ranges.length, unvisited };
}

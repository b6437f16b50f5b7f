/** Loads the code under test from a folder: src/ itself, or a copy of it that was broken on purpose. */
import { pathToFileURL } from 'node:url';
import type { Source } from './ours.ts';

export const SRC = new URL('../../src/', import.meta.url);

export const folderOf = (folder: URL | string = SRC): URL => (typeof folder === 'string' ? pathToFileURL(`${folder}/`) : folder);

export async function loadSource(folder?: URL | string): Promise<Source> {
  const base = folderOf(folder);
  const [{ acquire }, { acquireAll }, { timings }, { answerOf }] = await Promise.all([
    import(new URL('lock/acquire.ts', base).href),
    import(new URL('lock/several.ts', base).href),
    import(new URL('protocol/timings.ts', base).href),
    import(new URL('api/answers.ts', base).href),
  ]);
  return { acquire, acquireAll, timings, answerOf };
}

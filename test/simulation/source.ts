/** Loads the code under test from a folder: src/ itself, or a copy of it that was broken on purpose. */
import { pathToFileURL } from 'node:url';
import type { Source } from './ours.ts';

export const SRC = new URL('../../src/', import.meta.url);

export async function loadSource(folder: URL | string = SRC): Promise<Source> {
  const base = typeof folder === 'string' ? pathToFileURL(`${folder}/`) : folder;
  const [{ acquire }, { timings }] = await Promise.all([
    import(new URL('lock.ts', base).href),
    import(new URL('settings.ts', base).href),
  ]);
  return { acquire, timings };
}

/** Waits until something is so, looking now and then; how long it may take is generous, since it only matters where it never is. */
import { setTimeout } from 'node:timers/promises';

const LIMIT_MS = 60_000;

export async function until(
  isSo: () => boolean | Promise<boolean>,
  what: string | (() => string),
  limitMs = LIMIT_MS,
): Promise<void> {
  const startedAt = performance.now();
  while (!(await isSo())) {
    if (performance.now() - startedAt > limitMs) throw new Error(`in vain: ${typeof what === 'string' ? what : what()}`);
    await setTimeout(10);
  }
}

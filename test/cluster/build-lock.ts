/**
 * One builder at a time, across processes and users of a cache folder. A lock whose owner stopped touching it is taken over, so
 * a builder that was killed holds nobody up for longer than STALE_MS. It only saves work: should two builders run after all
 * (both saw a stale lock), each still puts complete files in place.
 */
import { mkdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const TOUCH_MS = 2_000;
/** Many touches: a machine that is busy compiling is late by seconds. Larger makes the next builder wait longer for a dead one. */
const STALE_MS = 30_000;
const POLL_MS = 200;

export async function withBuildLock(path: string, work: () => Promise<void>): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  while (!(await tryLock(path))) {
    await removeIfStale(path);
    await sleep(POLL_MS);
  }
  const touching = setInterval(() => {
    const now = new Date();
    // A lock that was taken from us (the machine slept) can't be touched any more; the build itself is still good.
    utimes(path, now, now).catch(() => {});
  }, TOUCH_MS);
  try {
    await work();
  } finally {
    clearInterval(touching);
    await rm(path, { recursive: true, force: true });
  }
}

async function tryLock(path: string): Promise<boolean> {
  try {
    await mkdir(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

async function removeIfStale(path: string): Promise<void> {
  try {
    const age = Date.now() - (await stat(path)).mtimeMs;
    if (age < STALE_MS) return;
    // Renamed first: of several that see it stale, one wins, and the others find nothing to remove.
    const mine = `${path}.stale-${process.pid}`;
    await rename(path, mine);
    await rm(mine, { recursive: true, force: true });
  } catch (error) {
    // It went away meanwhile: exactly what was wanted.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

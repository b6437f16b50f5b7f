/** What a sidecar leaves on a volume of its Pod once somebody relies on its lock, so that it knows after a restart that it has been there before. */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Identity } from '../../src/lock/index.ts';

export interface HoldMark {
  /** Who held the lock in this Pod, if anybody did: also when what is written there can't be read. */
  read(): Promise<Identity | undefined>;
  /** Resolves when it is on the disk. */
  write(identity: Identity): Promise<void>;
  /** One that cannot be removed is taken for a restart: the Pod then has to be ended from outside. */
  remove(): Promise<void>;
}

export function holdMark(dir: string): HoldMark {
  const file = join(dir, 'held.json');
  return {
    async read() {
      const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) =>
        error.code === 'ENOENT' ? undefined : '',
      );
      if (text === undefined) return undefined;
      try {
        const { id, nonce } = JSON.parse(text) as Identity;
        return { id, nonce };
      } catch {
        return { id: 'unknown', nonce: '0000000000' };
      }
    },
    write: ({ id, nonce }) => writeFile(file, JSON.stringify({ id, nonce }), { flush: true }),
    remove: () => rm(file, { force: true }).catch(() => {}),
  };
}

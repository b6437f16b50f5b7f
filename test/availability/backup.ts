/**
 * A backup of etcd, and its restore as etcd's own documentation has it: no API server runs meanwhile. Either the data as they were, or by etcdutl, which can
 * also raise the revisions, so that none comes twice.
 */
import { execFile } from 'node:child_process';
import { cpSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { goPrograms } from '../cluster/go-programs.ts';
import type { Pair } from './scene.ts';

/** As in docs/safety.md. */
export const BUMP = ['--bump-revision', '1000000000', '--mark-compacted'] as const;

export type How = 'as it was' | 'with higher revisions';

const MODULE = { folder: join(dirname(fileURLToPath(import.meta.url)), 'etcdutl'), ldflags: '-s -w' };

/** Its path, or why there is none. */
export async function etcdutl(): Promise<string | { missing: string }> {
  const folder = await goPrograms(MODULE, { etcdutl: 'go.etcd.io/etcd/etcdutl/v3' });
  return folder === undefined ? { missing: 'no etcdutl: there is no Go to build it' } : join(folder, 'etcdutl');
}

/** Everything as it is now, in this folder; etcd restarts on the way. */
export const backUp = ({ cluster: { controlPlane } }: Pair, folder: string): Promise<void> =>
  controlPlane.restartStore(() => cpSync(join(controlPlane.folder, 'etcd'), folder, { recursive: true }));

export async function restore({ cluster: { controlPlane }, first, second }: Pair, backup: string, how: How): Promise<void> {
  const data = join(controlPlane.folder, 'etcd');
  const program = await etcdutl();
  await Promise.all([first.kill(), second.kill()]);
  await controlPlane.restartStore(async () => {
    rmSync(data, { recursive: true });
    if (how === 'as it was') return cpSync(backup, data, { recursive: true });
    const member = ['--name', 'default', '--initial-cluster', `default=${controlPlane.peerUrl}`];
    const peer = ['--initial-advertise-peer-urls', controlPlane.peerUrl, '--data-dir', data];
    // A copy of the file has no hash at its end, as a snapshot has that was taken of a running etcd.
    const from = [join(backup, 'member', 'snap', 'db'), '--skip-hash-check'];
    await promisify(execFile)(String(program), ['snapshot', 'restore', ...from, ...member, ...peer, ...BUMP]);
  });
  await Promise.all([first.start(), second.start()]);
}

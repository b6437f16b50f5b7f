/**
 * A container as OpenShift starts it (SCC restricted-v2): a user id of the namespace's own that has no name, the group 0, a home that is `/` and can't be
 * written, and no capabilities.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmodSync, cpSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { promisify } from 'node:util';
import { BUNDLE, reach, tempFolder } from '../harness/guards.ts';
import { real, realCluster } from '../harness/real.ts';

const UID = '1000680000';

/** The program where that user can read it. */
function readable(t: TestContext): { folder: string; program: string[] } {
  const folder = tempFolder(t);
  chmodSync(folder, 0o755);
  cpSync(dirname(BUNDLE), join(folder, 'cli'), { recursive: true });
  cpSync(process.execPath, join(folder, 'node'));
  return { folder, program: [join(folder, 'node'), join(folder, 'cli', 'index.js')] };
}

real('a user without a name and a home: the command runs as that user, and the holder is named', async (t) => {
  if (process.getuid?.() !== 0) {
    if (process.env.CI) throw new Error('another user id takes root');
    return t.skip('another user id takes root');
  }
  const cluster = await realCluster();
  const { folder, program } = readable(t);
  const [caFile, tokenFile] = [join(folder, 'ca.crt'), join(folder, 'token')];
  writeFileSync(caFile, cluster.ca);
  writeFileSync(tokenFile, cluster.adminToken);
  const user = [`--reuid=${UID}`, '--regid=0', '--clear-groups', '--no-new-privs', '--inh-caps=-all', '--bounding-set=-all'];
  const lock = ['-n', await cluster.namespace('nobody'), '--name', 'deploy', '-v'];
  const work = ['sh', '-c', 'echo "$(id -u) $(id -g) $HOME $LEASE_LOCK_HOLDER"'];
  const args = [...user, ...program, 'run', ...reach({ url: cluster.url, caFile, tokenFile }), ...lock, '--', ...work];
  const env = { PATH: process.env.PATH ?? '', HOME: '/' };
  const { stdout, stderr } = await promisify(execFile)('setpriv', args, { cwd: '/', env });
  assert.match(stdout, new RegExp(`^${UID} 0 / user/\\S+\n$`), stderr);
  assert.match(stderr, /released Lease/);
});

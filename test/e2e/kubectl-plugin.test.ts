/** The commands as a plugin of the real kubectl. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { PROGRAM, tempFolder } from '../harness/guards.ts';
import { real, realCluster } from '../harness/real.ts';

real('kubectl lease-lock is k8s-lease-lock', async (t) => {
  const cluster = await realCluster();
  const { bin } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  assert.equal(bin['kubectl-lease_lock'], bin['k8s-lease-lock']);
  const folder = tempFolder(t);
  // As npm installs it.
  writeFileSync(join(folder, 'kubectl-lease_lock'), `#!/bin/sh\nexec ${PROGRAM.join(' ')} "$@"\n`, { mode: 0o755 });
  const env = { PATH: `${folder}:${process.env.PATH}`, KUBECONFIG: cluster.kubeconfig, HOME: folder };
  const kubectl = async (...args: string[]) => (await promisify(execFile)(cluster.kubectl, args, { env })).stdout;
  const namespace = await cluster.namespace('plugin');
  const where = ['-n', namespace, '--holder', 'pipeline-1'];
  await kubectl('lease-lock', 'acquire', '--name', 'deploy', ...where, '--lease-duration', '5m');
  assert.match(await kubectl('lease-lock', 'status', 'deploy', '-n', namespace), /State: +Alive\nHolder: +pipeline-1\n/);
  assert.equal(await kubectl('lease-lock', 'list', '-n', namespace, '-oname'), 'lease.coordination.k8s.io/deploy\n');
});

/** Who is compared: each runs a command under a lock, by a command line. */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { goPrograms } from '../cluster/go-programs.ts';
import type { OwnCluster } from '../harness/cluster.ts';
import { PROGRAM, reach } from '../harness/guards.ts';

export interface Peer {
  name: string;
  /** Until ten that are started together all wait. */
  gatherMs: number;
  /** The command line that runs this command under the lock of this name. */
  run(lock: string, command: readonly string[]): string[];
}

const MODULE = { folder: join(dirname(fileURLToPath(import.meta.url)), 'peers'), ldflags: '-s -w' };

export async function peersOn(cluster: OwnCluster, folder: string): Promise<Peer[]> {
  const namespace = await cluster.namespace('bench');
  const ours = (name: string, there: string[]): Peer => ({
    name,
    gatherMs: 6000,
    run: (lock, command) => [...PROGRAM, 'run', ...there, '-n', namespace, '--name', lock, '--', ...command],
  });
  const target = { url: cluster.url, tokenFile: cluster.adminTokenFile, caFile: cluster.caFile };
  const go = await goPrograms(MODULE, { etcdctl: 'go.etcd.io/etcd/etcdctl/v3' });
  const etcdctl: Peer[] = go
    ? [
        {
          name: 'etcdctl lock',
          gatherMs: 1000,
          run: (lock, command) => [join(go, 'etcdctl'), '--endpoints', cluster.controlPlane.etcdUrl, 'lock', lock, ...command],
        },
      ]
    : [];
  return [
    { name: 'flock', gatherMs: 1000, run: (lock, command) => ['flock', join(folder, `${lock}.lock`), ...command] },
    ...etcdctl,
    ours('k8s-lease-lock, --server', reach(target)),
    ours('k8s-lease-lock, kubeconfig', ['--kubeconfig', cluster.kubeconfig]),
  ];
}

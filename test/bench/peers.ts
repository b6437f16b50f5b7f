/** Who is compared: each runs a command under a lock, by a command line. */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { electedRun } from '../cluster/binaries.ts';
import { goPrograms } from '../cluster/go-programs.ts';
import type { OwnCluster } from '../harness/cluster.ts';
import { PROGRAM, reach } from '../harness/guards.ts';

export interface Peer {
  name: string;
  /** Until ten that are started together all wait. */
  gatherMs: number;
  /** In which parts it appears; all where it is not said. */
  parts?: readonly string[];
  /** How often a hand-over is measured; one that takes seconds is measured once. */
  rounds: number;
  /** The command line that runs this command under the lock of this name. */
  run(lock: string, command: readonly string[]): string[];
}

export const BASE = 'etcdctl lock';

const here = dirname(fileURLToPath(import.meta.url));
const MODULE = { folder: join(here, 'peers'), ldflags: '-s -w' };
const ROUNDS = 4;

export async function peersOn(cluster: OwnCluster, folder: string): Promise<Peer[]> {
  const namespace = await cluster.namespace('bench');
  const ours = (name: string, there: string[]): Peer => ({
    name,
    gatherMs: 6000,
    rounds: ROUNDS,
    run: (lock, command) => [...PROGRAM, 'run', ...there, '-n', namespace, '--name', lock, '--', ...command],
  });
  const target = { url: cluster.url, tokenFile: cluster.adminTokenFile, caFile: cluster.caFile };
  return [
    {
      name: 'flock',
      gatherMs: 1000,
      rounds: ROUNDS,
      run: (lock, command) => ['flock', join(folder, `${lock}.lock`), ...command],
    },
    ...(await goPeers(cluster, namespace)),
    {
      name: 'K8SLock 0.2.5',
      gatherMs: 6000,
      parts: ['hand-over', 'memory'],
      rounds: 1,
      run: (lock, command) => [
        process.execPath,
        join(here, 'peers/k8slock.mjs'),
        cluster.kubeconfig,
        namespace,
        lock,
        ...command,
      ],
    },
    {
      name: 'minimal client',
      gatherMs: 0,
      parts: ['start'],
      rounds: 0,
      run: (lock, command) => [
        process.execPath,
        join(here, 'peers/minimal.mjs'),
        ...[target.url, target.tokenFile, target.caFile, namespace, lock],
        ...command,
      ],
    },
    ours('k8s-lease-lock, --server', reach(target)),
    ours('k8s-lease-lock, kubeconfig', ['--kubeconfig', cluster.kubeconfig]),
  ];
}

/** Where there is Go to build them. */
async function goPeers(cluster: OwnCluster, namespace: string): Promise<Peer[]> {
  const [go, elected] = [await goPrograms(MODULE, { etcdctl: 'go.etcd.io/etcd/etcdctl/v3' }), await electedRun()];
  const peers: Peer[] = [];
  if (go)
    peers.push({
      name: BASE,
      gatherMs: 1000,
      rounds: ROUNDS,
      run: (lock, command) => [join(go, 'etcdctl'), '--endpoints', cluster.controlPlane.etcdUrl, 'lock', lock, ...command],
    });
  if (typeof elected === 'string')
    peers.push({
      name: 'client-go leader election',
      gatherMs: 3000,
      parts: ['hand-over', 'start', 'memory'],
      rounds: 1,
      run: (lock, command) => [elected, cluster.kubeconfig, namespace, lock, ...command],
    });
  return peers;
}

/**
 * The real Kubernetes and etcd that the tests run against, built from the Go modules that go.mod beside this file names, and an older
 * API server or another store where one was chosen (../versions/chosen.ts). A folder named by KUBEBUILDER_ASSETS is used as it is, but for what was
 * chosen. Where there is neither that nor Go, the answer is a sentence that says so.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { postgresPrograms } from '../harness/postgres.ts';
import { chosenKubernetes, chosenStore, KINE, versionIn } from '../versions/chosen.ts';
import { type GoModule, goPrograms } from './go-programs.ts';

export interface ClusterBinaries {
  etcd: string;
  /** What takes the place of etcd, where that was chosen. */
  kine?: string;
  /** The folder of PostgreSQL's programs, where kine stores into that. */
  postgres?: string;
  kubeApiserver: string;
  kubectl: string;
}

const moduleDir = dirname(fileURLToPath(import.meta.url));

/** What is built. One more line here is one more binary; go.mod already names the rest of the control plane and the kubelet. */
const API_SERVER = { 'kube-apiserver': 'k8s.io/kubernetes/cmd/kube-apiserver' };
const PACKAGES: Record<string, string> = {
  etcd: 'go.etcd.io/etcd/server/v3',
  ...API_SERVER,
  kubectl: 'k8s.io/kubernetes/cmd/kubectl',
};

const MODULE = kubernetesModule(moduleDir);

export async function clusterBinaries(): Promise<ClusterBinaries | { missing: string }> {
  const found = await newestBinaries();
  if ('missing' in found) return found;
  const kubernetes = chosenKubernetes();
  const older = kubernetes !== moduleDir && (await olderApiServer(kubernetes));
  if (typeof older === 'object') return older;
  const store = await storeBinaries();
  if ('missing' in store) return store;
  return { ...found, ...(older && { kubeApiserver: older }), ...store };
}

const olderApiServer = (folder: string) => program(kubernetesModule(folder), API_SERVER, 'older API server');

/** The newest API server, whatever was chosen. */
export async function newestApiServer(): Promise<string | { missing: string }> {
  const found = await newestBinaries();
  return 'missing' in found ? found : found.kubeApiserver;
}

async function storeBinaries(): Promise<Pick<ClusterBinaries, 'kine' | 'postgres'> | { missing: string }> {
  const store = chosenStore();
  if (store === 'etcd') return {};
  const kine = await program({ folder: KINE, ldflags: '-s -w' }, { kine: 'github.com/k3s-io/kine' }, 'other store');
  if (typeof kine === 'object') return kine;
  if (store === 'kine') return { kine };
  const postgres = postgresPrograms();
  return postgres === undefined ? { missing: 'no PostgreSQL: install the Debian package postgresql' } : { kine, postgres };
}

async function newestBinaries(): Promise<ClusterBinaries | { missing: string }> {
  const assets = process.env.KUBEBUILDER_ASSETS;
  if (assets) return namedFolder(assets);
  const dir = await goPrograms(MODULE, PACKAGES);
  if (dir !== undefined) return paths(dir);
  return {
    missing:
      'no real API server: KUBEBUILDER_ASSETS names no folder with etcd, kube-apiserver and kubectl, and there is no Go to build them',
  };
}

/** A program that leads by client-go's own leader election (leader/main.go): its path, or why there is none. */
export const leaderElector = (): Promise<string | { missing: string }> => ownProgram('leader', 'client-go leader election');

/** A program that runs a command while it leads, by the same (elected-run/main.go): its path, or why there is none. */
export const electedRun = (): Promise<string | { missing: string }> => ownProgram('elected-run', 'client-go leader election');

/** kubectl's own reading of kubeconfigs, environment and options (clientcmd/main.go): its path, or why there is none. */
export const clientcmd = (): Promise<string | { missing: string }> => ownProgram('clientcmd', "kubectl's reading of kubeconfigs");

/** A program of this folder, built again when its source has changed. */
async function ownProgram(folder: string, what: string): Promise<string | { missing: string }> {
  const source = readFileSync(join(moduleDir, folder, 'main.go'));
  const name = `${folder}-${createHash('sha256').update(source).digest('hex').slice(0, 8)}`;
  return await program(MODULE, { [name]: `./${folder}` }, what);
}

async function program(module: GoModule, one: Record<string, string>, what: string): Promise<string | { missing: string }> {
  const dir = await goPrograms(module, one);
  return dir === undefined ? { missing: `no ${what}: there is no Go to build it` } : join(dir, ...Object.keys(one));
}

function namedFolder(dir: string): ClusterBinaries | { missing: string } {
  const absent = Object.keys(PACKAGES).filter((name) => !existsSync(join(dir, name)));
  if (absent.length === 0) return paths(dir);
  return { missing: `no real API server: KUBEBUILDER_ASSETS is ${dir}, which has no ${absent.join(' and no ')}` };
}

function paths(dir: string): ClusterBinaries {
  return { etcd: join(dir, 'etcd'), kubeApiserver: join(dir, 'kube-apiserver'), kubectl: join(dir, 'kubectl') };
}

/** Without these a server built from modules calls itself v0.0.0-master, and clients that look at versions misbehave. */
function kubernetesModule(folder: string): GoModule {
  const version = versionIn(folder);
  const [major, minor] = version.slice(1).split('.');
  const variables = Object.entries({ gitVersion: version, gitMajor: major, gitMinor: minor });
  const flags = variables.map(([name, value]) => `-X k8s.io/component-base/version.${name}=${value}`);
  return { folder, ldflags: ['-s', '-w', ...flags].join(' ') };
}

/** What a node needs beyond that (test/node): the folder with all of it, or undefined where there is no Go. */
export async function nodeBinaries(): Promise<string | undefined> {
  const more = ['kube-controller-manager', 'kube-scheduler', 'kubelet'].map((name) => [name, `k8s.io/kubernetes/cmd/${name}`]);
  return await goPrograms(MODULE, { ...PACKAGES, ...Object.fromEntries(more) });
}

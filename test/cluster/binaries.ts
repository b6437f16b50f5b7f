/**
 * The real Kubernetes and etcd that the tests run against, built from the Go modules that go.mod beside this file names.
 * A folder named by KUBEBUILDER_ASSETS is used as it is. Where there is neither that nor Go, the answer is a sentence that says so.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { goPrograms } from './go-programs.ts';

export interface ClusterBinaries {
  dir: string;
  etcd: string;
  kubeApiserver: string;
  kubectl: string;
}

const moduleDir = dirname(fileURLToPath(import.meta.url));

/** What is built. One more line here is one more binary; go.mod already names the rest of the control plane and the kubelet. */
const PACKAGES: Record<string, string> = {
  etcd: 'go.etcd.io/etcd/server/v3',
  'kube-apiserver': 'k8s.io/kubernetes/cmd/kube-apiserver',
  kubectl: 'k8s.io/kubernetes/cmd/kubectl',
};

/** Without these a server built from modules calls itself v0.0.0-master, and clients that look at versions misbehave. */
const LDFLAGS = ['-s', '-w', ...versionFlags('v1.37.2')].join(' ');
const MODULE = { folder: moduleDir, ldflags: LDFLAGS };

export async function clusterBinaries(): Promise<ClusterBinaries | { missing: string }> {
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
  const dir = await goPrograms(MODULE, { [name]: `./${folder}` });
  return dir === undefined ? { missing: `no ${what}: there is no Go to build it` } : join(dir, name);
}

function namedFolder(dir: string): ClusterBinaries | { missing: string } {
  const absent = Object.keys(PACKAGES).filter((name) => !existsSync(join(dir, name)));
  if (absent.length === 0) return paths(dir);
  return { missing: `no real API server: KUBEBUILDER_ASSETS is ${dir}, which has no ${absent.join(' and no ')}` };
}

function paths(dir: string): ClusterBinaries {
  return { dir, etcd: join(dir, 'etcd'), kubeApiserver: join(dir, 'kube-apiserver'), kubectl: join(dir, 'kubectl') };
}

function versionFlags(version: string): string[] {
  const [major, minor] = version.slice(1).split('.');
  const variables = { gitVersion: version, gitMajor: major, gitMinor: minor };
  return Object.entries(variables).map(([name, value]) => `-X k8s.io/component-base/version.${name}=${value}`);
}

/** What a node needs beyond that (test/node): the folder with all of it, or undefined where there is no Go. */
export async function nodeBinaries(): Promise<string | undefined> {
  const more = ['kube-controller-manager', 'kube-scheduler', 'kubelet'].map((name) => [name, `k8s.io/kubernetes/cmd/${name}`]);
  return await goPrograms(MODULE, { ...PACKAGES, ...Object.fromEntries(more) });
}

/**
 * The real Kubernetes and etcd that the tests run against, built from the Go modules that go.mod beside this file names.
 * They are built once for each go.mod and go.sum, into a cache folder outside the checkout. A folder named by
 * KUBEBUILDER_ASSETS is used as it is. Where there is neither that nor Go, the answer is a sentence that says so.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { withBuildLock } from './build-lock.ts';

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

export async function clusterBinaries(): Promise<ClusterBinaries | { missing: string }> {
  const assets = process.env.KUBEBUILDER_ASSETS;
  if (assets) return namedFolder(assets);
  const dir = cacheFolder();
  if (isComplete(dir)) return paths(dir);
  if (!(await goWorks())) {
    return {
      missing:
        'no real API server: KUBEBUILDER_ASSETS names no folder with etcd, kube-apiserver and kubectl, and there is no Go to build them',
    };
  }
  await withBuildLock(`${dir}.lock`, async () => {
    if (!isComplete(dir)) await build(dir, PACKAGES);
  });
  return paths(dir);
}

/** A program that leads by client-go's own leader election (leader/main.go): its path, or why there is none. */
export async function leaderElector(): Promise<string | { missing: string }> {
  const source = readFileSync(join(moduleDir, 'leader', 'main.go'));
  const dir = cacheFolder();
  const program = join(dir, `leader-${createHash('sha256').update(source).digest('hex').slice(0, 8)}`);
  if (existsSync(program)) return program;
  if (!(await goWorks())) return { missing: 'no client-go leader election: there is no Go to build it' };
  await withBuildLock(`${dir}.lock`, async () => {
    if (!existsSync(program)) await build(dir, { [basename(program)]: './leader' });
  });
  return program;
}

function namedFolder(dir: string): ClusterBinaries | { missing: string } {
  const absent = Object.keys(PACKAGES).filter((name) => !existsSync(join(dir, name)));
  if (absent.length === 0) return paths(dir);
  return { missing: `no real API server: KUBEBUILDER_ASSETS is ${dir}, which has no ${absent.join(' and no ')}` };
}

function paths(dir: string): ClusterBinaries {
  return { dir, etcd: join(dir, 'etcd'), kubeApiserver: join(dir, 'kube-apiserver'), kubectl: join(dir, 'kubectl') };
}

function cacheFolder(): string {
  const hash = createHash('sha256');
  for (const file of ['go.mod', 'go.sum']) hash.update(readFileSync(join(moduleDir, file)));
  hash.update(LDFLAGS);
  const root = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
  return join(root, 'k8s-lease-lock', hash.digest('hex').slice(0, 16));
}

function isComplete(dir: string): boolean {
  return Object.keys(PACKAGES).every((name) => existsSync(join(dir, name)));
}

async function goWorks(): Promise<boolean> {
  return promisify(execFile)('go', ['version']).then(
    () => true,
    () => false,
  );
}

/** Each binary appears in the folder by a rename, so whoever sees it sees all of it, even if two build at once or one is killed. */
async function build(dir: string, packages: Record<string, string>): Promise<void> {
  process.stderr.write(`building ${Object.keys(packages).join(', ')} for the tests: minutes the first time, then never again\n`);
  await mkdir(dir, { recursive: true });
  const scratch = await mkdtemp(join(dir, 'build-'));
  try {
    for (const [name, goPackage] of Object.entries(packages)) {
      const output = join(scratch, name);
      await promisify(execFile)('go', ['build', '-trimpath', '-ldflags', LDFLAGS, '-o', output, goPackage], {
        cwd: moduleDir,
        env: { ...process.env, CGO_ENABLED: '0' },
        maxBuffer: 64 << 20,
      });
      await rename(output, join(dir, name));
    }
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

function versionFlags(version: string): string[] {
  const [major, minor] = version.slice(1).split('.');
  const variables = { gitVersion: version, gitMajor: major, gitMinor: minor };
  return Object.entries(variables).map(([name, value]) => `-X k8s.io/component-base/version.${name}=${value}`);
}

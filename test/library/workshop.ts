/**
 * A folder as a user of the package has it, scripts that run there as processes of their own, and access to one lock of a real cluster with
 * no more rights than docs/migration.md gives. The published 0.2.5 is there, too, under a name of its own.
 */

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type CreateLockOptions, createLock, type Lock, LockError } from '../../src/library/index.ts';
import type { ApiObject } from '../harness/api.ts';
import type { Cluster, Manifest } from '../harness/cluster.ts';
import { tempFolder } from '../harness/guards.ts';
import { realCluster } from '../harness/real.ts';
import type { ApiTarget } from '../harness/targets.ts';
import { until } from '../harness/until.ts';

export const root = fileURLToPath(new URL('../..', import.meta.url));
export const OURS = '@nullplatform/k8s-lease-lock';
export const PUBLISHED = 'k8slock-published';

/** The interface that both have. */
export interface AnyK8SLock {
  isLocking: boolean;
  startLocking(): Promise<{ isLocking: boolean; lockId?: string } | undefined>;
  stopLocking(lockId?: string): Promise<void>;
  getLock(waitUntilLock?: boolean): Promise<boolean>;
}

export type AnyK8SLockClass = new (options: Record<string, unknown>) => AnyK8SLock;

/** The published class itself; it has no types. */
export async function published(): Promise<AnyK8SLockClass> {
  return ((await import(PUBLISHED as string)) as { K8SLock: AnyK8SLockClass }).K8SLock;
}

/** Code blocks of one language in a document. */
export function examples(path: string, language: string): string[] {
  const text = readFileSync(join(root, path), 'utf8');
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\``, 'gm'))].map(([, code = '']) => code);
}

export interface Script {
  readonly pid: number;
  readonly stdout: string;
  readonly stderr: string;
  says(pattern: RegExp): Promise<void>;
  kill(signal?: NodeJS.Signals): void;
  input(line: string): void;
  /** Its exit code, or the signal that ended it. */
  finished: Promise<number | NodeJS.Signals | null>;
}

/** A folder in which the packages can be required and imported by their names. */
export function userFolder(t: TestContext): string {
  const folder = tempFolder(t);
  const modules = join(folder, 'node_modules');
  mkdirSync(join(modules, '@nullplatform'), { recursive: true });
  symlinkSync(root, join(modules, OURS));
  // The last example of the published README asks for it by this name.
  symlinkSync(root, join(modules, '@k8s-lock'));
  symlinkSync(join(root, 'node_modules', PUBLISHED), join(modules, PUBLISHED));
  mkdirSync(join(modules, '@kubernetes'));
  symlinkSync(join(root, 'node_modules/@kubernetes/client-node'), join(modules, '@kubernetes/client-node'));
  return folder;
}

/** Runs code as a process of its own, CommonJS unless `mjs`, ended with the test. */
export function script(t: TestContext, code: string, env: Record<string, string>, type: 'cjs' | 'mjs' = 'cjs'): Script {
  const folder = userFolder(t);
  const file = join(folder, `main.${type}`);
  writeFileSync(file, code);
  const child = spawn(process.execPath, [file], {
    cwd: folder,
    env: { PATH: process.env.PATH ?? '', HOME: folder, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const said = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      said[name] += text;
    });
  }
  const finished = once(child, 'close').then(() => child.exitCode ?? child.signalCode);
  t.after(() => endOf(child));
  return {
    pid: child.pid ?? 0,
    get stdout() {
      return said.stdout;
    },
    get stderr() {
      return said.stderr;
    },
    async says(pattern) {
      const ended = () => child.exitCode !== null || child.signalCode !== null;
      await until(() => pattern.test(said.stdout) || ended(), `${pattern} of a script`);
      if (!pattern.test(said.stdout)) await finished;
      if (!pattern.test(said.stdout))
        throw new Error(`it ended (${child.exitCode}) without ${pattern}: ${said.stdout}${said.stderr}`);
    },
    kill: (signal = 'SIGKILL') => child.kill(signal),
    input: (line) => child.stdin.write(`${line}\n`),
    finished,
  };
}

async function endOf(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

/** One lock on a real cluster, and a ServiceAccount with the rights to it. */
export interface Place {
  cluster: Cluster;
  namespace: string;
  name: string;
  /** A kubeconfig for that ServiceAccount, and its token. */
  kubeconfig: string;
  token: string;
  lease(): Promise<ApiObject>;
  exists(): Promise<boolean>;
  /** Merges this into the Lease, which is made where it is missing. */
  write(spec: Record<string, unknown>): Promise<void>;
  remove(): Promise<void>;
}

export async function place(
  options: { namespace?: string; name?: string; patch?: boolean; watch?: boolean } = {},
): Promise<Place> {
  const cluster = await realCluster();
  const { name = 'nightly', patch = false, watch = true } = options;
  const namespace = options.namespace ?? (await cluster.namespace('library'));
  await cluster.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
  const verbs = ['get', ...(watch ? ['watch'] : []), 'create', 'update', ...(patch ? ['patch'] : [])];
  const token = await grant(cluster, namespace, name, verbs);
  const collection = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`;
  return {
    cluster,
    namespace,
    name,
    token,
    kubeconfig: cluster.kubeconfigFor(token, namespace),
    lease: async () => (await cluster.request('GET', `${collection}/${name}`)).body,
    exists: async () => (await cluster.request('GET', `${collection}/${name}`)).status === 200,
    async write(spec) {
      await cluster.apply({
        apiVersion: 'coordination.k8s.io/v1',
        kind: 'Lease',
        metadata: { name, namespace },
        spec,
      } as Manifest);
    },
    async remove() {
      await cluster.request('DELETE', `${collection}/${name}`);
    },
  };
}

const AS_WRITTEN = '["get", "watch", "create", "update"]';

/** Applies the Role and the RoleBinding of docs/migration.md, as they are written there, and returns a token of its ServiceAccount. */
async function grant(cluster: Cluster, namespace: string, name: string, verbs: string[]): Promise<string> {
  const [yaml = ''] = examples('docs/migration.md', 'yaml');
  const here = yaml
    .replaceAll('team-a', namespace)
    .replace('resourceNames: ["nightly"]', `resourceNames: ["${name}"]`)
    .replace(AS_WRITTEN, JSON.stringify(verbs).replaceAll(',', ', '));
  if (!yaml.includes(AS_WRITTEN)) throw new Error('docs/migration.md names other verbs');
  const created = spawn(cluster.kubectl, ['--kubeconfig', cluster.kubeconfig, 'apply', '-f', '-'], {
    stdio: ['pipe', 'ignore', 'pipe'],
  });
  created.stdin.end(here);
  let complaint = '';
  created.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint += text;
  });
  const [code] = await once(created, 'close');
  if (code !== 0) throw new Error(`the Role of docs/migration.md: ${complaint}`);
  return await cluster.serviceAccountToken({ namespace, name: 'worker' });
}

/** Locks made by createLock on one API server, all of one Lease. */
export async function workshop(t: TestContext, target: ApiTarget) {
  const { namespace, access } = await accessTo(t, target);
  const path = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/nightly`;
  return {
    namespace,
    lock(options: Partial<CreateLockOptions> = {}): Lock {
      const lock = createLock({ name: 'nightly', namespace, ...access, ...options });
      return {
        ...lock,
        async acquire(options) {
          const held = await lock.acquire(options);
          t.after(() => held.release()); // A test that fails must not keep the lock, and the process.
          return held;
        },
      };
    },
    lease: async () => (await target.request('GET', path)).body,
    async overwrite(spec: Record<string, unknown>, annotations: Record<string, string> = {}) {
      const found = (await target.request('GET', path)).body;
      const metadata = { ...found.metadata, annotations: { ...found.metadata.annotations, ...annotations } };
      const { status } = await target.request('PUT', path, { ...found, metadata, spec: { ...found.spec, ...spec } });
      assert.equal(status, 200);
    },
  };
}

async function accessTo(t: TestContext, { name, url, caFile, namespace }: ApiTarget) {
  if (name === 'embedded') return { namespace: await namespace('library'), access: { server: url } };
  const there = await place();
  const tokenFile = join(tempFolder(t), 'token');
  writeFileSync(tokenFile, there.token);
  return { namespace: there.namespace, access: { server: url, tokenFile, certificateAuthority: caFile } };
}

/** The code of a LockError; anything else as it is. */
export const codeOf = (error: unknown): unknown => (error instanceof LockError ? error.code : error);

/** The node that test/node/all.ts has started, by kubectl: apply, wait, look. */
import { execFile } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { until } from '../harness/until.ts';

export const NODE = { folder: join(tmpdir(), 'k8s-lease-lock-node'), variable: 'K8S_LEASE_LOCK_TEST_NODE_KUBECTL' };

export async function kubectl(...args: string[]): Promise<string> {
  const program = process.env[NODE.variable];
  if (!program) throw new Error('no node: these tests are run by "npm run test:node"');
  const config = join(NODE.folder, 'etc', 'admin.kubeconfig');
  const line = ['--net=/run/netns/k8s-lease-lock', program, '--kubeconfig', config, ...args];
  return (await promisify(execFile)('nsenter', line, { timeout: 120_000 })).stdout;
}

/** The manifest of that name beside the tests. */
export const manifest = (name: string): string => fileURLToPath(new URL(`${name}.yaml`, import.meta.url));

/** Two namespaces whose service accounts may use the lock `nightly` of a third. */
export async function prepare(): Promise<void> {
  for (const namespace of ['locks', 'blue', 'green']) {
    await kubectl('create', 'namespace', namespace).catch((error) => {
      if (!/AlreadyExists/.test(String(error))) throw error;
    });
    const there = () => kubectl('-n', namespace, 'get', 'serviceaccount', 'default').then(Boolean, () => false);
    await until(there, `the service account of ${namespace}`);
  }
  await kubectl('apply', '-f', manifest('rights'));
}

export interface JobEnd {
  succeeded: boolean;
  log: string;
}

export async function jobEnd(namespace: string, name: string): Promise<JobEnd> {
  const conditions = () => kubectl('-n', namespace, 'get', 'job', name, '-o', 'jsonpath={.status.conditions[*].type}');
  await until(async () => /Complete|Failed/.test(await conditions()), `the end of job ${name}`);
  const log = await kubectl('-n', namespace, 'logs', `job/${name}`);
  return { succeeded: /Complete/.test(await conditions()), log };
}

export const logOf = (namespace: string, job: string): Promise<string> =>
  kubectl('-n', namespace, 'logs', `job/${job}`).catch(() => ''); // It has not started yet.

export async function untilLog(namespace: string, job: string, pattern: RegExp): Promise<void> {
  await until(async () => pattern.test(await logOf(namespace, job)), `${pattern} of job ${job}`);
}

export const holder = (): Promise<string> =>
  kubectl('-n', 'locks', 'get', 'lease', 'nightly', '-o', 'jsonpath={.spec.holderIdentity}');

export const podOf = (namespace: string, job: string): Promise<string> =>
  kubectl('-n', namespace, 'get', 'pod', '-l', `job-name=${job}`, '-o', 'jsonpath={.items[0].metadata.name}');

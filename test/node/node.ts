/** The node that test/node/all.ts has started: kubectl there, and what a test breaks on it. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { until } from '../harness/until.ts';

/** Where it lives, its network namespace (harness/up.sh has it, too), and how a test learns of its kubectl. */
export const NODE = {
  folder: join(tmpdir(), 'k8s-lease-lock-node'),
  network: '/run/netns/k8s-lease-lock',
  variable: 'K8S_LEASE_LOCK_TEST_NODE_KUBECTL',
};

const run = promisify(execFile);
const LIMIT_MS = 120_000;

/** A program in the node's network. */
function onNode(program: string, args: string[], input?: string) {
  const running = run('nsenter', [`--net=${NODE.network}`, program, ...args], { timeout: LIMIT_MS });
  running.child.stdin?.end(input);
  return running;
}

function withKubectl(args: string[], input?: string) {
  const program = process.env[NODE.variable];
  if (!program) throw new Error('no node: these tests are run by "npm run test:node"');
  return onNode(program, ['--kubeconfig', join(NODE.folder, 'etc', 'admin.kubeconfig'), ...args], input);
}

export const kubectl = async (...args: string[]): Promise<string> => (await withKubectl(args)).stdout;
export const apply = async (text: string): Promise<string> => (await withKubectl(['apply', '-f', '-'], text)).stdout;

/** One that runs for a while: `kubectl exec`. Its output is to be read. */
export function startKubectl(...args: string[]) {
  const line = [process.env[NODE.variable] ?? '', '--kubeconfig', join(NODE.folder, 'etc', 'admin.kubeconfig'), ...args];
  return spawn('nsenter', [`--net=${NODE.network}`, ...line], { stdio: ['ignore', 'pipe', 'inherit'] });
}

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** Applies the manifest of that name beside the tests, with these texts in it replaced. */
export async function applyManifest(name: string, ...changes: [string, string][]): Promise<void> {
  let text = readFileSync(here(`${name}.yaml`), 'utf8');
  for (const [from, to] of changes) {
    if (!text.includes(from)) throw new Error(`${name}.yaml has no "${from}"`);
    text = text.replaceAll(from, to);
  }
  await apply(text);
}

/** Two namespaces whose service accounts may use the lock `nightly` of a third, which is guarded against theft. */
export async function prepare(): Promise<void> {
  for (const namespace of ['locks', 'blue', 'green']) {
    await kubectl('create', 'namespace', namespace).catch((error) => {
      if (!/AlreadyExists/.test(String(error))) throw error;
    });
    const there = () => kubectl('-n', namespace, 'get', 'serviceaccount', 'default').then(Boolean, () => false);
    await until(there, `the service account of ${namespace}`);
  }
  await applyManifest('rights');
  await kubectl('apply', '-k', here('../../deploy/holders'));
  await kubectl('label', '--overwrite', 'namespace', 'locks', 'lease-lock.nullplatform.com/guard=true');
}

/** Leaves nothing of a test file behind: the next one begins with a free lock. */
export async function cleanUp(): Promise<void> {
  for (const namespace of ['blue', 'green']) {
    await kubectl('-n', namespace, 'delete', 'cronjob,job', '--all');
    await kubectl('-n', namespace, 'delete', 'pod', '--all', '--grace-period=2');
  }
  await freed();
}

export interface JobEnd {
  succeeded: boolean;
  log: string;
}

export async function jobEnd(namespace: string, name: string): Promise<JobEnd> {
  const conditions = () => kubectl('-n', namespace, 'get', 'job', name, '-o', 'jsonpath={.status.conditions[*].type}');
  await until(async () => /Complete|Failed/.test(await conditions()), `the end of job ${name}`);
  const log = await kubectl('-n', namespace, 'logs', `job/${name}`, '-c', 'main').catch(() => '');
  return { succeeded: /Complete/.test(await conditions()), log };
}

export const logOf = (namespace: string, job: string, container = 'main'): Promise<string> =>
  kubectl('-n', namespace, 'logs', `job/${job}`, '-c', container).catch(() => ''); // It has not started yet.

export async function untilLog(namespace: string, job: string, pattern: RegExp, container = 'main'): Promise<void> {
  await until(async () => pattern.test(await logOf(namespace, job, container)), `${pattern} of job ${job}`);
}

export interface Line {
  /** By the node's clock, in milliseconds since 1970. */
  at: number;
  text: string;
}

/** Once it is being read: every line to its container's end, also when the Pod is deleted meanwhile. */
export async function follow(namespace: string, pod: string, container = 'main'): Promise<{ lines: Promise<Line[]> }> {
  const reading = withKubectl(['-n', namespace, 'logs', '-f', '--timestamps', pod, '-c', container]);
  const { stdout } = reading.child;
  if (stdout) await Promise.race([once(stdout, 'data'), reading]);
  return { lines: reading.then(({ stdout: text }) => linesOf(text)) };
}

export async function timedLog(namespace: string, job: string, container = 'main'): Promise<Line[]> {
  return linesOf(await kubectl('-n', namespace, 'logs', '--timestamps', `job/${job}`, '-c', container));
}

function linesOf(text: string): Line[] {
  return text
    .trim()
    .split('\n')
    .map((line) => {
      const [at = '', ...words] = line.split(' ');
      return { at: Date.parse(at), text: words.join(' ') };
    });
}

/** When the line that matches was written. */
export function timeOf(lines: Line[], pattern: RegExp): number {
  const found = lines.find(({ text }) => pattern.test(text));
  if (!found) throw new Error(`no ${pattern} in: ${lines.map(({ text }) => text).join('\n')}`);
  return found.at;
}

const leaseField = (path: string): Promise<string> =>
  kubectl('-n', 'locks', 'get', 'lease', 'nightly', '--ignore-not-found', '-o', `jsonpath={${path}}`);

export const holder = (): Promise<string> => leaseField('.spec.holderIdentity');
export const renewedAt = async (): Promise<number> => Date.parse(await leaseField('.spec.renewTime'));
export const durationMs = async (): Promise<number> => Number(await leaseField('.spec.leaseDurationSeconds')) * 1000;
export const annotations = (): Promise<string> => leaseField('.metadata.annotations');

/** By an administrator, when nobody can be running under it any more: the next test need not wait until it expires. */
export async function clearLock(): Promise<void> {
  await kubectl('-n', 'locks', 'delete', 'lease', 'nightly');
}

export async function freed(): Promise<void> {
  await until(async () => (await holder()) === '', 'the end of the lock');
}

export const podOf = (namespace: string, job: string): Promise<string> =>
  kubectl('-n', namespace, 'get', 'pod', '-l', `job-name=${job}`, '-o', 'jsonpath={.items[0].metadata.name}');

/** Replaces the Lease of the lock as this user: a text, changed. Rejects with what the API server says. */
export async function rewriteLease(user: string, change: (json: string) => string): Promise<void> {
  const as = ['--as', user, '-n', 'locks'];
  const json = await kubectl(...as, 'get', 'lease', 'nightly', '-o', 'json', '--show-managed-fields');
  await withKubectl([...as, 'replace', '-f', '-'], change(json));
}

/** As a node that is drained does. */
export async function evict(namespace: string, pod: string): Promise<void> {
  const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: pod, namespace } };
  const path = `/api/v1/namespaces/${namespace}/pods/${pod}/eviction`;
  await withKubectl(['create', '--raw', path, '-f', '-'], JSON.stringify(eviction));
}

interface ContainerStatus {
  name: string;
  containerID: string;
  restartCount: number;
  state: {
    running?: { startedAt: string };
    terminated?: { exitCode: number; startedAt: string; finishedAt: string; reason: string };
  };
}

export interface PodStatus {
  phase: string;
  podIP: string;
  containerStatuses: ContainerStatus[];
  initContainerStatuses?: ContainerStatus[];
}

/** Of the newest Pod of a Job, if there is one. */
export async function podStatus(namespace: string, job: string): Promise<PodStatus | undefined> {
  const json = await kubectl('-n', namespace, 'get', 'pod', '-l', `job-name=${job}`, '-o', 'json');
  const pods = (JSON.parse(json) as { items: { metadata: { creationTimestamp: string }; status: PodStatus }[] }).items;
  return pods.sort((a, b) => (a.metadata.creationTimestamp < b.metadata.creationTimestamp ? 1 : -1))[0]?.status;
}

export async function containerOf(namespace: string, job: string, name: string): Promise<ContainerStatus> {
  const status = await podStatus(namespace, job);
  const all = [...(status?.containerStatuses ?? []), ...(status?.initContainerStatuses ?? [])];
  const found = all.find((container) => container.name === name);
  if (!found) throw new Error(`job ${job} has no container ${name} yet`);
  return found;
}

/** From now on the API server does not hear this Pod; the kubelet still does. Returns the undo. */
export async function cutOff(podIp: string): Promise<() => Promise<void>> {
  const table = `cut_${podIp.replaceAll('.', '_')}`;
  const rules = `table ip ${table} {\n chain in {\n type filter hook input priority 0;\n ip saddr ${podIp} tcp dport 16443 drop;\n }\n}\n`;
  await onNode('nft', ['-f', '-'], rules);
  return async () => {
    await onNode('nft', ['delete', 'table', 'ip', table]);
  };
}

/** Kills the container's first process, as a crash would. */
export async function crash(namespace: string, job: string, container: string): Promise<void> {
  const { containerID } = await containerOf(namespace, job, container);
  const socket = join(NODE.folder, 'run', 'containerd', 'containerd.sock');
  await run('ctr', ['-a', socket, '-n', 'k8s.io', 'task', 'kill', '-s', 'SIGKILL', containerID.replace('containerd://', '')]);
}

/** The processes of a container that run this program, by their ids on the node. */
export async function pidsOf(namespace: string, job: string, program: string): Promise<number[]> {
  const { containerID } = await containerOf(namespace, job, 'main');
  const socket = join(NODE.folder, 'run', 'containerd', 'containerd.sock');
  const { stdout } = await run('ctr', ['-a', socket, '-n', 'k8s.io', 'task', 'ps', containerID.replace('containerd://', '')]);
  const all = [...stdout.matchAll(/^(\d+)/gm)].map(([pid]) => Number(pid));
  return all.filter((pid) => isAlive(pid) && basename(readlinkSync(`/proc/${pid}/exe`)) === program);
}

/** Ends the node's kubelet; `startKubelet` starts it again. */
export async function killKubelet(): Promise<void> {
  const pid = Number(readFileSync(join(NODE.folder, 'run', 'kubelet.pid'), 'utf8'));
  process.kill(pid, 'SIGKILL');
  await until(() => !isAlive(pid), 'the end of the kubelet');
}

export async function startKubelet(): Promise<void> {
  const binaries = join(process.env[NODE.variable] ?? '', '..');
  await run(here('harness/up.sh'), [NODE.folder, binaries], { timeout: LIMIT_MS });
}

function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

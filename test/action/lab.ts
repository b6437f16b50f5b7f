/**
 * What tests of the Action share: jobs that use its committed bundle as a workflow would, against the real API server, with a ServiceAccount
 * that has the rights that the documentation asks for and no others; and what the Lease says meanwhile.
 */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { sessionIn } from '../../action/job-state.ts';
import type { ApiObject } from '../harness/api.ts';
import type { Cluster } from '../harness/cluster.ts';
import { type Guard, guard, isRunning } from '../harness/guards.ts';
import { grant, SUFFICIENT } from '../harness/rbac.ts';
import { realCluster } from '../harness/real.ts';
import {
  type Annotation,
  type Inputs,
  type Job,
  type JobOptions,
  type JobResult,
  type PhaseResult,
  startJob,
  type UsesStep,
} from '../harness/runner/index.ts';
import { until } from '../harness/until.ts';

/** Where action.yml is; another checkout can be named, to hold it to the same tests. */
export const ACTION = process.env.K8S_LEASE_LOCK_TEST_ACTION || fileURLToPath(new URL('../..', import.meta.url));

export interface Entry {
  key: string;
  id: string;
  mark?: string;
  priority?: number;
  duration?: number;
  about: { who?: string; reason?: string; url?: string; host?: string };
}

export interface Lab {
  cluster: Cluster;
  namespace: string;
  /** Of a ServiceAccount that may use the lock `deploy`. */
  token: string;
  /** Inputs for the lock `deploy`: those that lead to the API server, and these. */
  inputs(more?: Inputs): Inputs;
  /** A step that uses the Action with them. */
  lock(more?: Inputs, step?: Partial<UsesStep>): UsesStep;
  lease(name?: string): Promise<ApiObject>;
  holders(name?: string): Promise<Entry[]>;
  waiters(name?: string): Promise<Entry[]>;
  /** Who the Lease names; an empty text if nobody, or if there is no Lease. */
  holder(name?: string): Promise<string>;
  untilHeld(by?: RegExp): Promise<void>;
  untilFree(): Promise<void>;
  untilWaiting(count?: number): Promise<void>;
  /** Writes as somebody else would, whatever is there. */
  overwrite(change: (lease: ApiObject) => void): Promise<void>;
  /** Nobody holds it any more, by the word of an administrator. */
  clear(): Promise<void>;
}

export async function lab(prefix = 'action', verbs: string[] = SUFFICIENT): Promise<Lab> {
  const cluster = await realCluster();
  const namespace = await cluster.namespace(prefix);
  const token = await accountFor(cluster, namespace, verbs);
  const authority = Buffer.from(cluster.ca).toString('base64');
  const inputs = (more: Inputs = {}): Inputs => ({
    name: 'deploy',
    namespace,
    server: cluster.url,
    token,
    'certificate-authority-data': authority,
    ...more,
  });
  const leases = leasesIn(cluster, namespace);
  const { holder, waiters, overwrite } = leases;
  return {
    cluster,
    namespace,
    token,
    inputs,
    lock: (more, step = {}) => ({ uses: ACTION, with: inputs(more), ...step }),
    ...leases,
    untilHeld: (by = /./) => until(async () => by.test(await holder()), `a holder ${by}`),
    untilFree: () => until(async () => (await holder()) === '', 'the end of the lock'),
    untilWaiting: (count = 1) => until(async () => (await waiters()).length === count, `${count} in the queue`),
    clear: () =>
      overwrite(({ spec }) => {
        spec.holderIdentity = '';
      }),
  };
}

/** What the Leases of one namespace say, as an administrator reads and writes them. */
function leasesIn({ request }: Cluster, namespace: string): Pick<Lab, 'lease' | 'holders' | 'waiters' | 'holder' | 'overwrite'> {
  const get = (name: string) => request('GET', pathOf(namespace, name));
  const lease = async (name = 'deploy') => {
    const { status, body, text } = await get(name);
    if (status !== 200) throw new Error(`${status} ${text}`);
    return body;
  };
  const entries = async (kind: string, name = 'deploy'): Promise<Entry[]> => {
    const { status, body } = await get(name);
    if (status !== 200) return [];
    return Object.entries(body.metadata.annotations ?? {})
      .filter(([key]) => key.startsWith(`${kind}.lease-lock.nullplatform.com/`))
      .map(([key, text]) => ({ key, ...(JSON.parse(text) as Omit<Entry, 'key'>) }));
  };
  return {
    lease,
    holders: (name) => entries('holder', name),
    waiters: (name) => entries('waiter', name),
    async holder(name = 'deploy') {
      const { status, body } = await get(name);
      return status === 200 ? (body.spec.holderIdentity ?? '') : '';
    },
    async overwrite(change) {
      for (;;) {
        const body = await lease();
        change(body);
        const { status, text } = await request('PUT', pathOf(namespace, 'deploy'), body);
        if (status === 200) return;
        if (status !== 409) throw new Error(`${status} ${text}`); // The holder has renewed meanwhile.
      }
    },
  };
}

const pathOf = (namespace: string, name: string): string => `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/${name}`;

async function accountFor(at: Cluster, namespace: string, verbs: string[]): Promise<string> {
  const meta = { name: 'deployer', namespace };
  const token = await at.serviceAccountToken(meta);
  if (verbs.length === 0) return token;
  await grant(at, { namespace, name: 'deployer', verbs, lock: 'deploy', to: [{ kind: 'ServiceAccount', name: 'deployer' }] });
  return token;
}

/** The one annotation that a failure is told by. */
export function onlyError({ annotations }: { annotations: Annotation[] }): string {
  assert.deepEqual(
    annotations.map(({ level }) => level),
    ['error'],
    JSON.stringify(annotations),
  );
  assert.match(annotations[0]?.title ?? '', /^k8s-lease-lock: ./);
  return annotations[0]?.message ?? '';
}

/** A phase that has run. */
export function ran(phase: PhaseResult | undefined): PhaseResult {
  if (!phase) throw new Error('it has not run');
  return phase;
}

/** What every job has to leave behind, however it went: nothing, and no streams that are held. */
export function assertTidy(job: JobResult): void {
  assert.deepEqual(job.leftovers, []);
  const held = job.steps.filter(({ pre, main, post }) => [pre, main, post].some((phase) => phase?.inherited));
  assert.deepEqual(held, [], 'a phase left its streams to another process');
}

/** What a test awaits from outside a job while the job is at one of its steps. */
export function gate(t: TestContext): { opened: Promise<void>; open(): void } {
  const { promise: opened, resolve: open } = Promise.withResolvers<void>();
  t.after(() => open());
  return { opened, open };
}

/** A job that has the lock, and keeps it until it is told to end. */
export async function holdingJob(t: TestContext, step: UsesStep, options: JobOptions = {}): Promise<Job & { end(): void }> {
  const { opened, open } = gate(t);
  const job = startJob(t, [step, () => opened], options);
  await job.prints(/acquired Lease/);
  return Object.assign(job, { end: open });
}

/** A command under the guard, for the lock of the jobs and with the rights of their account. */
export function guarded(t: TestContext, { cluster, token, namespace }: Lab, command: string, cwd?: string): Guard {
  const lock = ['--kubeconfig', cluster.kubeconfigFor(token), '-n', namespace, '--name', 'deploy'];
  return guard(t, ['run', ...lock, '--', command], cwd === undefined ? {} : { cwd });
}

export const untilGone = (pid: number): Promise<void> => until(() => !isRunning(pid), `the end of ${pid}`);

export interface Kept {
  folder: string;
  phase: string;
  keeper: { pid: number; startedTicks: number };
}

/** What the keeper of the job's first lock has written down. */
export function keptIn({ temp }: Pick<Job, 'temp'>): Kept {
  const name = readdirSync(temp).find((each) => each.startsWith('k8s-lease-lock-'));
  if (name === undefined) throw new Error('no lock was kept');
  const folder = join(temp, name);
  const status = sessionIn(folder).status();
  if (!status) throw new Error('nothing is written down');
  return { folder, phase: status.phase, keeper: status.keeper as Kept['keeper'] };
}

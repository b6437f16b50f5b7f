/**
 * A namespace that the policy of deploy/holders guards, on the real API server, and people who want a lock in it: Pods by tokens of their own, and
 * users of any name. Each has the rights of docs/rbac.md and no more.
 */
import { execFile } from 'node:child_process';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Cluster } from '../../src/api/cluster.ts';
import { findCluster } from '../../src/api/find-cluster.ts';
import { type Clock, systemClock } from '../../src/clock.ts';
import type { LockEvent } from '../../src/lock/events.ts';
import { newIdentity } from '../../src/lock/identity.ts';
import { type AcquireRequest, type Acquisition, acquire, type HeldLock, type Participant } from '../../src/lock/index.ts';
import { newParticipant } from '../../src/lock/new-participant.ts';
import { timings } from '../../src/protocol/timings.ts';
import type { Answer, ApiObject } from '../harness/api.ts';
import type { Cluster as TestCluster } from '../harness/cluster.ts';
import { grant, SUFFICIENT } from '../harness/rbac.ts';
import { real, realCluster } from '../harness/real.ts';
import { until } from '../harness/until.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
export const LOCK = 'deploy';
const GROUP = 'testers';

/** How somebody is known to the API server: the headers of each request. */
export type Credentials = Record<string, string>;

export interface Lab {
  cluster: TestCluster;
  namespace: string;
  path: string;
  pod(name: string): Promise<Credentials>;
  /** The service account of these Pods, by a token that names no Pod. */
  account(): Promise<Credentials>;
  user(name: string): Credentials;
  request(who: Credentials, method: string, body?: unknown, options?: { query?: string; contentType?: string }): Promise<Answer>;
  lease(): Promise<ApiObject>;
  contender(who: Credentials, options?: ContenderOptions): Promise<Contender>;
}

export interface ContenderOptions {
  holder?: string;
  durationMs?: number;
  /** Of its wall clock, from the right time. */
  offByMs?: number;
  legacyExpiry?: boolean;
}

export interface Contender {
  participant: Participant;
  events: LockEvent[];
  acquire(request?: AcquireRequest): Promise<Acquisition>;
  /** Acquires and insists on it. */
  take(): Promise<HeldLock>;
}

/** As a user applies it. */
export async function applyFolder(cluster: TestCluster, folder: string): Promise<string> {
  const line = ['--kubeconfig', cluster.kubeconfig, 'apply', '-k', folder];
  return (await promisify(execFile)(cluster.kubectl, line, { cwd: root })).stdout;
}

/** Puts the policy in place, and waits until it is at work. `who` may write the lock. */
export async function guardNamespace(cluster: TestCluster, namespace: string, who: Credentials): Promise<void> {
  await applyFolder(cluster, 'deploy/holders');
  const label = { metadata: { labels: { 'lease-lock.nullplatform.com/guard': 'true' } } };
  await cluster.request('PATCH', `/api/v1/namespaces/${namespace}`, label, { contentType: 'application/merge-patch+json' });
  const wrong = leaseOf({ namespace }, 'nobody');
  const refused = async () => (await cluster.request('PUT', `${pathIn(namespace)}?dryRun=All`, wrong, { headers: who })).text;
  // A new policy takes a moment to be heard of, and its words count: who has no rights yet gets a 403 as well.
  await until(async () => /is not yours/.test(await refused()), 'the policy is at work');
}

const pathIn = (namespace: string): string => `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/${LOCK}`;

/** A test in a namespace of its own that the policy guards, on the real API server. */
export const guarded = (name: string, act: (lab: Lab, t: TestContext) => Promise<void>) =>
  real(name, async (t) => await act(await guardedNamespace(t, await realCluster()), t));

export async function guardedNamespace(t: TestContext, cluster: TestCluster): Promise<Lab> {
  const namespace = await cluster.namespace('theft');
  await allow(cluster, namespace);
  const path = pathIn(namespace);
  const admin = { authorization: `Bearer ${cluster.adminToken}` };
  const user = (name: string): Credentials => ({
    ...admin,
    // Up to U+00FF: that is all that Node takes for a header.
    'impersonate-user': name,
    'impersonate-group': GROUP,
  });
  const request: Lab['request'] = (who, method, body, { query = '', contentType } = {}) =>
    cluster.request(method, path + query, body, { headers: who, ...(contentType !== undefined && { contentType }) });
  const lab: Lab = {
    cluster,
    namespace,
    path,
    user,
    request,
    async pod(name) {
      await cluster.serviceAccountToken({ namespace, name: 'worker' });
      const containers = [{ name: 'main', image: 'none' }];
      const pod = {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name, namespace },
        spec: { serviceAccountName: 'worker', containers },
      };
      const { uid } = (await cluster.apply(pod)).metadata;
      const spec = { boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name, uid } };
      const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec };
      const { body } = await cluster.request('POST', `/api/v1/namespaces/${namespace}/serviceaccounts/worker/token`, review);
      return { authorization: `Bearer ${(body.status as { token: string }).token}` };
    },
    account: async () => ({ authorization: `Bearer ${await cluster.serviceAccountToken({ namespace, name: 'worker' })}` }),
    lease: async () => (await request(admin, 'GET')).body,
    contender: (who, options) => contend(t, lab, who, options),
  };
  await guardNamespace(cluster, namespace, user('probe'));
  return lab;
}

/** Held by `holder`, as any client of leader election writes it. */
export function leaseOf({ namespace }: Pick<Lab, 'namespace'>, holder: string, spec: object = {}) {
  const renewTime = new Date().toISOString().replace('Z', '000Z');
  return {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name: LOCK, namespace },
    spec: { holderIdentity: holder, leaseDurationSeconds: 60, renewTime, leaseTransitions: 1, ...spec },
  };
}

async function allow(cluster: TestCluster, namespace: string): Promise<void> {
  // patch and delete are more than a participant needs: thieves shall have no less than they can get.
  const verbs = [...SUFFICIENT, 'patch', 'delete'];
  const to = [GROUP, `system:serviceaccounts:${namespace}`].map((name) => ({ kind: 'Group' as const, name }));
  await grant(cluster, { namespace, name: 'lock', verbs, lock: LOCK, to });
}

async function contend(
  t: TestContext,
  { cluster, namespace }: Lab,
  who: Credentials,
  { holder, durationMs = 60_000, offByMs = 0, legacyExpiry = false }: ContenderOptions = {},
): Promise<Contender> {
  const found = await findCluster({ server: cluster.url, certificateAuthorityData: cluster.ca, env: {} });
  if (found.kind === 'refused') throw new Error(found.message);
  const as: Cluster = {
    ...found.cluster,
    credentials: async (renew) => ({ ...(await found.cluster.credentials(renew)), headers: who }),
  };
  const right = systemClock();
  const clock: Clock = { ...right, wall: () => new Date(right.wall().getTime() + offByMs) };
  const events: LockEvent[] = [];
  const token = who['impersonate-user'] === undefined ? who.authorization?.replace('Bearer ', '') : undefined;
  const times = timings(durationMs, 0);
  if (times.kind !== 'timings') throw new Error(times.kind);
  const participant = newParticipant({
    cluster: as,
    clock,
    namespace,
    name: LOCK,
    identity: newIdentity({ prefix: holder, token, host: 'runner 7' }),
    about: {},
    priority: 0,
    timings: times.timings,
    createIfAbsent: true,
    legacyExpiry,
  });
  const onEvent = (event: LockEvent) => void events.push(event);
  // A test that fails leaves nobody behind who waits or renews.
  const over = new AbortController();
  t.after(() => {
    over.abort();
    participant.client.close();
  });
  const get: Contender['acquire'] = async (request = {}) => {
    const signal = request.signal ? AbortSignal.any([request.signal, over.signal]) : over.signal;
    const acquisition = await acquire(participant, { onEvent, ...request, signal });
    if (acquisition.kind === 'held') over.signal.addEventListener('abort', acquisition.lock.abandon);
    return acquisition;
  };
  return {
    participant,
    events,
    acquire: get,
    async take() {
      const acquisition = await get();
      if (acquisition.kind !== 'held') throw new Error(JSON.stringify(acquisition));
      return acquisition.lock;
    },
  };
}

/** What went wrong for any of them: nothing, if every write was let through. */
export const troubles = (...contenders: Contender[]): string[] =>
  contenders.flatMap(({ events }) =>
    events.flatMap((event) => (event.type === 'trouble' ? [event.message] : event.type === 'lost' ? [event.reason] : [])),
  );

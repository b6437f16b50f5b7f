/**
 * A namespace that the policy of deploy/holders guards, on the real API server, and people who want a lock in it: Pods by tokens of their own, and
 * users of any name. Each has the rights of docs/rbac.md and no more.
 */
import { execFile } from 'node:child_process';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Answer, ApiObject } from '../harness/api.ts';
import type { Cluster as TestCluster } from '../harness/cluster.ts';
import { grant, SUFFICIENT } from '../harness/rbac.ts';
import { real, realCluster } from '../harness/real.ts';
import { until } from '../harness/until.ts';
import { type Contender, type ContenderOptions, type Credentials, contend } from './contender.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
export const LOCK = 'deploy';
const GROUP = 'testers';

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
    contender: (who, options) => contend(t, { cluster, namespace, name: LOCK, who }, options),
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

/** Rights on Leases, given as a Role and a RoleBinding of one name. */
import type { Cluster } from './cluster.ts';

const GROUP = 'rbac.authorization.k8s.io';

/** All that a participant needs on its own Lease; docs/rbac.md. */
export const SUFFICIENT = ['get', 'watch', 'create', 'update'];

export interface Grant {
  namespace: string;
  /** Of Role and RoleBinding. */
  name: string;
  verbs: readonly string[];
  /** On this one lock; on all if none is named. */
  lock?: string;
  to: { kind: 'User' | 'Group' | 'ServiceAccount'; name: string; namespace?: string }[];
}

export async function grant({ apply }: Pick<Cluster, 'apply'>, { namespace, name, verbs, lock, to }: Grant): Promise<void> {
  const metadata = { name, namespace };
  const leases = { apiGroups: ['coordination.k8s.io'], resources: ['leases'], ...(lock && { resourceNames: [lock] }) };
  await apply({ apiVersion: `${GROUP}/v1`, kind: 'Role', metadata, rules: [{ ...leases, verbs }] });
  const subjects = to.map((each) => (each.kind === 'ServiceAccount' ? { namespace, ...each } : { apiGroup: GROUP, ...each }));
  const roleRef = { apiGroup: GROUP, kind: 'Role', name };
  await apply({ apiVersion: `${GROUP}/v1`, kind: 'RoleBinding', metadata, roleRef, subjects });
}

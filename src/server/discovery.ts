/**
 * What a client such as kubectl asks a server about itself before it asks for a Lease: version, groups, resources, namespaces. Just
 * enough for get, describe, annotate, patch and delete. Every namespace is said to exist.
 */
import { GROUP } from './status.ts';

const version = { groupVersion: `${GROUP}/v1`, version: 'v1' };
const group = { name: GROUP, versions: [version], preferredVersion: version };

const DOCUMENTS: Record<string, object> = {
  '/version': { major: '1', minor: '37', gitVersion: 'v1.37.2+lease-lock-serve' },
  '/api': { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs: [] },
  '/api/v1': {
    kind: 'APIResourceList',
    groupVersion: 'v1',
    resources: [
      {
        name: 'namespaces',
        singularName: 'namespace',
        namespaced: false,
        kind: 'Namespace',
        verbs: ['get', 'create'],
        shortNames: ['ns'],
      },
    ],
  },
  '/apis': { kind: 'APIGroupList', apiVersion: 'v1', groups: [group] },
  [`/apis/${GROUP}`]: { kind: 'APIGroup', apiVersion: 'v1', ...group },
  [`/apis/${GROUP}/v1`]: {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion: `${GROUP}/v1`,
    resources: [
      {
        name: 'leases',
        singularName: 'lease',
        namespaced: true,
        kind: 'Lease',
        verbs: ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'],
      },
    ],
  },
};

export type Target =
  | { is: 'leases'; namespace?: string; name?: string }
  | { is: 'namespaces'; name?: string }
  | { is: 'document'; document: object }
  | { is: 'health' }
  | { is: 'unknown resource' }
  | { is: 'nothing' };

export function targetOf(pathname: string): Target {
  const path = pathname.replace(/\/$/, '');
  const document = DOCUMENTS[path];
  if (document) return { is: 'document', document };
  if (['/healthz', '/livez', '/readyz'].includes(path)) return { is: 'health' };
  const [root, ...rest] = path.slice(1).split('/').map(decoded);
  if (root === 'api' && rest[0] === 'v1') return coreTarget(rest.slice(1));
  if (root !== 'apis' || rest[0] !== GROUP) return { is: 'nothing' };
  return rest[1] === 'v1' ? leaseTarget(rest.slice(2)) : { is: 'unknown resource' };
}

/** A step that is badly escaped is no name of anything: it is looked for as it stands, and not found. */
function decoded(step: string): string {
  try {
    return decodeURIComponent(step);
  } catch {
    return step;
  }
}

function leaseTarget(steps: string[]): Target {
  if (steps.length === 1 && steps[0] === 'leases') return { is: 'leases' };
  const [scope, namespace, resource, name] = steps;
  if (scope !== 'namespaces' || !namespace || resource !== 'leases' || steps.length > 4) return { is: 'unknown resource' };
  return { is: 'leases', namespace, ...(name && { name }) };
}

function coreTarget([resource, name, below, ...more]: string[]): Target {
  if (resource !== 'namespaces' || more.length > 0) return { is: 'unknown resource' };
  // `kubectl describe` asks for the events of what it describes; there are none.
  if (below === 'events') return { is: 'document', document: { kind: 'EventList', apiVersion: 'v1', metadata: {}, items: [] } };
  return below ? { is: 'unknown resource' } : { is: 'namespaces', ...(name && { name }) };
}

export function namespaceObject(name: string): object {
  const labels = { 'kubernetes.io/metadata.name': name };
  return {
    kind: 'Namespace',
    apiVersion: 'v1',
    metadata: { name, labels },
    spec: { finalizers: ['kubernetes'] },
    status: { phase: 'Active' },
  };
}

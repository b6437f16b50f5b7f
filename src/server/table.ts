/**
 * Leases as `kubectl get` wants them: a Table with name, holder and age. Which form a client wants is read from its Accept header.
 * Ages are rounded down, as kubectl prints them.
 */
import type { Lease } from './lease.ts';

const COLUMNS = [
  { name: 'Name', type: 'string', format: 'name', description: 'Name of the lease', priority: 0 },
  { name: 'Holder', type: 'string', format: '', description: 'holderIdentity: who holds it', priority: 0 },
  { name: 'Age', type: 'string', format: '', description: 'Time since its creation', priority: 0 },
];

export type Form = 'object' | 'table' | 'unacceptable';

/** The first acceptable form in the header wins, as on the real server. */
export function wantedForm(accept: string | undefined): Form {
  if (!accept) return 'object';
  for (const entry of accept.split(',')) {
    const [type, ...parameters] = entry.split(';').map((part) => part.trim());
    if (type !== 'application/json' && type !== 'application/*' && type !== '*/*') continue;
    const as = parameters.find((parameter) => parameter.startsWith('as='))?.slice(3);
    if (as === undefined) return 'object';
    if (as === 'Table' && parameters.includes('v=v1')) return 'table';
  }
  return 'unacceptable';
}

export function table(leases: Lease[], resourceVersion: string, now: Date): object {
  const rows = leases.map(({ metadata, spec }) => ({
    cells: [metadata.name, spec.holderIdentity ?? '', age(metadata.creationTimestamp, now)],
    object: { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata },
  }));
  return { kind: 'Table', apiVersion: 'meta.k8s.io/v1', metadata: { resourceVersion }, columnDefinitions: COLUMNS, rows };
}

function age(since: string, now: Date): string {
  const seconds = Math.max(0, Math.floor((now.getTime() - Date.parse(since)) / 1000));
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 3 * 3600) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}

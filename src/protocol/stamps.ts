/** When a Lease was last written, by the stamps that the API server puts into managedFields: the one clock that all participants share. */
import type { RawLease } from './lease.ts';
import type { Me } from './me.ts';

/** The name of the program in managedFields. */
const PROGRAM = 'k8s-lease-lock';
const WAITER = `${PROGRAM}-waiter`;

/**
 * Holders and waiters write as two managers, so that managedFields tells when a *holder* last wrote; and each of those that hold the lock together as one
 * of its own, so that it tells which.
 */
export function managerOf(as: 'holder' | 'waiter', me?: Pick<Me, 'nonce' | 'policies'>): string {
  if (as === 'waiter') return WAITER;
  return me?.policies?.weight === undefined ? PROGRAM : `${PROGRAM}-${me.nonce}`;
}

/** When a holder last wrote; undefined if the fields of the Lease are not tracked. */
export function renewTimeWrittenAt(lease: RawLease): number | undefined {
  const ms = Date.parse(renewTimeEntry(lease)?.time ?? '');
  return Number.isNaN(ms) ? undefined : ms;
}

/** The field manager of that write. */
export const renewTimeWriter = (lease: RawLease): string | undefined => renewTimeEntry(lease)?.manager;

const renewTimeEntry = (lease: RawLease) => ownerOf(lease, ['f:spec', 'f:renewTime']);

/** When this annotation was last changed. Where many write, the API server merges the oldest of them under the time of the newest of these. */
export function annotationWrittenAt(lease: RawLease, name: string): number | undefined {
  const ms = Date.parse(ownerOf(lease, ['f:metadata', 'f:annotations', `f:${name}`])?.time ?? '');
  return Number.isNaN(ms) ? undefined : ms;
}

function ownerOf({ metadata }: RawLease, path: readonly string[]) {
  return metadata.managedFields?.find(({ time, fieldsV1 }) => {
    let fields: unknown = fieldsV1;
    for (const step of path)
      fields = typeof fields === 'object' && fields !== null ? (fields as Record<string, unknown>)[step] : undefined;
    return fields !== undefined && time;
  });
}

/** The stamp of the last write of any waiter: its manager owns nothing else. */
export function queueWrittenAt(lease: RawLease): number | undefined {
  const times = (lease.metadata.managedFields ?? [])
    .filter(({ manager }) => manager === WAITER)
    .map(({ time }) => Date.parse(time ?? ''))
    .filter((ms) => !Number.isNaN(ms));
  return times.length > 0 ? Math.max(...times) : undefined;
}

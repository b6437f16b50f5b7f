/** When a Lease was last written, by the stamps that the API server puts into managedFields: the one clock that all participants share. */
import type { RawLease } from './lease.ts';

/** Holders and waiters write as two managers, so that managedFields tells when a *holder* last wrote. */
export const MANAGERS = { holder: 'k8s-lease-lock', waiter: 'k8s-lease-lock-waiter' };

/** When a holder last wrote; undefined if the fields of the Lease are not tracked. */
export function renewTimeWrittenAt(lease: RawLease): number | undefined {
  const ms = Date.parse(renewTimeEntry(lease)?.time ?? '');
  return Number.isNaN(ms) ? undefined : ms;
}

/** The field manager of that write. */
export const renewTimeWriter = (lease: RawLease): string | undefined => renewTimeEntry(lease)?.manager;

function renewTimeEntry({ metadata }: RawLease) {
  return metadata.managedFields?.find(({ time, fieldsV1 }) => {
    const spec = fieldsV1?.['f:spec'];
    return typeof spec === 'object' && spec !== null && 'f:renewTime' in spec && time;
  });
}

/** The stamp of the last write of any waiter: its manager owns nothing else. */
export function queueWrittenAt(lease: RawLease): number | undefined {
  const times = (lease.metadata.managedFields ?? [])
    .filter(({ manager }) => manager === MANAGERS.waiter)
    .map(({ time }) => Date.parse(time ?? ''))
    .filter((ms) => !Number.isNaN(ms));
  return times.length > 0 ? Math.max(...times) : undefined;
}

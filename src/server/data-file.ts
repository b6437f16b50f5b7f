/**
 * The state on disk, as one JSON file that is always whole: written beside it, flushed, and renamed over it, before the write that
 * it records is answered. A file that is not such a state is an error that says so, and is left as it is. Two servers on one file
 * are not prevented.
 */
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { decodeLease, type Lease } from './lease.ts';
import type { Snapshot } from './lease-table.ts';

const FORMAT = 'k8s-lease-lock/leases/1';

/** Undefined: there is no file yet. */
export function loadSnapshot(file: string): Snapshot | undefined {
  if (!existsSync(file)) return undefined;
  const text = readFileSync(file, 'utf8');
  const refuse = (why: string) => new Error(`${file} holds no leases that can be read (${why}); move it away to start with none`);
  let state: { format?: unknown; resourceVersion?: unknown; leases?: unknown };
  try {
    state = JSON.parse(text) as typeof state;
  } catch (error) {
    throw refuse((error as Error).message);
  }
  if (state?.format !== FORMAT) throw refuse(`its format is not ${FORMAT}`);
  const { resourceVersion, leases } = state;
  if (typeof resourceVersion !== 'string' || !/^\d+$/.test(resourceVersion) || !Array.isArray(leases))
    throw refuse('resourceVersion or leases are missing');
  for (const lease of leases as Lease[]) {
    const decoded = decodeLease(lease);
    if ('error' in decoded) throw refuse(decoded.error);
    const { name, namespace, uid, resourceVersion: version } = decoded.lease.metadata;
    if (!name || !namespace || !uid || !version) throw refuse('a lease lacks its name, namespace, uid or resourceVersion');
  }
  return { resourceVersion, leases: leases as Lease[] };
}

export function saveSnapshot(file: string, snapshot: Snapshot): void {
  mkdirSync(dirname(file), { recursive: true });
  const beside = `${file}.new`;
  const handle = openSync(beside, 'w', 0o600);
  try {
    writeFileSync(handle, `${JSON.stringify({ format: FORMAT, ...snapshot })}\n`);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  renameSync(beside, file);
  flushFolder(dirname(file));
}

/** Without it the rename itself may be lost with the power. Not every platform lets a folder be opened; there it is as good as it gets. */
function flushFolder(folder: string): void {
  if (process.platform === 'win32') return;
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

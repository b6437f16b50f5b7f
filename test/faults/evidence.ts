/**
 * What each cell of the fault matrix has shown, kept in one file for each: in the folder that K8S_LEASE_LOCK_TEST_EVIDENCE names, else
 * nowhere. table.ts makes the table of docs/evidence.md of it.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export const EVIDENCE = 'K8S_LEASE_LOCK_TEST_EVIDENCE';

export interface Evidence {
  group: string;
  cell: string;
  why: string;
  code: number | string;
  /** The last thing that the guard said of the lock. */
  said: string;
  /** From which event on another could have had the lock. */
  freeBy: string;
  /** From the last sign of life of any process of the command to that event. */
  deadBeforeFreeMs: number;
  /** From the same to the start of the next holder's first process. */
  deadBeforeNextMs: number;
}

export function keepEvidence(evidence: Evidence): void {
  const folder = process.env[EVIDENCE];
  if (!folder) return;
  mkdirSync(folder, { recursive: true });
  const name = `${evidence.group}-${evidence.cell}`.replace(/[^a-zA-Z0-9]+/g, '-').slice(0, 120);
  writeFileSync(join(folder, `${name}.json`), `${JSON.stringify(evidence, undefined, 2)}\n`);
}

/**
 * Named ways to break the protocol. Each must be caught by the simulation: one that survives is an invariant that nobody checks. A mutant is
 * the source with a few texts replaced, each of which must occur exactly once, or a guard or an API client that misbehaves.
 */
import type { Conduct } from '../ours.ts';
import { AGEING } from './ageing.ts';
import { CLAIMING } from './claiming.ts';
import { DELETIONS } from './deletions.ts';
import { DOCUMENTS } from './documents.ts';
import { GRANTING } from './granting.ts';
import { HOLDING } from './holding.ts';
import { POLICIES } from './policies.ts';
import { QUEUEING } from './queueing.ts';
import { SEVERAL } from './several.ts';
import { SHARING } from './sharing.ts';

export interface Mutant {
  name: string;
  /** What it gets wrong, in words. */
  breaks: string;
  /** File of src/, the text that is replaced, and what by. */
  edits?: readonly (readonly [file: string, from: string, to: string])[];
  conduct?: Conduct;
  profile: string;
  /** A seed with which it is caught soon. */
  seed: number;
}

export const MUTANTS: readonly Mutant[] = [
  ...CLAIMING,
  ...HOLDING,
  ...GRANTING,
  ...QUEUEING,
  ...POLICIES,
  ...SHARING,
  ...AGEING,
  ...SEVERAL,
  ...DOCUMENTS,
  ...DELETIONS,
];

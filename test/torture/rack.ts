/** What one torture is about: a cluster, one lock on it, the guards that want it, the wires that some of them use, and what has been counted. */
import type { TestContext } from 'node:test';
import type { Wire } from '../faults/wire.ts';
import type { OwnCluster } from '../harness/cluster.ts';
import type { FaultProxy } from '../harness/fault-proxy.ts';
import type { Guard } from '../harness/guards.ts';
import type { Author, Deed } from '../simulation/history.ts';
import type { Random } from '../simulation/random.ts';

export const DURATION_MS = 5000;
export const LEASE = 'tortured';
/** To run a guard or a command beyond the test runner. */
export const testOf = ({ undo }: Pick<Rack, 'undo'>) =>
  ({ after: (end: () => unknown) => void undo.push(end) }) as unknown as TestContext;

export interface TortureResult {
  starts: number;
  writes: number;
  faults: Record<string, number>;
  codes: Record<string, number>;
  problem: string | undefined;
}

export interface Rack {
  cluster: OwnCluster;
  random: Random;
  namespace: string;
  folder: string;
  /** Into which commands write down that they live. */
  file: string;
  /** By Date.now(). */
  ends: number;
  running: Set<Guard>;
  wires: Wire[];
  proxies: FaultProxy[];
  /** What was done to the Lease by force, by the version that came of it. */
  deeds: Map<string, { author: Author; deed?: Deed }>;
  result: TortureResult;
  /** Last first, when all is over. */
  undo: (() => unknown)[];
}

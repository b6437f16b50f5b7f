/**
 * For tests that need a real API server. Where there can be none they are skipped, and each test file says so; under CI that is a failure, so
 * that nobody is told that all is well by tests that were not run.
 */
import { test } from 'node:test';
import { type Cluster, leftOut, useCluster } from './cluster.ts';

/** Why they are skipped, or false. */
export const missing: string | false = (await leftOut()) ?? false;
if (missing && process.env.CI) throw new Error(missing);
if (missing) process.stderr.write(`${missing}\n`);

/** A test that needs the real API server. */
export const real = missing ? test.skip : test;

let cluster: Promise<Cluster | null> | undefined;

/** The cluster of this test run, which starts with the first who asks for it. Only for what is skipped where there is none. */
export async function realCluster(): Promise<Cluster> {
  cluster ??= useCluster();
  const present = await cluster;
  if (!present) throw new Error('no real API server');
  return present;
}

/** How often a generated test is run: a multiple of what fits into `npm test`, by K8S_LEASE_LOCK_TEST_RUNS. */
export const runsOf = (usual: number): number => Math.round(usual * Number(process.env.K8S_LEASE_LOCK_TEST_RUNS ?? 1));

/**
 * `npm run test:versions`: the tests of behaviour against older Kubernetes, and against kine in place of etcd. Names of rows (1.29, kine, kine-postgres) choose some of
 * them; names of test files choose those; `--oldest`: the oldest version, and the files in which servers differ. The first time each row
 * compiles for some minutes. With CI=true nothing may be missing.
 */
import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { leftOut, SHARED_CLUSTER, startCluster } from '../harness/cluster.ts';
import { chosenMinor, KUBERNETES, olderVersions, STORE, STORES } from './chosen.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
/** Of test/e2e and test/field those with a real API server: for the embedded one it is all the same. */
const OLDEST = ['server/*', 'e2e/{access,client-go,credentials,long-dead,rbac,unread}'];
const ALL = [
  ...OLDEST,
  'e2e/{completion,doctor,golden,kubeconfig,kubectl-plugin,serve-demo,several}',
  'field/{between,controllers,refusals}',
  'availability/*',
];
/** ValidatingAdmissionPolicy v1, which refuses a stolen lock. */
const THEFT_MINOR = 30;

const rows: Record<string, Record<string, string>> = {
  ...Object.fromEntries(olderVersions().map((version) => [version, { [KUBERNETES]: version }])),
  ...Object.fromEntries(STORES.map((store) => [store, { [STORE]: store }])),
};
const words = process.argv.slice(2);
const oldest = words.includes('--oldest');
const named = words.filter((word) => word in rows);
const namedFiles = words.filter((word) => word.endsWith('.test.ts'));

async function run(row: string): Promise<boolean> {
  Object.assign(process.env, { [KUBERNETES]: '', [STORE]: '' }, rows[row]);
  process.stdout.write(`\n== ${row}\n`);
  const missing = await leftOut();
  if (missing) {
    process.stdout.write(`${missing}\n`);
    return !process.env.CI;
  }
  const cluster = await startCluster();
  try {
    const args = ['--test', '--test-concurrency=2', '--test-timeout=300000', ...files()];
    const env = { ...process.env, [SHARED_CLUSTER]: cluster.describe() };
    return spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit', env }).status === 0;
  } finally {
    await cluster.stop();
  }
}

function files(): string[] {
  if (namedFiles.length > 0) return namedFiles;
  const theft = chosenMinor() >= THEFT_MINOR ? ['theft/*'] : [];
  return globSync(
    [...(oldest ? OLDEST : ALL), ...theft].map((name) => `test/${name}.test.ts`),
    { cwd: root },
  );
}

const failed: string[] = [];
for (const row of named.length > 0 ? named : Object.keys(rows).slice(0, oldest ? 1 : undefined))
  if (!(await run(row))) failed.push(row);
if (failed.length > 0) process.stdout.write(`\nfailed: ${failed.join(', ')}\n`);
process.exitCode = failed.length > 0 ? 1 : 0;

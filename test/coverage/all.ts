/**
 * `npm run coverage`: the tests of the rules, of the loop and of the guard, guards that run as processes of their own, and the simulation; then each branch
 * of src/protocol, src/lock and src/guard that none of them has visited, as far as unreachable.ts does not say why. `-- FILE...` runs these tests only.
 */
import { spawnSync } from 'node:child_process';
import { globSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { leftOut, SHARED_CLUSTER, startCluster } from '../harness/cluster.ts';
import { visitsIn } from './branches.ts';
import { explained } from './unreachable.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const SOURCES = join(root, 'src');
const COVERED = ['protocol', 'lock', 'guard'];
const TESTS = [
  'test/{protocol,lock}/*.test.ts',
  'test/guard/{,simulated}/*.test.ts',
  'test/guard/supervisor/{link,protocol}.test.ts',
  'test/library/{policies,several,create-lock}.test.ts',
  'test/e2e/{run-*,left-behind,unlock,policies,status*,sharing,several,long-dead,guard-gone,acquire-release,hold*,namespace,output,terminal}.test.ts',
];
const SIMULATION = ['test/simulation/simulate.ts', '--seed', '1', '--runs', '1000', '--seconds', '150', '--quiet'];

const print = (text: string) => process.stdout.write(`${text}\n`);
const folder = mkdtempSync(join(tmpdir(), 'coverage-'));
const written = join(folder, 'written');
const env = { ...process.env, NODE_V8_COVERAGE: written, K8S_LEASE_LOCK_TEST_BUNDLE: programIn(folder) };
const run = (args: string[], more: NodeJS.ProcessEnv = {}): boolean =>
  spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit', env: { ...env, ...more } }).status === 0;

const missing = await leftOut();
if (missing) print(missing);
const cluster = missing ? undefined : await startCluster();
const files = COVERED.flatMap((folder) => globSync(`${folder}/**/*.ts`, { cwd: SOURCES }));
const urlOf = (file: string) => pathToFileURL(join(SOURCES, file)).href;
const given = process.argv.slice(2);
const tests = given.length > 0 ? given : globSync(TESTS, { cwd: root });
try {
  const shared = cluster && { [SHARED_CLUSTER]: cluster.describe() };
  // What nothing has loaded would be missing, in place of unvisited.
  run(['--input-type=module', '--eval', files.map((file) => `import ${JSON.stringify(urlOf(file))};`).join('')]);
  const passed = run(['--test', '--test-reporter=dot', '--test-concurrency=2', '--test-timeout=300000', ...tests], shared);
  if (!passed) print('some tests failed: what they would have visited is missing below');
  if (given.length === 0) run(SIMULATION);
  process.exitCode = report();
} finally {
  await cluster?.stop();
  rmSync(folder, { recursive: true, force: true });
}

/** A guard that runs from the sources, whose branches are counted, with the supervisor beside it as in the bundle. */
function programIn(folder: string): string {
  const program = join(folder, 'index.mjs');
  mkdirSync(written);
  symlinkSync(join(SOURCES, 'guard/supervisor/bin'), join(folder, 'supervisor'));
  writeFileSync(program, `await import(${JSON.stringify(pathToFileURL(join(root, 'image/main.ts')).href)});\n`);
  return program;
}

function report(): number {
  const { branches, unvisited } = visitsIn(written, SOURCES, files);
  const { left, stale } = explained(unvisited);
  print(`${branches} branches, ${unvisited.length} not visited, ${left.length} of them without a reason`);
  for (const { file, line, text } of left) print(`src/${file}:${line}  ${text}`);
  for (const { file, text } of stale)
    print(`src/${file} has no unvisited branch "${text}": take it out of test/coverage/unreachable.ts`);
  return left.length + stale.length > 0 ? 1 : 0;
}

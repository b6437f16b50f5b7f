/**
 * `npm test`: format and lint, types, the bundle, and every test, against the embedded and a real API server. One real cluster serves
 * all test files. What could not be run is said again at the very end; with CI=true it is a failure.
 */
import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { SLOW } from './availability/slow.ts';
import { leftOut, SHARED_CLUSTER, startCluster } from './harness/cluster.ts';

const root = new URL('..', import.meta.url);

function step(name: string, command: string, args: string[], env: NodeJS.ProcessEnv = process.env): void {
  process.stdout.write(`\n== ${name}\n`);
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit', env });
  if (status !== 0) {
    process.stdout.write(`\n${name} failed\n`);
    process.exit(1);
  }
}

step('format and lint', 'node_modules/.bin/biome', ['check', '--error-on-warnings']);
step('types', 'node_modules/.bin/tsc', ['-p', 'tsconfig.json']);
// Before the build, which would make it so.
if (process.env.CI) step('the committed bundle of the Action', process.execPath, ['build.mjs', '--check']);
step('build', process.execPath, ['build.mjs']);

const missing = await leftOut();
if (missing && process.env.CI) {
  process.stdout.write(`\n${missing}\n`);
  process.exit(1);
}
const cluster = missing ? undefined : await startCluster();
try {
  const env = { ...process.env, ...(cluster && { [SHARED_CLUSTER]: cluster.describe() }) };
  // Some have a runner of their own: test/node needs a kubelet, test/builds another processor, and slow ones run for each row of test/versions.
  const files =
    process.argv.slice(2).length > 0
      ? process.argv.slice(2)
      : globSync('test/**/*.test.ts', { cwd: root, exclude: ['test/node/**', 'test/builds/**', ...SLOW] });
  // Two at a time: the tests start processes of their own, and have deadlines.
  step('tests', process.execPath, ['--test', '--test-concurrency=2', '--test-timeout=300000', ...files], env);
} finally {
  await cluster?.stop();
}
if (missing) process.stdout.write(`\n*** ${missing}\n`);

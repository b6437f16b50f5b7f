/** One story, told by everything that may run or compile it: see all.ts. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { embeddedTarget } from '../harness/targets.ts';
import { installed } from '../library/installed.ts';

const run = promisify(execFile);
const modules = fileURLToPath(new URL('node_modules/', import.meta.url));
const server = await embeddedTarget();
after(() => server.close());
before(() => assert.ok(existsSync(modules), 'npm run test:matrix installs what this needs'));

const PACKAGE = '@nullplatform/k8s-lease-lock';

/** Both interfaces of the package, by a server and by a kubeconfig: the reader of YAML is a package of its own. It takes time, too, which a test may have faked. */
const STORY = `
async function story({ createLock, K8SLock, LockError }) {
  const { SERVER, KUBECONFIG } = process.env;
  const name = 'lock-' + Math.random().toString(36).slice(2);
  for (const access of [{ server: SERVER }, { kubeconfig: KUBECONFIG }]) {
    let renewed = false;
    const onEvent = ({ type }) => { renewed ||= type === 'renewed'; };
    const lock = createLock({ name, namespace: 'default', leaseDuration: '3s', onEvent, ...access });
    const held = await lock.acquire();
    if (!(await held.verify())) throw new Error('not held');
    const busy = await lock.acquire({ onBusy: 'fail' }).catch((error) => error);
    if (!(busy instanceof LockError) || busy.code !== 'busy') throw new Error('not refused: ' + busy);
    const late = await lock.acquire({ timeout: '1s' }).catch((error) => error);
    if (late.code !== 'busy' || !renewed || !held.isHeld()) throw new Error('time stands still');
    await held.release();
    const old = new K8SLock({ leaseName: name, namespace: 'default', lockAcquireTimeout: 1000, ...access });
    if (!(await old.startLocking()).isLocking) throw new Error('not locking');
    await old.stopLocking();
  }
  return 'told';
}
`;
const BY_REQUIRE = `${STORY}story(require('${PACKAGE}')).then(console.log);\n`;
const BY_IMPORT = `import * as library from '${PACKAGE}';\n${STORY}console.log(await story(library));\n`;

async function folderOf(t: TestContext, files: Record<string, string>): Promise<{ folder: string; env: NodeJS.ProcessEnv }> {
  const { folder } = await installed(t);
  const kubeconfig = join(folder, 'kubeconfig');
  writeFileSync(
    kubeconfig,
    `apiVersion: v1\nkind: Config\ncurrent-context: x\ncontexts: [{name: x, context: {cluster: x, user: x}}]\n` +
      `clusters: [{name: x, cluster: {server: "${server.url}"}}]\nusers: [{name: x, user: {}}]\n`,
  );
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return { folder, env: { PATH: process.env.PATH, HOME: folder, SERVER: server.url, KUBECONFIG: kubeconfig, CI: 'true' } };
}

async function tells(cwd: string, env: NodeJS.ProcessEnv, command: string, ...args: string[]): Promise<void> {
  const { stdout, stderr } = await run(command, args, { cwd, env });
  assert.match(stdout + stderr, /told/);
}

const NODES = { 'Node 22': `${modules}node22/bin/node`, 'Node 24': process.execPath, 'Node 26': `${modules}node26/bin/node` };

for (const [name, node] of Object.entries(NODES)) {
  test(`${name}: required and imported`, async (t) => {
    const { folder, env } = await folderOf(t, { 'story.cjs': BY_REQUIRE, 'story.mjs': BY_IMPORT });
    await tells(folder, env, node, 'story.cjs');
    await tells(folder, env, node, 'story.mjs');
  });
}

test('Bun and Deno', async (t) => {
  const { folder, env } = await folderOf(t, { 'story.cjs': BY_REQUIRE, 'story.mjs': BY_IMPORT });
  await tells(folder, env, `${modules}.bin/bun`, 'story.mjs');
  await tells(folder, env, `${modules}.bin/bun`, 'story.cjs');
  await tells(folder, env, `${modules}.bin/deno`, 'run', '--allow-all', '--node-modules-dir=manual', 'story.mjs');
});

const inTest = (head: string) => `${head}\n${STORY}
test('the story', async () => { expect(await story(library)).toBe('told'); console.log('told'); }, 30000);
`;
const FAKE = `
test('fake timers', async () => { jest.useFakeTimers(); try { expect(await story(library)).toBe('told'); } finally { jest.useRealTimers(); } }, 30000);
`;

for (const jest of ['jest29', 'jest30']) {
  test(`${jest}: CommonJS by default, and ES modules`, async (t) => {
    const bin = `${modules}${jest}/bin/jest.js`;
    const head = `const library = require('${PACKAGE}');`;
    const { folder, env } = await folderOf(t, {
      'story.test.js': inTest(head) + FAKE,
      'story.test.mjs': inTest(`import * as library from '${PACKAGE}';`),
      'package.json': '{"name":"user","private":true}',
    });
    await tells(folder, env, process.execPath, bin, 'story.test.js');
    const esm = ['--experimental-vm-modules', bin, '--testMatch', '**/*.test.mjs'];
    await tells(folder, env, process.execPath, ...esm);
    const globally = { testEnvironment: 'node', fakeTimers: { enableGlobally: true }, testMatch: ['**/story.test.js'] };
    await tells(folder, env, process.execPath, bin, '--config', JSON.stringify(globally));
  });
}

test('Vitest', async (t) => {
  const vitest = `${modules}vitest/dist/index.js`;
  const head = `import { expect, test, vi as jest } from '${vitest}';\nimport * as library from '${PACKAGE}';`;
  const { folder, env } = await folderOf(t, {
    'story.test.mjs': inTest(head) + FAKE,
    'fake.mjs': `import { vi } from '${vitest}';\nvi.useFakeTimers();`,
  });
  await tells(folder, env, process.execPath, `${modules}vitest/vitest.mjs`, 'run', '--root', folder);
  writeFileSync(join(folder, 'vitest.config.mjs'), `export default { test: { setupFiles: ['./fake.mjs'] } };`);
  await tells(folder, env, process.execPath, `${modules}vitest/vitest.mjs`, 'run', '--root', folder);
});

const TYPED = `import { createLock, K8SLock, LockError, type Held } from '${PACKAGE}';
export const work = (): Promise<number> =>
  createLock({ name: 'x', leaseDuration: '30s' }).withLock((held: Held) => held.token.length);
export const old = new K8SLock({ leaseName: 'x', onLost: (error: LockError) => error.code });
// @ts-expect-error There is no such option.
createLock({ name: 'x', leaseduration: 1 });
`;
const RESOLUTIONS: [compiler: string, options: Record<string, string>, files: string[]][] = [
  'typescript5',
  'typescript7',
].flatMap((compiler) => [
  [compiler, { module: 'node16' }, ['a.mts', 'a.cts']],
  [compiler, { module: 'nodenext' }, ['a.mts', 'a.cts']],
  [compiler, { module: 'esnext', moduleResolution: 'bundler' }, ['a.ts']],
  [compiler, { module: 'preserve' }, ['a.ts']],
  ...(compiler === 'typescript5'
    ? ([[compiler, { module: 'commonjs', moduleResolution: 'node10', ignoreDeprecations: '5.0' }, ['a.ts']]] as [
        string,
        Record<string, string>,
        string[],
      ][])
    : []),
]);

for (const [compiler, options, files] of RESOLUTIONS) {
  test(`${compiler}: ${Object.values(options).slice(0, 2).join(', ')}`, async (t) => {
    const { folder } = await folderOf(t, Object.fromEntries(files.map((name) => [name, TYPED])));
    const compilerOptions = {
      strict: true,
      noEmit: true,
      target: 'es2022',
      types: ['node'],
      typeRoots: [`${modules}@types`],
      ...options,
    };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }));
    await run(process.execPath, [`${modules}${compiler}/bin/tsc`, '-p', folder], { cwd: folder });
  });
}

test('esbuild, webpack and rollup', async (t) => {
  const { folder, env } = await folderOf(t, { 'story.mjs': BY_IMPORT, 'story.cjs': BY_REQUIRE });
  const esbuild = fileURLToPath(new URL('../../node_modules/.bin/esbuild', import.meta.url));
  mkdirSync(join(folder, 'out'));
  const bundled = ['--bundle', '--platform=node', '--log-level=warning'];
  await run(esbuild, ['story.cjs', ...bundled, '--format=cjs', '--outfile=out/esbuild.cjs'], { cwd: folder });
  await tells(folder, env, process.execPath, 'out/esbuild.cjs');
  const banner = `--banner:js=import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);`;
  await run(esbuild, ['story.mjs', ...bundled, '--format=esm', banner, '--outfile=out/esbuild.mjs'], { cwd: folder });
  await tells(folder, env, process.execPath, 'out/esbuild.mjs');
  const webpack = `const { webpack } = require('${modules}webpack');
    const output = { path: '${folder}/out', filename: 'webpack.cjs' };
    webpack({ mode: 'production', target: 'node', context: '${folder}', entry: './story.cjs', output }, (error, stats) => {
      const problems = error ?? (stats.hasErrors() || stats.hasWarnings() ? stats.toString() : undefined);
      if (problems) { console.error(problems); process.exit(1); }
    });`;
  await run(process.execPath, ['-e', webpack], { cwd: folder });
  await tells(folder, env, process.execPath, 'out/webpack.cjs');
  const rolled = ['story.mjs', '--format', 'es', '--external', PACKAGE, '--file', 'out/rollup.mjs', '--silent'];
  await run(process.execPath, [`${modules}rollup/dist/bin/rollup`, ...rolled], { cwd: folder });
  await tells(folder, env, process.execPath, 'out/rollup.mjs');
});

/**
 * The package as it is published: packed, unpacked into a clean folder, required, imported, run and type-checked there. Its dependencies
 * are linked from this repository, so that no registry is asked.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { embeddedTarget } from '../harness/targets.ts';
import { installed } from './installed.ts';
import { OURS, root } from './workshop.ts';

const run = promisify(execFile);
const bin = (name: string) => join(root, 'node_modules/.bin', name);
test('what is packed is the library with its types, the command line, and the documents', async (t) => {
  const { packed } = await installed(t);
  const paths = packed.files.map(({ path }) => path);
  const allowed =
    /^(package\.json|README\.md|LICENSE|CHANGELOG\.md|docs\/[a-z-]+\.(md|svg)|dist\/cli\/\S+|dist\/lib\/index\.(js|cjs|d\.ts|d\.cts))$/;
  assert.deepEqual(
    paths.filter((path) => !allowed.test(path)),
    [],
  );
  for (const path of [
    'README.md',
    'LICENSE',
    'CHANGELOG.md',
    'docs/migration.md',
    'dist/lib/index.js',
    'dist/lib/index.d.ts',
    'dist/cli/index.js',
  ])
    assert.ok(paths.includes(path), path);
  const supervisors = packed.files.filter(({ path }) => path.startsWith('dist/cli/supervisor/'));
  assert.deepEqual(
    supervisors.map(({ mode }) => mode),
    [0o755, 0o755, 0o755, 0o755],
    'each can be executed',
  );
});

test('publint and arethetypeswrong have nothing to say', async (t) => {
  const { tarball } = await installed(t);
  await run(bin('publint'), ['--strict', tarball], { cwd: root });
  await run(bin('attw'), [tarball, '--profile', 'strict', '--no-color'], { cwd: root });
});

test('it can be required and imported, and nothing is printed', async (t) => {
  const { folder } = await installed(t);
  const required = await run(process.execPath, ['-e', `console.log(Object.keys(require('${OURS}')).sort().join())`], {
    cwd: folder,
  });
  assert.deepEqual([required.stdout, required.stderr], ['K8SLock,LockError,acquireAll,createLock\n', '']);
  const code = `import { K8SLock, LockError, createLock } from '${OURS}'; console.log(typeof K8SLock, typeof LockError, typeof createLock)`;
  const imported = await run(process.execPath, ['--input-type=module', '-e', code], { cwd: folder });
  assert.deepEqual([imported.stdout, imported.stderr], ['function function function\n', '']);
});

test('an older Node is refused with a sentence, whichever way it asks', async (t) => {
  const { folder } = await installed(t);
  const older = join(folder, 'older.cjs');
  const pretend = "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.20.2' } })";
  writeFileSync(older, pretend);
  const asks = [
    ['node_modules/.bin/k8s-lease-lock', 'status', 'x'],
    ['-e', `require('${OURS}')`],
    ['--input-type=module', '-e', `import '${OURS}'`],
  ];
  for (const ask of asks) {
    const refused = await run(process.execPath, ['--require', older, ...ask], { cwd: folder }).catch((error) => error);
    assert.match(refused.stderr, /k8s-lease-lock requires Node 22\.19 or later, and this is Node 20\.20\.2/);
  }
});

test('its types are those that a strict program needs, from ES modules and from CommonJS', async (t) => {
  const { folder } = await installed(t);
  const program = `import { createLock, K8SLock, LockError, type Held, type LockEvent } from '${OURS}';
    import { KubeConfig } from '@kubernetes/client-node';
    const seen: string[] = [];
    const onEvent = (event: LockEvent) => { if (event.type === 'acquired') seen.push(event.token); };
    export const lock = createLock({ name: 'x', kubeConfig: new KubeConfig(), leaseDuration: '30s', onEvent });
    export const work = (): Promise<number> => lock.withLock(({ signal }: Held) => (signal.aborted ? 0 : 1));
    export async function scoped() { await using held = await lock.acquire({ timeout: 5 }); return held.token.length; }
    export const old = new K8SLock({ leaseName: 'x', kubeConfig: new KubeConfig(), onLost: (error: LockError) => seen.push(error.code) });
    export const started: Promise<{ isLocking: boolean; lockId: string }> = old.startLocking();
    // @ts-expect-error There is no such option.
    createLock({ name: 'x', leaseduration: 1 });
  `;
  writeFileSync(join(folder, 'program.mts'), program);
  writeFileSync(join(folder, 'program.cts'), program);
  const options = {
    strict: true,
    noEmit: true,
    module: 'nodenext',
    target: 'es2022',
    lib: ['es2022', 'esnext.disposable'],
    types: ['node'],
  };
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ compilerOptions: { ...options, skipLibCheck: true }, files: ['program.mts', 'program.cts'] }),
  );
  await run(bin('tsc'), ['-p', 'tsconfig.json'], { cwd: folder }).catch((error: { stdout?: string }) =>
    assert.fail(error.stdout ?? String(error)),
  );
});

test('kubectl finds what completes the plugin', async (t) => {
  const { folder } = await installed(t);
  const { stdout } = await run(join(folder, 'node_modules/.bin/kubectl_complete-lease_lock'), ['unl']);
  assert.match(stdout, /^unlock\t.*\n:4\n$/);
});

test('npx runs the command line from the packed package', async (t) => {
  const target = await embeddedTarget();
  t.after(() => target.close());
  const { folder } = await installed(t);
  const npx = (...args: string[]) => run('npx', ['--no', '--offline', '--', OURS, ...args], { cwd: folder, timeout: 60_000 });
  const { stdout } = await npx(
    'run',
    '--server',
    target.url,
    '-n',
    'team',
    '--name',
    'nightly',
    '--quiet',
    '--',
    'echo',
    'under a lock',
  );
  assert.equal(stdout, 'under a lock\n');
});

/** A guard starts with every job: what it loads until its command runs is counted, since each file and each module takes time. */
import assert from 'node:assert/strict';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { BUNDLE, guard, reach, tempFolder } from '../harness/guards.ts';
import { kubeconfigText } from '../harness/kubeconfig.ts';
import { embeddedTarget } from '../harness/targets.ts';

const PRELOAD = new URL('loaded.mjs', import.meta.url).href;

async function loadedBy(t: TestContext, there: string[]): Promise<{ bytes: number; modules: string[] }> {
  const out = join(tempFolder(t), 'loaded.json');
  const env = { LOADED: out, NODE_OPTIONS: `--import=${PRELOAD}` };
  const alice = guard(t, ['run', ...there, '--name', 'start', '--', 'true'], { env, bundle: BUNDLE });
  const { code, stderr } = await alice.finished;
  assert.equal(code, 0, stderr);
  const { files, modules } = JSON.parse(readFileSync(out, 'utf8')) as { files: string[]; modules: string[] };
  const bytes = files.reduce((sum, file) => sum + statSync(fileURLToPath(file)).size, 0);
  return { bytes, modules: modules.map((name) => name.replace(/^NativeModule /, '')) };
}

/** What has cost more than a millisecond, and that a guard can do without. */
const TOO_DEAR = ['dns/promises', 'fs/promises', 'http2', 'readline', 'worker_threads', 'zlib'];

test('a start loads little of the bundle, and no module of Node that takes long', async (t) => {
  const target = await embeddedTarget();
  t.after(() => target.close());
  const { bytes, modules } = await loadedBy(t, reach(target));
  assert.ok(bytes < 160_000, `${bytes} bytes: what is not for every command is imported where it is used`);
  assert.deepEqual(
    TOO_DEAR.filter((name) => modules.includes(name)),
    [],
  );
});

test('with a kubeconfig it loads what reads one', async (t) => {
  const target = await embeddedTarget();
  t.after(() => target.close());
  const kubeconfig = join(tempFolder(t), 'kubeconfig');
  writeFileSync(kubeconfig, kubeconfigText({ cluster: { server: target.url }, user: {} }));
  const { bytes, modules } = await loadedBy(t, ['--kubeconfig', kubeconfig]);
  assert.ok(bytes < 300_000, `${bytes} bytes`);
  assert.deepEqual(
    TOO_DEAR.filter((name) => modules.includes(name)),
    [],
  );
});

/** docs/library.md, docs/migration.md and docs/api.md, held against what is: every example runs, the report is current, nothing is undocumented. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import { tempFolder } from '../harness/guards.ts';
import { kubeconfigText } from '../harness/kubeconfig.ts';
import { embeddedTarget } from '../harness/targets.ts';
import { examples, OURS, root, script } from './workshop.ts';

const target = await embeddedTarget();
after(() => target.close());

function kubeconfig(folder: string, namespace: string): string {
  const file = join(folder, 'kubeconfig');
  writeFileSync(file, kubeconfigText({ cluster: { server: target.url }, namespace }));
  return file;
}

const SAID: [RegExp, string][] = [
  [/withLock\(async/, 'working with token \\d+\n'],
  [/await using/, 'step one\nstep two\n'],
  [/acquireAll/, 'cache with token \\d+\ndatabase with token \\d+\n'],
  [/tryAcquire/, 'held by \\S+\nwaiting 0\n'],
  [/onEvent/, '\\S+/nightly acquired after a moment\n'],
];

test('every example in README and docs/library.md runs, and says what it says there', async (t) => {
  const inReadme = examples('README.md', 'js');
  assert.equal(inReadme.length, 1);
  const found = examples('docs/library.md', 'js');
  assert.equal(found.length, SAID.length);
  for (const [i, code] of [...inReadme, ...found].entries()) {
    const env = { KUBECONFIG: kubeconfig(tempFolder(t), `library-${i}`) };
    const run = script(t, code, env, 'mjs');
    assert.equal(await run.finished, 0, run.stderr);
    assert.equal(run.stderr, '');
    const [, said = ''] = SAID.find(([pattern]) => pattern.test(code)) ?? [];
    assert.match(run.stdout, new RegExp(`^${said}$`), code);
  }
});

test('every example in docs/migration.md runs', async (t) => {
  const found = examples('docs/migration.md', 'js');
  assert.equal(found.length, 3);
  for (const [i, code] of found.entries()) {
    const env = { KUBECONFIG: kubeconfig(tempFolder(t), `migration-${i}`) };
    const head = code.includes('require(') ? '' : `const { K8SLock } = require('${OURS}');\n`;
    const run = script(t, `${head}(async () => {\n${code}\n})();`, env);
    assert.equal(await run.finished, 0, run.stderr);
    assert.deepEqual([run.stdout, run.stderr], ['', '']);
  }
});

test('docs/api.md is that of the library as it is built, and every export is documented', async () => {
  await promisify(execFile)(process.execPath, ['api-report.mjs', '--check'], { cwd: root }).catch((error: { stderr?: string }) =>
    assert.fail(error.stderr ?? String(error)),
  );
});

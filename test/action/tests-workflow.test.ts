/** The workflow for pull requests: what it runs is there, and what it runs on macOS and Windows needs no Linux. */
import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { FILES, root } from '../portable/files.ts';

const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const { jobs } = parse(read('.github/workflows/tests.yml'));
const runsOf = (job: { steps: { run?: string }[] }): string[] => job.steps.flatMap(({ run }) => run ?? []);

test('every script that the workflow runs is one of package.json, and .ci/run runs all tests', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
  const used = runsOf(jobs.portable).flatMap((line) => /^npm run (\S+)/.exec(line)?.[1] ?? []);
  assert.deepEqual(used, ['build', 'test:portable']);
  for (const name of used) assert.ok(scripts[name], name);
  assert.match(runsOf(jobs.linux).join(), /bash \.ci\/run$/);
  const all = Object.keys(scripts).filter((name) => name === 'test' || name.startsWith('test:'));
  const missing = all.filter((name) => name !== 'test:portable' && !new RegExp(`npm (?:run )?${name}\\b`).test(read('.ci/run')));
  assert.deepEqual(missing, []);
});

test('README names the systems that the workflow has', () => {
  const systems = jobs.portable.strategy.matrix.os.join();
  for (const system of ['macos', 'macos-15-intel', 'windows', 'ubuntu-24.04-arm']) assert.ok(systems.includes(system), system);
  assert.ok(read('README.md').includes('(.github/workflows/tests.yml)'));
});

/** What a test imports of the tests, itself included; the product is meant for all systems. */
function importsOf(path: string, seen = new Set<string>()): Set<string> {
  if (seen.has(path) || !path.startsWith('test/') || !existsSync(join(root, path))) return seen;
  seen.add(path);
  for (const [, from = ''] of read(path).matchAll(/from '(\.[^']+)'/g))
    importsOf(relative(root, join(root, dirname(path), from)).replaceAll('\\', '/'), seen);
  return seen;
}

const OF_LINUX = /\/proc\/|'(?:sh|bash|openssl|go)'|mkfifo|symlinkSync|process\.getuid|harness\/real|go-programs|0o\d{3}/;

test('what runs on macOS and Windows uses nothing that only Linux has', () => {
  const files = FILES.flatMap((pattern) => {
    const found = globSync(pattern, { cwd: root });
    assert.ok(found.length > 0, pattern);
    return found;
  });
  assert.ok(files.length >= 35, String(files.length));
  const own = 'test/portable/';
  const wrong = files.flatMap((file) =>
    [...importsOf(file)].filter((path) => !path.startsWith(own) && OF_LINUX.test(read(path))).map((path) => `${file}: ${path}`),
  );
  assert.deepEqual(wrong, []);
});

/** Imports go downward only: image and action use src/guard and src, src/guard uses src, src uses neither; image and action never meet. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const sources = globSync(['src/**/*.ts', 'image/**/*.ts', 'action/**/*.ts'], { cwd: root });

const ALLOWED: Record<string, string[]> = {
  src: ['src', '.'],
  'src/guard': ['src/guard', 'src'],
  image: ['image', 'src/guard', 'src', '.'],
  action: ['action', 'src/guard', 'src', '.'],
};
const layerOf = (path: string): string =>
  path.startsWith('src/guard/') ? 'src/guard' : path.includes('/') ? (path.split('/')[0] ?? '') : '.';

function importsOf(path: string): string[] {
  const text = readFileSync(join(root, path), 'utf8');
  return [...text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map(([, name = '']) => name);
}

test('the check sees the sources', () => {
  assert.ok(sources.length > 20);
  assert.ok(importsOf('src/guard/guard.ts').includes('../lock.ts'));
});

test('imports go downward only', () => {
  const wrong = sources.flatMap((path) =>
    importsOf(path)
      .filter((name) => name.startsWith('.'))
      .map((name) => relative(root, join(root, dirname(path), name)))
      .filter((target) => !ALLOWED[layerOf(path)]?.includes(layerOf(target)))
      .map((target) => `${path} imports ${target}`),
  );
  assert.deepEqual(wrong, []);
});

test('the core knows no command line, no workflow, and no process around it', () => {
  const forbidden = /\bprocess\.(?:env|exit|argv|stdout|stderr)\b|from '(?:node:process|yargs|@actions\/)/;
  const found = sources.filter((path) => layerOf(path) === 'src' && forbidden.test(readFileSync(join(root, path), 'utf8')));
  // The library has nobody who could hand it the environment.
  assert.deepEqual(found, ['src/surroundings.ts']);
});

test('time is read and timers are set in src/clock.ts alone', () => {
  const forbidden = /\bDate\.now\(|\bperformance\.|\bsetTimeout\(|\bsetInterval\(|new Date\(\)/;
  const wrong = sources.filter(
    (path) => path.startsWith('src/') && path !== 'src/clock.ts' && forbidden.test(readFileSync(join(root, path), 'utf8')),
  );
  assert.deepEqual(wrong, []);
});

test('client-node is imported in one file, and only by a dynamic import', () => {
  const users = sources.filter((path) => importsOf(path).some((name) => name.startsWith('@kubernetes/')));
  assert.deepEqual(users, ['src/kubeconfig.ts']);
  const statics = /^import (?!type)[^;]*'@kubernetes|^import [^;]*'\.\/kubeconfig\.ts'/m;
  assert.deepEqual(
    sources.filter((path) => statics.test(readFileSync(join(root, path), 'utf8'))),
    [],
  );
});

/** The order of imports, and what each layer may know of the world around it. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const sources = globSync(['src/**/*.ts', 'image/**/*.ts', 'action/**/*.ts'], { cwd: root });

/** Lowest first. Each layer may import those below it; siblings (the three entries; the server and everything but the image) never meet. */
const CORE = ['src', 'src/protocol', 'src/api', 'src/lock', 'src/guard'];
const ALLOWED: Record<string, string[]> = {
  ...Object.fromEntries(CORE.map((layer, i) => [layer, CORE.slice(0, i + 1)])),
  'src/library': [...CORE, 'src/library'],
  'src/server': ['src/server'],
  image: [...CORE, 'src/server', 'image'],
  action: [...CORE, 'action'],
};

function layerOf(path: string): string {
  const [top = '', folder = '', file] = path.split('/');
  if (folder === '') return '.';
  return top === 'src' && file !== undefined ? `src/${folder}` : top;
}

const textOf = (path: string) => readFileSync(join(root, path), 'utf8');

function importsOf(path: string): string[] {
  return [...textOf(path).matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map(([, name = '']) => name);
}

const ours = (path: string) =>
  importsOf(path)
    .filter((name) => name.startsWith('.'))
    .map((name) => relative(root, join(root, dirname(path), name)))
    .filter((target) => target !== 'package.json');

test('the check sees the sources', () => {
  assert.deepEqual([...new Set(sources.map(layerOf))].sort(), Object.keys(ALLOWED).sort());
  assert.ok(ours('src/guard/guard.ts').includes('src/lock/index.ts'));
});

test('imports go downward only', () => {
  const wrong = sources.flatMap((path) =>
    ours(path)
      .filter((target) => !ALLOWED[layerOf(path)]?.includes(layerOf(target)))
      .map((target) => `${path} imports ${target}`),
  );
  assert.deepEqual(wrong, []);
});

test('no two files import each other, however far apart', () => {
  const circles: string[] = [];
  const seen = new Set<string>();
  const visit = (path: string, trail: string[]) => {
    if (trail.includes(path)) circles.push([...trail.slice(trail.indexOf(path)), path].join(' -> '));
    if (trail.includes(path) || seen.has(path)) return;
    for (const target of ours(path)) visit(target, [...trail, path]);
    seen.add(path);
  };
  for (const path of sources) visit(path, []);
  assert.deepEqual(circles, []);
});

test('protocol/ does no I/O and knows no clock: time is an argument', () => {
  const files = sources.filter((path) => layerOf(path) === 'src/protocol');
  assert.ok(files.length > 0);
  const wrong = files.flatMap((path) => importsOf(path).filter((name) => !name.startsWith('.')));
  assert.deepEqual(wrong, []);
  const fromClock = files.flatMap((path) =>
    [...textOf(path).matchAll(/import (?:type )?\{([^}]*)\} from '\.\.\/clock\.ts'/g)].flatMap(([, names = '']) =>
      names.split(','),
    ),
  );
  const allowed = ['later', 'NEVER', 'type Monotonic', 'Monotonic', 'type Steady', 'Steady'];
  assert.deepEqual(
    fromClock.map((name) => name.trim()).filter((name) => name !== '' && !allowed.includes(name)),
    [],
  );
});

test('the process around it is read in one file of each entry, and nowhere in the core', () => {
  const forbidden = /\bprocess\.(?:env|exit|argv|stdout|stderr)\b|from '(?:node:process|yargs|@actions\/)/;
  const layers = [...CORE, 'src/library'].filter((layer) => layer !== 'src/guard');
  const found = sources.filter((path) => layers.includes(layerOf(path)) && forbidden.test(textOf(path)));
  // The library has nobody who could hand it the environment.
  assert.deepEqual(found, ['src/library/process-info.ts']);
});

test('time is read and timers are set in src/clock.ts alone', () => {
  const forbidden = /\bDate\.now\(|\bperformance\.|\bsetTimeout\(|\bsetInterval\(|new Date\(\)/;
  const wrong = sources.filter(
    (path) =>
      path.startsWith('src/') && !path.startsWith('src/server/') && path !== 'src/clock.ts' && forbidden.test(textOf(path)),
  );
  assert.deepEqual(wrong, []);
});

/** Static imports of more than types: what is loaded with a file, however it is used. */
const loadedWith = (path: string): string[] =>
  [...textOf(path).matchAll(/^(?:import|export) (?!type\b)[^;]*?from '([^']+)';|^import '([^']+)';/gm)].map(
    ([, from, bare]) => from ?? bare ?? '',
  );

test('no package is loaded to find a cluster, to talk to it, or to guard a command', () => {
  const seen = new Set<string>();
  const packages = new Set<string>();
  const visit = (path: string) => {
    if (seen.has(path)) return;
    seen.add(path);
    for (const name of loadedWith(path)) {
      if (name.startsWith('.') && name.endsWith('.ts')) visit(relative(root, join(root, dirname(path), name)));
      else if (!name.startsWith('.') && !name.startsWith('node:')) packages.add(name);
    }
  };
  for (const path of ['src/api/find-cluster.ts', 'src/guard/guard.ts', 'src/library/index.ts']) visit(path);
  assert.ok(seen.has('src/api/route.ts') && seen.has('src/lock/acquire.ts'));
  assert.deepEqual([...packages], []);
  const lazy = ['src/api/clientcmd.ts', 'src/api/kubeconfig.ts', 'src/api/exec-run.ts', 'src/api/oidc.ts'];
  assert.deepEqual(
    lazy.filter((path) => seen.has(path)),
    [],
  );
});

test('client-node is known by its types alone, in the one file that takes an object of it', () => {
  const users = sources.filter((path) => importsOf(path).some((name) => name.startsWith('@kubernetes/')));
  assert.deepEqual(users, ['src/api/kubeconfig-object.ts']);
  assert.ok(!loadedWith('src/api/kubeconfig-object.ts').some((name) => name.startsWith('@kubernetes/')));
});

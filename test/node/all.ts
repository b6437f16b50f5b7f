/**
 * `npm run test:node`: builds the image from the Dockerfile, starts a real kubelet and containerd, and runs the tests of this folder on it, or those that are named. Root, and
 * what harness/up.sh and harness/images.sh name. Its images are kept in the cache, and made anew for a new Dockerfile, bundle or base.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, statSync, utimesSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nodeBinaries } from '../cluster/binaries.ts';
import { NODE } from './node.ts';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const root = here('../..');

function run(command: string, ...args: string[]): void {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  if (status !== 0) throw error ?? new Error(`${command} ended with ${status}`);
}

/** Everything that an image is made of. */
function imagesFolder(cache: string): string {
  const hash = createHash('sha256').update(process.version);
  const sources = ['Dockerfile', 'package*.json', 'build.mjs', '{src,image}/**/*', 'test/node/harness/*'];
  const files = globSync(sources, { cwd: root, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = files.map((entry) => join(entry.parentPath, entry.name)).sort();
  for (const path of paths) hash.update(path.slice(root.length)).update(readFileSync(path));
  return join(cache, `images-${hash.digest('hex').slice(0, 16)}`);
}

const DAY_MS = 24 * 3_600_000;

/** Each change of a source makes new images; whatever nobody has used for a day is not going to be used. */
function forgetOld(cache: string): void {
  for (const folder of globSync('images-*', { cwd: cache }).map((name) => join(cache, name)))
    if (statSync(folder).mtimeMs < Date.now() - DAY_MS) rmSync(folder, { recursive: true, force: true });
}

const chosen = process.argv.slice(2);
const binaries = await nodeBinaries();
if (binaries === undefined) throw new Error('NOT TESTED on a real kubelet: there is no Go to build it');
const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'k8s-lease-lock');
forgetOld(cache);
const images = imagesFolder(cache);
const archives = ['pause', 'guard', 'scratch', 'musl', 'debian'].map((name) => join(images, `${name}.tar`));
if (!archives.every((archive) => existsSync(archive))) run(here('harness/images.sh'), images);
utimesSync(images, new Date(), new Date());
mkdirSync(NODE.folder, { recursive: true });
try {
  run(here('harness/up.sh'), NODE.folder, binaries, ...archives);
  process.env[NODE.variable] = join(binaries, 'kubectl');
  // One at a time: they share the lock.
  run(
    process.execPath,
    '--test',
    '--test-concurrency=1',
    '--test-timeout=300000',
    ...(chosen.length > 0 ? chosen : globSync('test/node/*.test.ts', { cwd: root })),
  );
} finally {
  run(here('harness/down.sh'), NODE.folder);
}

/** The package as it is published: packed, and unpacked into a clean folder. Its dependencies are linked from this repository, so that no registry is asked. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { promisify } from 'node:util';
import { tempFolder } from '../harness/guards.ts';
import { OURS, root } from './workshop.ts';

const run = promisify(execFile);
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest;

interface Manifest {
  bin: Record<string, string>;
  dependencies: Record<string, string>;
}

interface Packed {
  filename: string;
  files: { path: string; mode: number }[];
}

async function pack(folder: string): Promise<Packed> {
  const { stdout } = await run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], { cwd: root });
  const said = JSON.parse(stdout) as Packed[] | Record<string, Packed>;
  const [packed] = Object.values(said);
  assert.ok(packed);
  return packed;
}

/** A folder with the packed package in it, as npm would have put it there. */
export async function installed(t: TestContext): Promise<{ folder: string; tarball: string; packed: Packed }> {
  const folder = tempFolder(t);
  const packed = await pack(folder);
  const tarball = join(folder, packed.filename);
  await run('tar', ['-xzf', tarball, '-C', folder]);
  const modules = join(folder, 'node_modules');
  mkdirSync(join(modules, '@nullplatform'), { recursive: true });
  mkdirSync(join(modules, '@kubernetes'));
  mkdirSync(join(modules, '.bin'));
  renameSync(join(folder, 'package'), join(modules, OURS));
  for (const name of [...Object.keys(manifest.dependencies), '@kubernetes/client-node', '@types'])
    symlinkSync(join(root, 'node_modules', name), join(modules, name));
  for (const [name, path] of Object.entries(manifest.bin)) symlinkSync(join('..', OURS, path), join(modules, '.bin', name));
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'clean', private: true, dependencies: { [OURS]: '*' } }));
  return { folder, tarball, packed };
}

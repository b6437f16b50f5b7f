/**
 * Programs built from the Go modules that a go.mod of the tests names: once for each go.mod and go.sum, into a cache folder outside
 * the checkout, by one builder at a time.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { withBuildLock } from './build-lock.ts';

export interface GoModule {
  /** Where go.mod and go.sum are. */
  folder: string;
  ldflags: string;
  tags?: string;
}

/** The folder in which all these programs (by name, with the package of each) are, or undefined where there is no Go to build them. */
export async function goPrograms(module: GoModule, packages: Record<string, string>): Promise<string | undefined> {
  const dir = cacheFolder(module);
  const missing = () => Object.fromEntries(Object.entries(packages).filter(([name]) => !existsSync(join(dir, name))));
  const complete = () => Object.keys(missing()).length === 0;
  if (complete()) return dir;
  if (!(await goWorks())) return undefined;
  await withBuildLock(`${dir}.lock`, async () => {
    if (!complete()) await build(module, dir, missing());
  });
  return dir;
}

function cacheFolder({ folder, ldflags, tags = '' }: GoModule): string {
  const hash = createHash('sha256');
  for (const file of ['go.mod', 'go.sum']) hash.update(readFileSync(join(folder, file)));
  hash.update(ldflags + tags);
  const root = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
  return join(root, 'k8s-lease-lock', hash.digest('hex').slice(0, 16));
}

async function goWorks(): Promise<boolean> {
  return promisify(execFile)('go', ['version']).then(
    () => true,
    () => false,
  );
}

/** Each binary appears in the folder by a rename, so whoever sees it sees all of it, even if two build at once or one is killed. */
async function build({ folder, ldflags, tags = '' }: GoModule, dir: string, packages: Record<string, string>): Promise<void> {
  process.stderr.write(`building ${Object.keys(packages).join(', ')} for the tests: minutes the first time, then never again\n`);
  await mkdir(dir, { recursive: true });
  const scratch = await mkdtemp(join(dir, 'build-'));
  try {
    for (const [name, goPackage] of Object.entries(packages)) {
      const output = join(scratch, name);
      await promisify(execFile)('go', ['build', '-trimpath', '-tags', tags, '-ldflags', ldflags, '-o', output, goPackage], {
        cwd: folder,
        env: { ...process.env, CGO_ENABLED: '0' },
        maxBuffer: 64 << 20,
      });
      await rename(output, join(dir, name));
    }
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

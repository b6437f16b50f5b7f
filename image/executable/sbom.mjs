/**
 * Prints an SBOM (SPDX) of the package and all that it depends on. `npm sbom --omit dev` leaves out what a development dependency needs as well, so
 * npm is asked about a package without any. The time is that of the commit, or of SOURCE_DATE_EPOCH, and the name is not random: two builds of one
 * commit print the same.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const read = (file) => JSON.parse(readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8'));
const manifest = read('package.json');
const lock = read('package-lock.json');
delete manifest.devDependencies;
delete lock.packages[''].devDependencies;
for (const [path, { dev }] of Object.entries(lock.packages)) if (dev) delete lock.packages[path];

/** Where there is neither, as in the build of the image, the time of day. */
function committedAt() {
  if (process.env.SOURCE_DATE_EPOCH) return new Date(Number(process.env.SOURCE_DATE_EPOCH) * 1000);
  try {
    const options = { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], cwd: new URL('.', import.meta.url) };
    return new Date(Number(execFileSync('git', ['log', '-1', '--format=%ct'], options)) * 1000);
  } catch {
    return new Date();
  }
}

const folder = mkdtempSync(join(tmpdir(), 'sbom-'));
try {
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest));
  writeFileSync(join(folder, 'package-lock.json'), JSON.stringify(lock));
  const args = ['sbom', '--sbom-format', 'spdx', '--package-lock-only'];
  const sbom = JSON.parse(execFileSync('npm', args, { cwd: folder, encoding: 'utf8', maxBuffer: 64 << 20 }));
  sbom.creationInfo.created = committedAt().toISOString();
  const home = manifest.repository.url.replace(/^git\+/, '').replace(/\.git$/, '');
  sbom.documentNamespace = `${home}/releases/download/v${manifest.version}/k8s-lease-lock.spdx.json`;
  process.stdout.write(`${JSON.stringify(sbom, undefined, 2)}\n`);
} finally {
  rmSync(folder, { recursive: true });
}

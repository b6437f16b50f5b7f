/**
 * Builds the standalone executable for Linux from the bundle in dist/cli: a folder of two programs, `k8s-lease-lock` (static; the caller's state goes
 * through it untouched) and `lib/guard` (Node with the bundle; it needs glibc 2.28). A folder, since a file that unpacks itself would need a place to
 * write to, and time at each start.
 *   node image/executable/build.mjs [--archive] [x64|arm64...]      without a name: for this processor
 * It writes build/executable/k8s-lease-lock-linux-ARCH, with --archive also .tar.gz and SHA256SUMS. Node for another processor comes from npm.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const OUT = 'build/executable';
const args = process.argv.slice(2);
const archives = args.includes('--archive');
const processors = args.filter((arg) => !arg.startsWith('--'));
const unknown = processors.find((arch) => arch !== 'x64' && arch !== 'arm64');
if (unknown !== undefined || process.platform !== 'linux') {
  process.stderr.write(
    unknown === undefined ? 'the standalone executable is built on Linux\n' : `unknown processor ${unknown}: use x64 or arm64\n`,
  );
  process.exit(64);
}
const run = (file, more, options = {}) => execFileSync(file, more, { stdio: ['ignore', 'ignore', 'inherit'], ...options });

/** The same version of Node as this one. */
function withNode(arch, use) {
  if (arch === process.arch) return use(process.execPath);
  const folder = mkdtempSync(join(tmpdir(), 'node-'));
  try {
    run('npm', ['pack', '--silent', `node-linux-${arch}@${process.versions.node}`, '--pack-destination', folder]);
    run('tar', ['-xzf', `${folder}/node-linux-${arch}-${process.versions.node}.tgz`, '-C', folder]);
    return use(`${folder}/package/bin/node`);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function build(arch) {
  const name = `k8s-lease-lock-linux-${arch}`;
  const home = `${OUT}/${name}`;
  rmSync(home, { recursive: true, force: true });
  mkdirSync(`${home}/lib`, { recursive: true });
  withNode(arch, (node) =>
    run(process.execPath, ['image/executable/sea.mjs', node, `${home}/lib/guard`], { env: { ...process.env, ARCH: arch } }),
  );
  copyFileSync(`src/guard/supervisor/bin/linux-${arch}`, `${home}/k8s-lease-lock`);
  copyFileSync('LICENSE', `${home}/LICENSE`);
  copyFileSync('dist/cli/licenses.txt', `${home}/licenses.txt`);
  if (archives)
    run('tar', [
      '--sort=name',
      '--owner=0',
      '--group=0',
      '--numeric-owner',
      '--mtime=@0',
      '-czf',
      `${OUT}/${name}.tar.gz`,
      '-C',
      OUT,
      name,
    ]);
  return name;
}

if (!existsSync('dist/cli/index.js')) run(process.execPath, ['build.mjs', '--only', 'cli']);
const built = (processors.length > 0 ? processors : [process.arch]).map(build);
if (archives) {
  const sums = built.map(
    (name) =>
      `${createHash('sha256')
        .update(readFileSync(`${OUT}/${name}.tar.gz`))
        .digest('hex')}  ${name}.tar.gz\n`,
  );
  writeFileSync(`${OUT}/SHA256SUMS`, sums.join(''));
}
process.stdout.write(built.map((name) => `${OUT}/${name}\n`).join(''));

/**
 * Writes the manifest with which krew, the plugin manager of kubectl, installs the standalone executable as `kubectl lease-lock`: build/executable/lease-lock.yaml,
 * from the archives beside it. It names them by the addresses that the release gives to them.
 *   node image/executable/krew.mjs [FOLDER]      another folder with the archives
 */
import { createHash } from 'node:crypto';
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { stringify } from 'yaml';

const { version, repository } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
const home = repository.url.replace(/^git\+/, '').replace(/\.git$/, '');
/** Node's names of processors, and Go's. */
const PROCESSORS = { x64: 'amd64', arm64: 'arm64' };

const [folder = 'build/executable'] = process.argv.slice(2);
const archives = globSync('k8s-lease-lock-linux-*.tar.gz', { cwd: folder }).sort();
if (archives.length === 0) {
  process.stderr.write(`no archives in ${folder}: run "npm run build:executable" first\n`);
  process.exit(64);
}

function platformOf(archive) {
  const name = basename(archive, '.tar.gz');
  return {
    selector: { matchLabels: { os: 'linux', arch: PROCESSORS[name.split('-').at(-1)] } },
    uri: `${home}/releases/download/v${version}/${archive}`,
    sha256: createHash('sha256')
      .update(readFileSync(join(folder, archive)))
      .digest('hex'),
    files: [{ from: `${name}/*`, to: '.' }],
    bin: 'k8s-lease-lock',
  };
}

const manifest = {
  apiVersion: 'krew.googlecontainertools.github.com/v1alpha2',
  kind: 'Plugin',
  metadata: { name: 'lease-lock' },
  spec: {
    version: `v${version}`,
    homepage: home,
    shortDescription: 'Run commands under a lock, and operate locks',
    description:
      'A lock on the cluster, one Lease for each lock: run a command under it, see who holds it and who waits, and free it when it is stuck. ' +
      'Nothing has to be installed in the cluster.',
    caveats: `It needs glibc 2.28 or later. How the shell completes it: ${home}/blob/v${version}/docs/operate.md#completion`,
    platforms: archives.map(platformOf),
  },
};
writeFileSync(join(folder, 'lease-lock.yaml'), stringify(manifest));

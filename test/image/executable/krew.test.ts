/** The krew manifest that a release makes: accepted, and installed, by krew itself, and run by the real kubectl. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import { VERSION } from '../../../src/version.ts';
import { goPrograms } from '../../cluster/go-programs.ts';
import { executable } from '../../harness/executable.ts';
import { tempFolder } from '../../harness/guards.ts';
import { real, realCluster } from '../../harness/real.ts';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../../..', import.meta.url));
const HOME = 'https://github.com/nullplatform/k8s-lease-lock';

const krewModule = { folder: fileURLToPath(new URL('krew', import.meta.url)), ldflags: '-s -w' };
const krews = await goPrograms(krewModule, {
  krew: 'sigs.k8s.io/krew/cmd/krew',
  'validate-krew-manifest': 'sigs.k8s.io/krew/cmd/validate-krew-manifest',
});
if (!krews && process.env.CI) throw new Error('NOT TESTED: krew, since there is no Go to build it');

const OWN = `k8s-lease-lock-linux-${process.arch}.tar.gz`;
const OTHER = `k8s-lease-lock-linux-${process.arch === 'x64' ? 'arm64' : 'x64'}.tar.gz`;

/** A folder with archives, and the manifest of them. */
async function released(t: TestContext, archives: Record<string, string> = {}): Promise<string> {
  const folder = tempFolder(t);
  for (const archive of [OWN, OTHER]) {
    const built = archives[archive];
    if (built) copyFileSync(built, join(folder, archive));
    else writeFileSync(join(folder, archive), `a stand-in for ${archive}`);
  }
  await run(process.execPath, ['image/executable/krew.mjs', folder], { cwd: root });
  return folder;
}

/** The archive of this processor: that of a release build if its folder is named, else one of the executable. */
async function archiveOf(t: TestContext): Promise<string> {
  const built = process.env.K8S_LEASE_LOCK_TEST_ARCHIVES;
  if (built) return join(built, OWN);
  const home = dirname(await executable());
  const archive = join(tempFolder(t), OWN);
  await run('tar', ['-czf', archive, '-C', dirname(home), basename(home)]);
  return archive;
}

test('the manifest names each archive by its address in the release, with its sum', async (t) => {
  const folder = await released(t);
  const { apiVersion, kind, metadata, spec } = parse(readFileSync(join(folder, 'lease-lock.yaml'), 'utf8'));
  assert.deepEqual(
    [apiVersion, kind, metadata.name, spec.version, spec.homepage],
    ['krew.googlecontainertools.github.com/v1alpha2', 'Plugin', 'lease-lock', `v${VERSION}`, HOME],
  );
  const sumOf = (archive: string) =>
    createHash('sha256')
      .update(readFileSync(join(folder, archive)))
      .digest('hex');
  const platform = (arch: string, name: string) => ({
    selector: { matchLabels: { os: 'linux', arch } },
    uri: `${HOME}/releases/download/v${VERSION}/${name}.tar.gz`,
    sha256: sumOf(`${name}.tar.gz`),
    files: [{ from: `${name}/*`, to: '.' }],
    bin: 'k8s-lease-lock',
  });
  assert.deepEqual(spec.platforms, [
    platform('arm64', 'k8s-lease-lock-linux-arm64'),
    platform('amd64', 'k8s-lease-lock-linux-x64'),
  ]);
});

test("krew's own check accepts the manifest", { skip: !krews && 'it takes Go' }, async (t) => {
  const manifest = join(await released(t), 'lease-lock.yaml');
  const { stderr } = await run(join(krews ?? '', 'validate-krew-manifest'), ['-skip-install', '-manifest', manifest]);
  assert.match(stderr, /structural validation OK/);
});

real('krew installs it from the archive, and kubectl runs it as a plugin', { skip: !krews && 'it takes Go' }, async (t) => {
  const folder = await released(t, { [OWN]: await archiveOf(t) });
  const KREW_ROOT = join(folder, 'krew');
  const { kubectl, kubeconfig } = await realCluster();
  const env = { PATH: `${KREW_ROOT}/bin:${process.env.PATH}`, HOME: folder, KREW_ROOT, KUBECONFIG: kubeconfig };
  const files = [`--manifest=${join(folder, 'lease-lock.yaml')}`, `--archive=${join(folder, OWN)}`];
  await run(join(krews ?? '', 'krew'), ['install', ...files], { env });
  assert.equal((await run(kubectl, ['lease-lock', 'version'], { env })).stdout, `${VERSION}\n`);
  const guarded = await run(kubectl, ['lease-lock', 'run', '--name', 'krew', '--', 'echo', 'under a lock'], { env });
  assert.equal(guarded.stdout, 'under a lock\n');
});

/** The assets of a release: complete, with checksums, the same from a second build; the formula as Homebrew would evaluate it. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import { VERSION } from '../../../src/version.ts';
import { tempFolder } from '../../harness/guards.ts';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../../..', import.meta.url));
const HOME = 'https://github.com/nullplatform/k8s-lease-lock';
const PACKAGE = `nullplatform-k8s-lease-lock-${VERSION}.tgz`;
const read = (...path: string[]) => readFileSync(join(...path), 'utf8');

/** A folder with stand-ins for the archives, and the rest of a release beside them. */
async function released(t: TestContext): Promise<string> {
  const folder = join(tempFolder(t), 'assets');
  mkdirSync(folder);
  for (const arch of ['x64', 'arm64'])
    writeFileSync(join(folder, `k8s-lease-lock-linux-${arch}.tar.gz`), `a stand-in for ${arch}`);
  await run(process.execPath, ['image/executable/release.mjs', folder], { cwd: root });
  return folder;
}

test('a release has all of its assets, and checksums of each', async (t) => {
  const folder = await released(t);
  const assets = [
    'k8s-lease-lock-linux-arm64.tar.gz',
    'k8s-lease-lock-linux-x64.tar.gz',
    'k8s-lease-lock.rb',
    'k8s-lease-lock.spdx.json',
    'lease-lock.yaml',
    PACKAGE,
  ];
  assert.deepEqual(readdirSync(folder).sort(), ['SHA256SUMS', ...assets]);
  const { stdout } = await run('sha256sum', ['--check', '--strict', 'SHA256SUMS'], { cwd: folder });
  assert.equal(stdout, assets.map((asset) => `${asset}: OK\n`).join(''));
});

test('a second build of the same commit has the same checksums', async (t) => {
  const [first, second] = [await released(t), await released(t)];
  assert.equal(read(first, 'SHA256SUMS'), read(second, 'SHA256SUMS'));
});

test('the notes are what CHANGELOG.md says of the version, with links that work outside of the repository', async (t) => {
  const folder = await released(t);
  const notes = read(folder, '..', 'notes.md');
  const changelog = read(root, 'CHANGELOG.md');
  assert.equal(notes.match(/^- /gm)?.length, changelog.split(`\n## ${VERSION}\n`)[1]?.split('\n## ')[0]?.match(/^- /gm)?.length);
  assert.ok(notes.includes(`](${HOME}/blob/v${VERSION}/docs/migration.md)`));
  assert.doesNotMatch(notes, /\]\((?!https:)/);
});

test('the SBOM has the version and every dependency of the package, and no time of day', async (t) => {
  const folder = await released(t);
  const sbom = JSON.parse(read(folder, 'k8s-lease-lock.spdx.json'));
  const names = sbom.packages.map(({ name, versionInfo }: Record<string, string>) => `${name}@${versionInfo}`);
  const { packages } = parse(read(root, 'package-lock.json')) as { packages: Record<string, { version: string; dev?: true }> };
  const needed = Object.entries(packages).filter(([path, { dev }]) => path !== '' && !dev);
  assert.ok(needed.some(([path]) => path === 'node_modules/socks'));
  const expected = needed.map(([path, { version }]) => `${path.replace('node_modules/', '')}@${version}`);
  assert.deepEqual(names, [`@nullplatform/k8s-lease-lock@${VERSION}`, ...expected]);
  const { stdout } = await run('git', ['log', '-1', '--format=%ct'], { cwd: root });
  assert.equal(sbom.creationInfo.created, new Date(Number(stdout) * 1000).toISOString());
});

/** What Homebrew gives to a formula, and what this one does with it, as JSON. */
const HOMEBREW = `
require 'json'
require 'pathname'
class Formula
  FIELDS = {}
  %i[desc homepage url sha256 license depends_on].each { |field| define_singleton_method(field) { |value| FIELDS[field] = value } }
  def self.test(&block) = FIELDS[:test] = block
  attr_reader :done
  def initialize(prefix) = (@prefix = Pathname(prefix); @done = [])
  def libexec = @prefix/'libexec'
  def std_npm_args = ['--global', "--prefix=#{libexec}", Pathname.pwd.to_s]
  def system(*words) = @done << words
  def bin
    done = @done
    Object.new.tap { |folder| folder.define_singleton_method(:install_symlink) { |names| done << ['install_symlink', *names] } }
  end
end
load ARGV.fetch(0)
formula = K8sLeaseLock.new(ARGV.fetch(1))
formula.install
puts JSON.generate(Formula::FIELDS.merge(test: Formula::FIELDS[:test].is_a?(Proc), done: formula.done))
`;

test('the formula has the checksum of the package, and installs its programs', async (t) => {
  const folder = await released(t);
  const libexec = join(folder, 'libexec');
  mkdirSync(join(libexec, 'bin'), { recursive: true });
  writeFileSync(join(libexec, 'bin/k8s-lease-lock'), '');
  const args = ['-e', HOMEBREW, join(folder, 'k8s-lease-lock.rb'), folder];
  const { done, ...fields } = JSON.parse((await run('ruby', args, { cwd: folder })).stdout);
  assert.deepEqual(fields, {
    desc: 'lock on a Kubernetes cluster, one Lease for each lock: a guard for commands, Jobs and CI',
    homepage: HOME,
    url: `${HOME}/releases/download/v${VERSION}/${PACKAGE}`,
    sha256: createHash('sha256')
      .update(readFileSync(join(folder, PACKAGE)))
      .digest('hex'),
    license: 'MIT',
    depends_on: 'node',
    test: true,
  });
  assert.deepEqual(done, [
    ['npm', 'install', '--global', `--prefix=${libexec}`, folder],
    ['install_symlink', join(libexec, 'bin/k8s-lease-lock')],
  ]);
});

test('a folder without archives is refused', async (t) => {
  const refused = run(process.execPath, ['image/executable/release.mjs', tempFolder(t)], { cwd: root });
  await assert.rejects(refused, /no archives in .*: run "npm run build:executable" first/);
});

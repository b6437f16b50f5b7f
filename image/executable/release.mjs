/**
 * Completes the assets of a release beside its archives: the npm package, an SBOM, the Homebrew formula, the manifest for krew, and SHA256SUMS of
 * them all. From the same archives it makes the same bytes. `notes.md`, one folder up, is what CHANGELOG.md says of the version.
 *   node image/executable/release.mjs [FOLDER]      another folder with the archives
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const { name, version, description, repository } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const home = repository.url.replace(/^git\+/, '').replace(/\.git$/, '');
const [folder = join(root, 'build/executable')] = process.argv.slice(2);
const run = (file, ...args) => execFileSync(file, args, { cwd: root, encoding: 'utf8', maxBuffer: 64 << 20 });
const write = (file, text) => writeFileSync(join(folder, file), text);
const digest = (file) =>
  createHash('sha256')
    .update(readFileSync(join(folder, file)))
    .digest('hex');

/** The section of this version, without its heading. */
function notes() {
  const sections = readFileSync(join(root, 'CHANGELOG.md'), 'utf8').split(/^## /m);
  const found = sections.find((section) => section.startsWith(`${version}\n`));
  if (found === undefined) throw new Error(`CHANGELOG.md has no section "## ${version}"`);
  // Paths are those of the repository, at this version.
  const links = found.replaceAll(/\]\((?!https?:)([^)]*)\)/g, `](${home}/blob/v${version}/$1)`);
  return `${links.slice(version.length).trim()}\n`;
}

/** For macOS and Linux: the npm package with Homebrew's Node. */
const formula = (archive) => `class K8sLeaseLock < Formula
  desc "${description.replace(/^A /, '').replace(/\.$/, '')}"
  homepage "${home}"
  url "${home}/releases/download/v${version}/${archive}"
  sha256 "${digest(archive)}"
  license "MIT"

  depends_on "node"

  def install
    system "npm", "install", *std_npm_args
    bin.install_symlink Dir["#{libexec}/bin/*"]
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/k8s-lease-lock version")
  end
end
`;

if (!readdirSync(folder).some((file) => file.endsWith('.tar.gz'))) {
  process.stderr.write(`no archives in ${folder}: run "npm run build:executable" first\n`);
  process.exit(64);
}
const packed = Object.values(JSON.parse(run('npm', 'pack', '--json', '--ignore-scripts', '--pack-destination', folder)));
const [{ filename }] = packed;
write('k8s-lease-lock.spdx.json', run(process.execPath, 'image/executable/sbom.mjs'));
write('k8s-lease-lock.rb', formula(filename));
run(process.execPath, 'image/executable/krew.mjs', folder);
const assets = readdirSync(folder, { withFileTypes: true })
  .filter((entry) => entry.isFile() && !entry.name.startsWith('SHA256SUMS'))
  .map((entry) => entry.name)
  .sort();
write('SHA256SUMS', assets.map((file) => `${digest(file)}  ${file}\n`).join(''));
writeFileSync(join(folder, '..', 'notes.md'), notes());
process.stdout.write(`${name} ${version}: ${assets.join(', ')}\n`);

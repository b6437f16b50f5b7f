/** The release workflow: what it checks and how it moves the major tag, by running its own lines in a repository made for it. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { tempFolder } from '../harness/guards.ts';
import { root } from './workshop.ts';

const workflow = readFileSync(join(root, '.github/workflows/release.yml'), 'utf8');

/** The lines of the step of that name. */
function step(name: string): string {
  const [, rest = ''] = workflow.split(`- name: ${name}\n`);
  const [, lines = ''] = /^ {8}(?:env:\n(?: {10}.*\n)+ {8})?run: \|\n((?: {10}.*\n)+)/.exec(rest) ?? [];
  assert.notEqual(lines, '', name);
  return lines.replaceAll(/^ {10}/gm, '');
}

/** As the runner runs it: the first line that fails ends it. */
function run(cwd: string, lines: string, tag: string, sha = '') {
  const env = { PATH: `${cwd}:${process.env.PATH}`, GITHUB_REF_NAME: tag, GITHUB_SHA: sha, IMAGE: 'registry.test/lock' };
  return spawnSync('bash', ['-eo', 'pipefail', '-c', lines], { cwd, env, encoding: 'utf8' });
}

test('a release is one of the version in package.json and in the changelog', (t) => {
  const folder = tempFolder(t);
  const check = step('The tag is that of the version, and the version is in the changelog');
  writeFileSync(join(folder, 'package.json'), '{"version":"1.2.3"}');
  writeFileSync(join(folder, 'CHANGELOG.md'), '# Changelog\n\n## 1.2.3\n');
  assert.equal(run(folder, check, 'v1.2.3').status, 0);
  assert.notEqual(run(folder, check, 'v1.2.4').status, 0);
  writeFileSync(join(folder, 'CHANGELOG.md'), '# Changelog\n\n## Unreleased\n');
  assert.notEqual(run(folder, check, 'v1.2.3').status, 0);
});

function repository(t: TestContext) {
  const origin = tempFolder(t);
  const folder = tempFolder(t);
  const git = (...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=x', '-c', 'user.email=x@example.com', ...args], {
      cwd: folder,
      encoding: 'utf8',
      stdio: 'pipe',
    }).trim();
  execFileSync('git', ['init', '--quiet', '--bare', origin]);
  git('init', '--quiet');
  git('remote', 'add', 'origin', origin);
  const release = (tag: string) => {
    git('commit', '--quiet', '--allow-empty', '-m', tag);
    git('tag', tag);
    return git('rev-parse', 'HEAD');
  };
  return { folder, release, published: (tag: string) => git('ls-remote', 'origin', `refs/tags/${tag}`).split('\t')[0] };
}

test('the major tag moves to the newest version, and never back', (t) => {
  const { folder, release, published } = repository(t);
  writeFileSync(join(folder, 'docker'), '#!/bin/sh\necho docker "$@"\n', { mode: 0o755 });
  const move = step('Move the major tag, unless a newer version has it');
  const first = release('v1.9.0');
  assert.equal(run(folder, move, 'v1.9.0', first).status, 0);
  assert.equal(published('v1'), first);
  const second = release('v1.10.0');
  const moved = run(folder, move, 'v1.10.0', second);
  assert.equal(moved.status, 0);
  assert.match(moved.stdout, /docker buildx imagetools create --tag registry\.test\/lock:v1 registry\.test\/lock:v1\.10\.0/);
  assert.equal(published('v1'), second);
  const mended = release('v1.9.1');
  const left = run(folder, move, 'v1.9.1', mended).stdout;
  assert.match(left, /v1 stays at v1\.10\.0/);
  assert.doesNotMatch(left, /docker/);
  assert.equal(published('v1'), second);
});

test('it publishes with provenance, after the tests, and with no right more than that takes', () => {
  assert.match(workflow, /^permissions: \{\}$/m);
  assert.match(workflow, /npm test[\s\S]*npm run check:dist[\s\S]*npm publish --provenance --access public/);
  const [, publish = '', image = '', move = ''] = workflow.split(/^ {2}(?:publish|image|move-major-tag):$/m);
  assert.match(publish, /permissions:\n {6}contents: read\n {6}id-token: write/);
  assert.match(
    image,
    /permissions:\n {6}contents: read\n {6}packages: write\n {6}id-token: write # for the signature\n {4}steps/,
  );
  assert.match(image, /platforms: linux\/amd64,linux\/arm64$/m);
  assert.match(move, /permissions:\n {6}contents: write\n {6}packages: write\n {4}steps/);
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> };
  for (const name of ['test', 'check:dist']) assert.ok(scripts[name], name);
});

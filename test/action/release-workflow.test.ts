/**
 * The release workflow, as far as it goes without GitHub: its steps run in bash, in the order of the workflow, with stand-ins for gh, cosign and
 * docker that write down what they are asked for.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, globSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import { VERSION } from '../../src/version.ts';
import { tempFolder } from '../harness/guards.ts';

const execute = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));
const TAG = `v${VERSION}`;

interface Step {
  name?: string;
  uses?: string;
  run?: string;
  with?: Record<string, string>;
  'working-directory'?: string;
}

interface Job {
  needs?: string | string[];
  permissions: Record<string, string>;
  steps: Step[];
}

const { jobs } = parse(readFileSync(join(root, '.github/workflows/release.yml'), 'utf8')) as { jobs: Record<string, Job> };

function stepOf(job: string, name: string): Step & { run: string } {
  const step = jobs[job]?.steps.find((each) => each.name === name);
  assert.ok(step?.run, `${job} has the step "${name}"`);
  return { ...step, run: step.run };
}

interface Stage {
  folder: string;
  /** What the stand-ins were asked for, a line each. */
  asked(): string[];
  run(script: string, options?: { cwd?: string; tag?: string; env?: Record<string, string> }): Promise<string>;
}

/** `fails`: the beginnings of the lines with which a stand-in fails. */
function stage(t: TestContext, fails: string[] = []): Stage {
  const folder = tempFolder(t);
  const log = join(folder, 'asked');
  const failing = fails.map((line) => `"${line}"*) exit 1 ;;`).join(' ');
  mkdirSync(join(folder, 'bin'));
  for (const name of ['gh', 'cosign', 'docker']) {
    const made = name === 'cosign' ? '[ "$1" = sign-blob ] && echo signed >"$4"' : ':';
    const text = `#!/bin/bash\necho "${name} $*" >>${log}\n${made}\ncase "${name} $*" in ${failing} *) exit 0 ;; esac\n`;
    writeFileSync(join(folder, 'bin', name), text, { mode: 0o755 });
  }
  return {
    folder,
    asked: () => (existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : []),
    async run(script, { cwd = folder, tag = TAG, env = {} } = {}) {
      const PATH = `${join(folder, 'bin')}:${process.env.PATH}`;
      const given = { PATH, HOME: folder, GITHUB_REF_NAME: tag, ...env };
      // As a runner starts it.
      return (await execute('bash', ['--noprofile', '--norc', '-eo', 'pipefail', '-c', script], { cwd, env: given })).stdout;
    },
  };
}

test('a tag that is not that of the version is refused', async (t) => {
  const { run } = stage(t);
  const { run: script } = stepOf('publish', 'The tag is that of the version, and the version is in the changelog');
  await run(script, { cwd: root });
  await assert.rejects(run(script, { cwd: root, tag: 'v0.0.9' }));
});

/** The folder that the job `release` downloads: what is uploaded of what is built. */
async function downloaded(folder: string): Promise<string> {
  const build = join(folder, 'build');
  mkdirSync(join(build, 'executable/k8s-lease-lock-linux-x64'), { recursive: true });
  for (const arch of ['x64', 'arm64']) writeFileSync(join(build, `executable/k8s-lease-lock-linux-${arch}.tar.gz`), arch);
  await execute(process.execPath, ['image/executable/release.mjs', join(build, 'executable')], { cwd: root });
  const upload = jobs.publish?.steps.find(({ uses }) => uses?.startsWith('actions/upload-artifact'));
  const release = join(folder, 'release');
  mkdirSync(join(release, 'executable'), { recursive: true });
  for (const file of (upload?.with?.path ?? '')
    .trim()
    .split('\n')
    .flatMap((pattern) => globSync(pattern, { cwd: folder })))
    renameSync(join(folder, file), join(release, file.replace(/^build\//, '')));
  return release;
}

test('a release has the notes, every asset, the checksums and their signature', async (t) => {
  const { folder, asked, run } = stage(t, ['gh release view']);
  const release = await downloaded(folder);
  for (const name of ['Check the checksums, and sign them', 'Make the release']) {
    const { run: script, 'working-directory': where = '' } = stepOf('release', name);
    await run(script, { cwd: join(folder, where) });
  }
  const assets = globSync('executable/*', { cwd: release }).sort();
  assert.equal(assets.length, 8);
  assert.deepEqual(asked(), [
    'cosign sign-blob --yes --bundle SHA256SUMS.sigstore.json SHA256SUMS',
    `gh release view ${TAG}`,
    `gh release create ${TAG} --verify-tag --title ${TAG} --notes-file notes.md`,
    `gh release upload ${TAG} --clobber ${assets.join(' ')}`,
  ]);
  assert.ok(existsSync(join(release, 'notes.md')) && assets.includes('executable/SHA256SUMS.sigstore.json'));
});

test('a release that was interrupted is completed by another run, and a changed asset is not signed', async (t) => {
  const { folder, asked, run } = stage(t);
  const release = await downloaded(folder);
  await run(stepOf('release', 'Make the release').run, { cwd: release });
  assert.ok(!asked().some((line) => line.startsWith('gh release create')));
  writeFileSync(join(release, 'executable/k8s-lease-lock.rb'), 'changed');
  const before = asked().length;
  await assert.rejects(run(stepOf('release', 'Check the checksums, and sign them').run, { cwd: join(release, 'executable') }));
  assert.equal(asked().length, before);
});

test('the image is signed by its digest', async (t) => {
  const { asked, run } = stage(t);
  const IMAGE = 'ghcr.io/nullplatform/k8s-lease-lock@sha256:0123';
  await run(stepOf('image', 'Sign the image').run, { env: { IMAGE } });
  assert.deepEqual(asked(), [`cosign sign --yes --recursive ${IMAGE}`]);
});

/** A repository with these tags, the last of which is checked out, and a remote that has them, too. */
async function repository(folder: string, tags: string[]): Promise<{ clone: string; sha: string; major(): Promise<string> }> {
  const clone = join(folder, 'clone');
  const remote = join(folder, 'remote');
  const git = async (...args: string[]) =>
    (await execute('git', ['-C', clone, '-c', 'user.name=x', '-c', 'user.email=x@example.com', ...args])).stdout.trim();
  await execute('git', ['init', '--quiet', '--bare', remote]);
  await execute('git', ['init', '--quiet', clone]);
  await git('remote', 'add', 'origin', remote);
  for (const tag of tags) {
    await git('commit', '--quiet', '--allow-empty', '--message', tag);
    await git('tag', tag);
  }
  await git('push', '--quiet', '--tags', 'origin');
  const sha = await git('rev-parse', 'HEAD');
  return { clone, sha, major: async () => (await git('ls-remote', 'origin', 'refs/tags/v1')).split('\t')[0] ?? '' };
}

test('the major tag moves to the newest version, and not back to an older one', async (t) => {
  const { run: script } = stepOf('move-major-tag', 'Move the major tag, unless a newer version has it');
  const IMAGE = 'ghcr.io/nullplatform/k8s-lease-lock';
  for (const { tags, moved } of [
    { tags: ['v1.9.0', 'v1.10.0'], moved: true },
    { tags: ['v1.10.0', 'v1.9.1'], moved: false },
  ]) {
    const { folder, asked, run } = stage(t);
    const { clone, sha, major } = await repository(folder, tags);
    const tag = tags.at(-1) ?? '';
    await run(script, { cwd: clone, tag, env: { IMAGE, GITHUB_SHA: sha } });
    assert.equal(await major(), moved ? sha : '');
    assert.deepEqual(asked(), moved ? [`docker buildx imagetools create --tag ${IMAGE}:v1 ${IMAGE}:${tag}`] : []);
  }
});

test('a job may do what it has to, and the tag moves last', () => {
  const rights = Object.fromEntries(Object.entries(jobs).map(([name, { permissions }]) => [name, permissions]));
  assert.deepEqual(rights, {
    publish: { contents: 'read', 'id-token': 'write' },
    release: { contents: 'write', 'id-token': 'write' },
    image: { contents: 'read', packages: 'write', 'id-token': 'write' },
    'move-major-tag': { contents: 'write', packages: 'write' },
  });
  assert.deepEqual(jobs['move-major-tag']?.needs, ['publish', 'image', 'release']);
  for (const [name, { permissions, steps }] of Object.entries(jobs))
    assert.ok(permissions['id-token'] || !steps.some(({ uses }) => uses?.startsWith('sigstore/')), name);
});

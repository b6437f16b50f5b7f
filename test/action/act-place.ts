/**
 * A place where act runs workflows: repositories that are folders with one commit, the committed bundle of the Action under its published name,
 * and a file into which the steps write down what they did. What a job leaves running fails the test.
 */
import assert from 'node:assert/strict';
import { type ChildProcessByStdio, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import type { TestContext } from 'node:test';
import { tempFolder } from '../harness/guards.ts';
import { kill, processesHaving } from '../harness/processes.ts';
import { until } from '../harness/until.ts';
import { ACTION, type Lab } from './lab.ts';

interface Line {
  msg: string;
  jobID?: string;
  jobResult?: string;
}

interface Run {
  /** `text` is what people see; act's own record of a mask has the secret in it. */
  finished: Promise<{ code: number | null; text: string; results: Record<string, string> }>;
  prints(pattern: RegExp): Promise<void>;
}

export interface Place {
  /** Named `$NOTES` in workflows. */
  notes: string;
  /** Once this file exists, steps that wait for it go on: `$GO` in workflows. */
  go: string;
  /** Runs this workflow as a push to this repository. */
  run(repository: string, workflow: string): Run;
  noted(): string[];
}

export function placeFor(t: TestContext, act: string, at: Lab): Place {
  const folder = tempFolder(t);
  const notes = join(folder, 'notes');
  const go = join(folder, 'go');
  writeFileSync(notes, '');
  writeFileSync(join(folder, 'secrets'), `KUBE_TOKEN=${at.token}\n`);
  copyAction(join(folder, 'action'));
  t.after(() => {
    // act leaves alone what a step has left running: whoever still has this test's file in its environment is ours to end.
    const left = processesHaving(`NOTES=${notes}`);
    for (const { pid } of left) kill(pid);
    assert.deepEqual(left, [], 'processes that outlived their job');
  });
  let runs = 0;
  return {
    notes,
    go,
    run(repository, workflow) {
      runs += 1;
      const checkout = newRepository(join(folder, `run-${runs}`), repository, workflow);
      const env = { NOTES: notes, GO: go, GITHUB_RUN_ID: String(4710 + runs), NO_COLOR: '1' };
      const child = spawn(act, argumentsFor(folder, checkout, env), {
        cwd: checkout,
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { PATH: PATH(), HOME: dirname(checkout), ACT_DISABLE_VERSION_CHECK: '1' },
      });
      t.after(() => child.kill('SIGKILL'));
      return runOf(child);
    },
    noted: () => readFileSync(notes, 'utf8').split('\n').filter(Boolean),
  };
}

const PATH = () => [dirname(process.execPath), process.env.PATH ?? ''].join(delimiter);

function copyAction(folder: string): void {
  mkdirSync(join(folder, 'action'), { recursive: true });
  copyFileSync(join(ACTION, 'action.yml'), join(folder, 'action.yml'));
  cpSync(join(ACTION, 'action', 'dist'), join(folder, 'action', 'dist'), { recursive: true });
}

function newRepository(place: string, repository: string, workflow: string): string {
  const checkout = join(place, 'repository');
  mkdirSync(join(checkout, '.github', 'workflows'), { recursive: true });
  writeFileSync(join(checkout, '.github', 'workflows', 'deploy.yml'), workflow);
  const git = (...args: string[]) =>
    execFileSync('git', ['-C', checkout, ...args], { stdio: 'pipe', env: { PATH: process.env.PATH ?? '', HOME: place } });
  git('init', '--quiet', '--initial-branch', 'main');
  git('remote', 'add', 'origin', `https://github.com/${repository}.git`);
  git('add', '.');
  git('-c', 'user.name=test', '-c', 'user.email=test@localhost', 'commit', '--quiet', '--message', 'a commit');
  return checkout;
}

/** No Docker, no network, no cache. */
function argumentsFor(folder: string, checkout: string, env: Record<string, string>): string[] {
  const args = ['push', '-C', checkout, '-W', '.github/workflows/deploy.yml', '-P', 'ubuntu-latest=-self-hosted'];
  args.push('--local-repository', `nullplatform/k8s-lease-lock@v1=${join(folder, 'action')}`);
  args.push('--action-cache-path', join(dirname(checkout), 'cache'));
  args.push('--no-cache-server', '--action-offline-mode', '--pull=false', '--rm', '--concurrent-jobs', '4', '--json');
  args.push('--secret-file', join(folder, 'secrets'), '--actor', 'alice');
  return [...args, ...Object.entries(env).flatMap(([name, value]) => ['--env', `${name}=${value}`])];
}

function runOf(child: ChildProcessByStdio<null, Readable, Readable>): Run {
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (more: string) => {
      text += more;
    });
  const closed = once(child, 'close') as Promise<[number | null]>;
  return {
    finished: closed.then(([code]) => {
      const lines = text.split('\n').flatMap((line) => (line.startsWith('{') ? [JSON.parse(line) as Line] : []));
      // A label that act doesn't know is skipped with exit code 0: only what it says of each job counts.
      const results = lines.flatMap(({ jobID, jobResult }) => (jobID && jobResult ? [[jobID, jobResult]] : []));
      return { code, text: lines.map(({ msg }) => msg).join('\n'), results: Object.fromEntries(results) };
    }),
    async prints(pattern) {
      await until(() => pattern.test(text) || child.exitCode !== null, `${pattern} in ${text}`);
      assert.match(text, pattern);
    },
  };
}

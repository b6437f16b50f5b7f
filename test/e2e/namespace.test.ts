/** A guard in a process namespace: as its process 1, below an init, and exec'd into one, whose parent is then 0. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { isRunning, PROGRAM, tempFolder } from '../harness/guards.ts';
import { until } from '../harness/until.ts';
import { holderOf, lockName, runArguments, SHORT } from './embedded.ts';

function safely<T>(attempt: () => T): T | undefined {
  try {
    return attempt();
  } catch {
    return undefined;
  }
}

/** Runs the guard as the first process of a process namespace, as a container would. */
function asInit(t: TestContext, name: string, args: string[], init: string[] = []) {
  if (process.getuid?.() !== 0 && process.env.CI) throw new Error('a process namespace takes root');
  const guarded = [...init, ...PROGRAM, ...runArguments(name, args)];
  const child = spawn('unshare', ['--pid', '--fork', '--mount-proc', '--kill-child', ...guarded], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH },
  });
  t.after(() => child.kill('SIGKILL'));
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  return {
    output: () => output,
    ended: new Promise<number | null>((resolve) => child.once('close', resolve)),
    input: (text: string) => child.stdin.end(text),
  };
}

for (const init of ['none', 'tini']) {
  test(`in a process namespace, with ${init} around it, orphans are reaped by the supervisor`, async (t) => {
    const isThere = init === 'none' || spawnSync('tini', ['--version']).status === 0;
    if ((process.getuid?.() !== 0 || !isThere) && !process.env.CI) return t.skip('it takes root, and tini');
    const name = lockName();
    const orphans = `for i in 1 2 3; do sh -c 'sleep 0.2 &'; done; sleep 0.6`;
    const report = `echo dead: $(grep -h ^State /proc/[0-9]*/status | grep -c zombie)`;
    const line = [...SHORT, '--', 'sh', '-c', `${orphans}; ${report}; exit 6`];
    const alice = asInit(t, name, line, init === 'none' ? [] : [init, '--']);
    assert.equal(await alice.ended, 6, alice.output());
    assert.match(alice.output(), /^dead: 0$/m);
    assert.match(alice.output(), /released/);
    assert.equal(await holderOf(name), '');
  });
}

/** Starts the guard in a namespace that is there already, as `kubectl exec` and `nsenter` do: its parent is then 0. */
test('a guard that was exec’d into a container and is killed does not leave its command running', async (t) => {
  if (process.getuid?.() !== 0 && !process.env.CI) return t.skip('a process namespace takes root');
  const folder = tempFolder(t);
  const outer = spawn('unshare', ['--pid', '--fork', '--mount-proc', '--kill-child', 'sh', '-c', 'echo up; sleep 600'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => outer.kill('SIGKILL'));
  await once(outer.stdout, 'data');
  const [init] = readFileSync(`/proc/${outer.pid}/task/${outer.pid}/children`, 'latin1').trim().split(' ');
  const command = `echo $$ >${folder}/pid; readlink /proc/self >${folder}/self; exec sleep 300`;
  const line = [...PROGRAM, ...runArguments(lockName(), [...SHORT, '--', 'sh', '-c', command])];
  const inner = spawn('nsenter', ['-t', String(init), '-p', '-m', ...line], {
    stdio: ['ignore', 'ignore', 'ignore'],
    env: { PATH: process.env.PATH },
  });
  t.after(() => inner.kill('SIGKILL'));
  await until(() => existsSync(join(folder, 'self')), 'the command runs');
  const insideOf = (pid: string) => /^NSpid:\s+.*\s(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
  const inside = readFileSync(join(folder, 'pid'), 'utf8').trim();
  const find = () =>
    globSync('/proc/[0-9]*')
      .map((path) => path.slice(6))
      .find((pid) => {
        const text = safely(() => readFileSync(`/proc/${pid}/cmdline`, 'latin1'));
        return text?.startsWith('sleep') === true && safely(() => insideOf(pid)) === inside;
      });
  await until(() => find() !== undefined, 'the command has become what it runs');
  const pid = Number(find());
  // nsenter forks: the guard is its child.
  const [guardPid] = readFileSync(`/proc/${inner.pid}/task/${inner.pid}/children`, 'latin1').trim().split(' ');
  process.kill(Number(guardPid), 'SIGKILL');
  await until(() => !isRunning(pid), 'the command is stopped by its supervisor');
});

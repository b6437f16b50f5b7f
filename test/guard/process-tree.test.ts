/** What is found of a command, and what is not missed: real processes, of the worst kinds. */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '../../src/clock.ts';
import { start } from '../../src/guard/command.ts';
import { readProcess } from '../../src/guard/proc-stat.ts';
import { isGone, livingOf } from '../../src/guard/process-tree.ts';
import { isRunning, tempFolder } from '../harness/guards.ts';
import { until } from '../harness/until.ts';

const clock = systemClock();

function compile(folder: string, name: string, source: string): string {
  const program = join(folder, name);
  writeFileSync(`${program}.c`, source);
  execFileSync('gcc', ['-O1', '-pthread', '-o', program, `${program}.c`]);
  return program;
}

/** A daemon by the book: its first process ends, it leaves session and parents, and writes down who it is. */
const HOP = `
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
int main(int count, char **words) {
  if (fork()) return 0;
  setsid();
  usleep(atoi(words[1]));
  if (fork()) _exit(0);
  signal(SIGTERM, SIG_IGN);
  FILE *file = fopen(words[2], "w");
  fprintf(file, "%d\\n", getpid());
  fclose(file);
  sleep(60);
}`;

test('a daemon that hops out of group, session and parents while it is looked for is not missed', async (t) => {
  const folder = tempFolder(t);
  const hop = compile(folder, 'hop', HOP);
  const missed: number[] = [];
  for (let i = 0; i < 48; i += 1) {
    const delay = [0, 100, 300, 600, 1000, 2000, 4000, 8000][i % 8] ?? 0;
    const mark = `user/test/${process.pid}-${i}`;
    const file = join(folder, `pid-${i}`);
    const env = { PATH: process.env.PATH, LEASE_LOCK_HOLDER: mark };
    const started = await start({ argv: [hop, String(delay), file], env, mark, terminal: false, descriptors: [], clock });
    assert.ok(started.kind === 'started');
    await started.command.ended;
    const gone = await isGone(started.command.tree, clock);
    await until(() => Number(readable(file)) > 0, 'the daemon is there');
    const pid = Number(readable(file));
    if (gone && isRunning(pid)) missed.push(delay);
    process.kill(pid, 'SIGKILL');
  }
  assert.deepEqual(missed, []);
});

function readable(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return ''; // Not written yet.
  }
}

const THREADS = `
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>
static void *work(void *none) { sleep(60); return none; }
int main(void) {
  pthread_t thread;
  pthread_create(&thread, NULL, work, NULL);
  puts("up");
  fflush(stdout);
  pthread_exit(NULL);
}`;

test('a process whose main thread has ended lives as long as its other threads', async (t) => {
  const child = spawn(compile(tempFolder(t), 'threads', THREADS), { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  const pid = child.pid ?? 0;
  const state = () => /^State:\s+(\S)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
  await until(() => state() === 'Z', 'the main thread has ended');
  assert.equal(readProcess(pid)?.dead, false);
  child.kill('SIGKILL');
  await once(child, 'exit');
  assert.equal(readProcess(pid), undefined);
});

test('what the kernel refuses to start is an answer, and not an exception', async () => {
  for (const [argv, problem] of [
    [['/etc/passwd/x'], /ENOTDIR/],
    [['/etc/passwd'], /EACCES/],
    [['/nonexistent'], /not found/],
    [['true', 'x'.repeat(200_000)], /E2BIG/],
    [['true', 'a\0b'], /cannot be executed/],
  ] as const) {
    const started = await start({ argv: [...argv], env: {}, mark: 'm', terminal: false, descriptors: [], clock });
    assert.ok(started.kind === 'not-started', argv[0]);
    assert.match(started.message, problem);
  }
});

test('a tree that has ended has nobody left', async () => {
  const env = { PATH: process.env.PATH };
  const started = await start({ argv: ['true'], env, mark: 'user/none/0', terminal: false, descriptors: [], clock });
  assert.ok(started.kind === 'started');
  assert.deepEqual(await started.command.ended, { code: 0 });
  assert.equal(await isGone(started.command.tree, clock), true);
  assert.deepEqual(await livingOf(started.command.tree, clock), []);
});

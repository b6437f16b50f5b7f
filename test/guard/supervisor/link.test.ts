/** How a guard comes to its supervisor, and what it says where there is none. */
import assert from 'node:assert/strict';
import { closeSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '../../../src/clock.ts';
import { openSupervisor, type SupervisorLink, type SupervisorSource } from '../../../src/guard/supervisor/link.ts';
import { SUPERVISOR } from './supervised.ts';

const clock = systemClock({ background: true });
const folder = dirname(SUPERVISOR);
const open = (source: SupervisorSource, argv: readonly [string, ...string[]] = ['true']) =>
  openSupervisor(source)({ argv, env: { PATH: process.env.PATH } }, clock);

async function messageOf(source: SupervisorSource, argv?: readonly [string, ...string[]]): Promise<string> {
  const opened = await open(source, argv);
  return opened.kind === 'opened' ? 'opened' : `${opened.kind}: ${opened.message}`;
}

test('where there is no supervisor for the platform, one sentence says so and names those that there are', async (t) => {
  const { platform } = process;
  Object.defineProperty(process, 'platform', { value: 'win32' });
  t.after(() => Object.defineProperty(process, 'platform', { value: platform }));
  assert.equal(
    await messageOf({ kind: 'folder', folder, descriptors: [] }),
    `refused: commands cannot be run under a lock on win32-${process.arch}: use one of linux-x64, linux-arm64, darwin-x64, darwin-arm64`,
  );
});

test('what the kernel refuses is a sentence, not an exception', async () => {
  assert.match(
    await messageOf({ kind: 'folder', folder: '/nonexistent', descriptors: [] }),
    /^refused: the supervisor of the command cannot be started: ENOENT: no such file or directory$/,
  );
  const long = Array.from({ length: 40 }, () => 'x'.repeat(100_000));
  assert.match(
    await messageOf({ kind: 'folder', folder, descriptors: [] }, ['true', ...long]),
    /^too-long: E2BIG: argument list too long$/,
  );
  assert.match(await messageOf({ kind: 'folder', folder, descriptors: [] }, ['true', 'a\0b']), /cannot be started: /);
});

test('a guard that was started without `first` says what to start instead', async () => {
  const message = await messageOf({ kind: 'first', socket: undefined, commandAt: 2 });
  assert.match(message, /^refused: this program was started without its supervisor: start "k8s-lease-lock"/);
});

/** Runs the command, and returns how it ended. */
async function run(link: SupervisorLink): Promise<unknown> {
  link.send({ kind: 'prepare', index: link.commandAt, graceMs: 0 });
  await link.first('ready');
  link.send({ kind: 'start', environment: {} });
  await link.first('allGone');
  return await link.first('exited');
}

test('what it has said is there for whoever asks later, and its end is the end of all questions', async () => {
  const opened = await open({ kind: 'folder', folder, descriptors: [] }, ['sh', '-c', 'exit 7']);
  assert.ok(opened.kind === 'opened');
  const { link } = opened;
  assert.deepEqual(await run(link), { kind: 'exited', code: 7, left: 0 });
  assert.equal((await link.first('hello'))?.findsAll, true);
  await link.end('exitCodeOfGuard');
  assert.ok(link.ended.aborted);
  assert.equal(await link.first('stopped'), undefined);
  link.send({ kind: 'clock' }); // Nobody is there, and nothing happens.
});

test('a descriptor of the caller is handed on, also where the supervisor’s own would be', async () => {
  const file = openSync('/dev/null', 'r');
  const spare = openSync('/dev/null', 'r');
  const opened = await open({ kind: 'folder', folder, descriptors: [3, file, spare] }, [
    'sh',
    '-c',
    `test -e /proc/self/fd/${file}`,
  ]);
  assert.ok(opened.kind === 'opened');
  assert.deepEqual(await run(opened.link), { kind: 'exited', code: 0, left: 0 });
  await opened.link.end('exitCodeOfGuard');
  for (const fd of [file, spare]) closeSync(fd);
});

/** How often a credential plugin is started, how long what it said serves, and when it is ended. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { execPlugin } from '../../src/api/exec-plugin.ts';
import { systemClock } from '../../src/clock.ts';
import { isRunning, tempFolder } from '../harness/guards.ts';
import { manualClock, SECOND } from '../harness/manual-clock.ts';
import { contentOf } from '../harness/processes.ts';
import { until } from '../harness/until.ts';

const VERSION = 'client.authentication.k8s.io/v1';
const { signal } = new AbortController();

/** A plugin that is a shell script, in a folder of its own, where it counts its starts in `starts`. */
function plugin(t: TestContext, script: string, { interactiveMode = 'IfAvailable', terminal = false } = {}) {
  const folder = tempFolder(t);
  const command = join(folder, 'plug');
  const count = `echo started >> ${folder}/starts`;
  writeFileSync(command, `#!/bin/sh\n${count}\nn=$(grep -c . ${folder}/starts)\n${script}\n`, { mode: 0o755 });
  const said: string[] = [];
  const entry = { command, args: [], env: [], apiVersion: VERSION, installHint: '', provideClusterInfo: false };
  return {
    folder,
    said,
    starts: () => contentOf(join(folder, 'starts')).split('\n').length - 1,
    ...execPlugin({
      entry: { ...entry, interactiveMode },
      terminal,
      clusterInfo: async () => ({}),
      env: { PATH: process.env.PATH },
      tell: (line) => said.push(line),
    }),
  };
}

/** Prints a token with the number of the start, which ends at this time. */
const token = (expires?: string) => {
  const end = expires === undefined ? '' : `, "expirationTimestamp": "${expires}"`;
  return `echo '{"apiVersion": "${VERSION}", "kind": "ExecCredential", "status": {"token": "'$n'"${end}}}'`;
};

test('however many requests wait, the plugin runs once, and what it says serves until it ends', async (t) => {
  const clock = manualClock(new Date('2026-01-01T12:00:00Z'));
  const { credentials, starts } = plugin(t, token('2026-01-01T13:00:00Z'));
  const ask = async () => (await credentials({ clock, signal })).token;
  assert.deepEqual(await Promise.all([ask(), ask(), ask()]), ['1', '1', '1']);
  await clock.advance(3500 * SECOND);
  assert.deepEqual([await ask(), starts()], ['1', 1]);
  // A minute before they end: the old ones serve while the plugin runs.
  await clock.advance(50 * SECOND);
  assert.equal(await ask(), '1');
  await until(async () => (await ask()) === '2', 'the next serve');
  await clock.advance(60 * SECOND);
  assert.equal(await ask(), '3', 'those that have ended serve nobody');
});

test('after a 401 the plugin runs again, once, unless it has just run', async (t) => {
  const clock = manualClock();
  const { credentials, starts } = plugin(t, token());
  const first = await credentials({ clock, signal });
  assert.equal(await credentials({ clock, signal, refused: first }), first, 'it would say the same');
  await clock.advance(10 * SECOND);
  const both = [credentials({ clock, signal, refused: first }), credentials({ clock, signal, refused: first })];
  assert.deepEqual(
    (await Promise.all(both)).map((each) => each.token),
    ['2', '2'],
  );
  assert.equal((await credentials({ clock, signal, refused: first })).token, '2', 'those that were refused are gone already');
  assert.equal(starts(), 2);
});

test('a plugin that hands out what ends in a moment, as from a cache, is asked again then; one whose credentials have ended, once a second', async (t) => {
  const clock = manualClock(new Date('2026-01-01T12:00:00Z'));
  const { credentials, starts } = plugin(t, token('2026-01-01T12:00:03Z'));
  const ask = async () => (await credentials({ clock, signal })).token;
  assert.deepEqual([await ask(), await ask()], ['1', '1']);
  await clock.advance(3 * SECOND);
  assert.deepEqual([await ask(), await ask(), starts()], ['2', '2', 2]);
  await clock.advance(SECOND);
  assert.equal(await ask(), '3');
});

test('a plugin that fails is not started for every attempt; each of them is told why', async (t) => {
  const clock = manualClock();
  const { credentials, starts, said } = plugin(t, 'echo hint >&2; echo you are not logged in >&2; exit 3');
  const why = /^Error: credential plugin "plug" failed \(exit code 3\): you are not logged in \(http\S+\)$/;
  for (let i = 0; i < 5; i++) await assert.rejects(credentials({ clock, signal }), why);
  assert.equal(starts(), 1);
  assert.deepEqual(said, ['credential plugin "plug": hint', 'credential plugin "plug": you are not logged in']);
  await clock.advance(SECOND);
  await assert.rejects(credentials({ clock, signal }), why);
  assert.equal(starts(), 2);
});

test('what a plugin says is shown while it runs; it is ended, with all that it has started, when nobody waits for it', async (t) => {
  const { credentials, said, folder } = plugin(t, `sleep 600 & echo $! > $(dirname $0)/child; echo open the browser >&2; wait`);
  const [alice, bob] = [new AbortController(), new AbortController()];
  const asked = [alice, bob].map((each) => credentials({ clock: systemClock(), signal: each.signal }));
  const ends = asked.map((each) => assert.rejects(each, /enough/));
  await until(() => said.length > 0, 'its words come');
  assert.deepEqual(said, ['credential plugin "plug": open the browser']);
  const child = Number(readFileSync(join(folder, 'child'), 'utf8'));
  alice.abort(new Error('enough'));
  await ends[0];
  assert.ok(isRunning(child), 'bob still waits');
  bob.abort(new Error('enough'));
  await ends[1];
  await until(() => !isRunning(child), 'all of it has ended');
});

test('a plugin that was given up is started again by whoever comes next', async (t) => {
  const { credentials } = plugin(t, `[ $n = 1 ] && exec sleep 600; ${token()}`);
  const clock = systemClock();
  await assert.rejects(credentials({ clock, signal: AbortSignal.timeout(300) }));
  assert.equal((await credentials({ clock, signal })).token, '2');
});

test('a plugin that may not use the terminal, though there is one, is ended, too, and has no standard input', async (t) => {
  const clock = manualClock();
  const { credentials, starts } = plugin(t, 'read x; exec sleep 600', { interactiveMode: 'Never', terminal: true });
  const asked = assert.rejects(credentials({ clock, signal }), /"plug" did not end within 1m/);
  await until(() => starts() === 1, 'it runs');
  await clock.advance(60 * SECOND);
  await asked;
});

test('a plugin that hangs is ended after a minute', async (t) => {
  const clock = manualClock();
  const { credentials, starts } = plugin(t, 'exec sleep 600');
  const asked = assert.rejects(credentials({ clock, signal }), /"plug" did not end within 1m: run it by hand/);
  await until(() => starts() === 1, 'it runs');
  await clock.advance(60 * SECOND);
  await asked;
});

/** The tests' own runner of Actions, held to what GitHub's does: with a tiny action that tells what was done to it. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { isRunning } from '../harness/guards.ts';
import { IMMEDIATELY, type Inputs, runJob, type Step, startJob } from '../harness/runner/index.ts';
import { until } from '../harness/until.ts';

const uses = fileURLToPath(new URL('fixtures/tiny', import.meta.url));
const tiny = (given: Inputs = {}): Step => ({ uses, with: given });
const heard = (text: string) => text.split('\n').filter((line) => /^(pre|main|post):/.test(line));

test('all pre come first, posts last and in reverse; state is a step’s own, environment the job’s', async (t) => {
  const job = await runJob(t, [
    tiny({ word: 'one' }),
    { run: 'echo main: shell $ADDED; echo key=value >> "$GITHUB_OUTPUT"' },
    { uses, if: false },
    tiny(),
  ]);
  assert.deepEqual(heard(job.text), [
    'pre: word one, empty "", state none, added none',
    'pre: word default word, empty "", state none, added pre',
    'pre: word default word, empty "", state none, added pre',
    'main: word one, empty "", state pre, added pre',
    'main: shell main',
    'main: word default word, empty "", state pre, added main',
    'post: word default word, empty "", state main, added main',
    'post: word default word, empty "", state pre, added post',
    'post: word one, empty "", state main, added post',
  ]);
  assert.deepEqual(
    job.steps.map(({ outcome }) => outcome),
    ['success', 'success', 'skipped', 'success'],
  );
  assert.deepEqual(job.steps[0]?.outputs, { heard: 'one\nby post' });
  assert.deepEqual(job.steps[1]?.outputs, { key: 'value' });
  assert.equal(job.steps[0]?.main?.summary, 'summary of main');
  assert.equal(job.conclusion, 'success');
});

test('a failure skips what follows, except for what says always, and posts', async (t) => {
  const seen: string[] = [];
  const job = await runJob(t, [
    tiny({ 'fail-in': 'main' }),
    () => seen.push('function'),
    { run: 'echo main: always', if: 'always' },
    { run: 'echo main: never' },
  ]);
  assert.deepEqual(
    heard(job.text).map((line) => line.slice(0, 12)),
    ['pre: word de', 'main: word d', 'main: always', 'post: word d'],
  );
  assert.deepEqual(seen, []);
  assert.equal(job.conclusion, 'failure');
  assert.deepEqual(job.annotations, [{ level: 'error', title: 'Tiny: failed', message: 'one line\nand 100% more' }]);
});

test('a failed pre keeps the steps from running', async (t) => {
  const job = await runJob(t, [tiny({ 'fail-in': 'pre' }), { run: 'echo main: never' }]);
  assert.deepEqual(
    heard(job.text).map((line) => line.slice(0, 5)),
    ['pre: ', 'post:'],
  );
  assert.equal(job.conclusion, 'failure');
});

test('cancelled: SIGINT, SIGTERM, SIGKILL to the phase, then the posts', async (t) => {
  const job = startJob(t, [tiny({ wait: 'main' }), { run: 'echo main: never' }], {
    cancelTimes: { termAfterMs: 300, killAfterMs: 300 },
  });
  await job.prints(/main: waiting/);
  job.cancel();
  const { conclusion, steps, text } = await job.finished;
  assert.equal(conclusion, 'cancelled');
  assert.deepEqual([steps[0]?.outcome, steps[0]?.main?.signal], ['cancelled', 'SIGKILL']);
  assert.match(text, /main: SIGINT\nmain: SIGTERM\npost: word/);
  assert.doesNotMatch(text, /never/);
});

test('cancelled immediately: nothing but SIGKILL', async (t) => {
  const job = startJob(t, [tiny({ wait: 'main' })], { cancelTimes: IMMEDIATELY });
  await job.prints(/main: waiting/);
  job.cancel();
  const { steps, text } = await job.finished;
  assert.equal(steps[0]?.main?.signal, 'SIGKILL');
  assert.doesNotMatch(text, /SIG/);
  assert.match(text, /post: word/);
});

test('cancelled in a container: no signal arrives, the phase lives on beside its post, and ends with the container', async (t) => {
  const job = startJob(t, [tiny({ wait: 'main' })], {
    manner: 'container',
    cancelTimes: { termAfterMs: 50, killAfterMs: 50 },
  });
  await job.prints(/main: waiting/);
  const pid = job.phasePid();
  job.cancel();
  const { text, leftovers } = await job.finished;
  assert.doesNotMatch(text, /SIG/);
  assert.match(text, /post: word/);
  assert.equal(leftovers.length, 1);
  await until(() => !isRunning(pid), 'the end of the container');
});

test('a machine that goes down runs no post and leaves nothing', async (t) => {
  const job = startJob(t, [tiny({ leave: 'pre', wait: 'main' })]);
  await job.prints(/main: waiting/);
  const pids = [job.phasePid(), ...job.processes().map(({ pid }) => pid)];
  assert.equal(pids.length, 2);
  await job.shutDown();
  const { conclusion, text } = await job.finished;
  assert.equal(conclusion, 'lost');
  assert.doesNotMatch(text, /post/);
  assert.deepEqual(pids.filter(isRunning), []);
});

test('the worker bears the name of the real one, and its phase outlives it', async (t) => {
  const job = startJob(t, [tiny({ wait: 'main' })]);
  await job.prints(/main: waiting/);
  assert.equal(readFileSync(`/proc/${job.worker}/comm`, 'utf8').trim(), 'Runner.Worker');
  const pid = job.phasePid();
  assert.match(readFileSync(`/proc/${pid}/status`, 'utf8'), new RegExp(`^PPid:\\s+${job.worker}$`, 'm'));
  job.killWorker();
  assert.equal((await job.finished).conclusion, 'lost');
  assert.ok(isRunning(pid));
});

test('what a job leaves behind is killed and told, and so is who holds the streams of a phase', async (t) => {
  const quiet = await runJob(t, [tiny({ leave: 'main' })]);
  assert.deepEqual(quiet.leftovers, ['sleep 600']);
  assert.equal(quiet.steps[0]?.main?.inherited, false);
  const holding = await runJob(t, [tiny({ 'hold-streams': 'main' })], { streamsMs: 200 });
  assert.equal(holding.steps[0]?.main?.inherited, true);
  assert.equal(holding.steps[0]?.post?.inherited, false);
});

test('a secret is found wherever it is to be seen, the mask excepted', async (t) => {
  const secret = 'a-very-secret-word';
  const places: string[][] = [];
  const leak = join('temp', 'leak');
  const job = await runJob(t, [
    tiny({ secret }),
    (at) => places.push(at.places(secret)),
    (at) => writeFileSync(join(at.workspace, '..', leak), `my ${secret}`),
    (at) => places.push(at.places(secret).map((file) => file.slice(-leak.length))),
    { run: `echo ${secret}` },
    (at) => places.push(at.places(secret).slice(0, 1)),
    (at) => assert.ok(at.masks.has(secret)),
  ]);
  assert.equal(job.conclusion, 'success', job.text);
  assert.deepEqual(places, [[], [leak], [`printed: ${secret}`]]);
  assert.ok(existsSync(uses));
});

test('a test’s own step that fails fails the test', async (t) => {
  await assert.rejects(
    runJob(t, [
      () => {
        throw new Error('no');
      },
    ]),
    /no/,
  );
});

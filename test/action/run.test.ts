/** The input `run`: a command under the lock, in one step, stopped before the lock can pass to another. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { silence } from '../harness/fault-behaviours.ts';
import { faultProxy } from '../harness/fault-proxy.ts';
import { isRunning } from '../harness/guards.ts';
import { real } from '../harness/real.ts';
import { IMMEDIATELY, runJob, startJob } from '../harness/runner/index.ts';
import { until } from '../harness/until.ts';
import { assertTidy, gate, holdingJob, lab, onlyError, ran } from './lab.ts';

real('the command runs under the lock, which is free right after it', async (t) => {
  const { lock, holder, namespace } = await lab();
  const job = await runJob(t, [
    lock({ run: 'echo "I am $LEASE_LOCK_HOLDER in $LEASE_LOCK_NAMESPACE with $LEASE_LOCK_TOKEN"' }, { id: 'lock' }),
    async () => assert.equal(await holder(), '', 'not held until the end of the job'),
  ]);
  assert.equal(job.conclusion, 'success', job.text);
  const outputs = job.steps[0]?.outputs ?? {};
  assert.match(job.text, new RegExp(`I am ${outputs.holder} in ${namespace} with ${outputs.token}\n`));
  assert.match(outputs.holder ?? '', /^gha\/acme%2Fapi\//);
  assert.equal(outputs.acquired, 'true');
  assert.deepEqual(job.annotations, []);
  assert.match(ran(job.steps[0]?.main).summary, /command ended with 0/);
  assert.equal(ran(job.steps[0]?.post).annotations.length, 0);
  assertTidy(job);
});

real('a command that fails fails the step, by one error with its exit code; scripts end at their first failure', async (t) => {
  const { lock, holder } = await lab();
  const job = await runJob(t, [lock({ run: 'echo one\nfalse | true\necho two' }, { id: 'lock' }), { run: 'echo never' }]);
  assert.equal(job.conclusion, 'failure');
  assert.match(job.text, /one\n/);
  assert.doesNotMatch(job.text, /^two|never/m);
  assert.match(onlyError(job), /exit code 1/);
  const coded = await runJob(t, [lock({ run: 'exit 76' })]);
  assert.match(onlyError(coded), /exit code 76/, 'not to be taken for a loss');
  assert.equal(coded.steps[0]?.main?.code, 1);
  assert.equal(await holder(), '');
});

real('working-directory and shell are those of a workflow’s step', async (t) => {
  const { lock } = await lab();
  const job = await runJob(t, [
    ({ workspace }) => mkdirSync(join(workspace, 'sub')),
    lock({ run: 'pwd', 'working-directory': 'sub' }),
    lock({ run: 'echo "$0 $BASH_VERSION."', shell: 'sh' }),
    lock({ run: 'process.stdout.write("node " + (1 + 1) + "\\n")', shell: 'node {0}' }),
  ]);
  assert.equal(job.conclusion, 'success', job.text);
  assert.match(job.text, /\/workspace\/sub\n/);
  assert.match(job.text, /node 2\n/);
  const nowhere = await runJob(t, [lock({ run: 'pwd', 'working-directory': 'nowhere' })]);
  assert.match(onlyError(nowhere), /^working-directory: nowhere cannot be entered \(ENOENT\)/);
  const fish = await runJob(t, [lock({ run: 'pwd', shell: 'fish' })]);
  assert.match(onlyError(fish), /^shell: invalid value "fish": use one of bash, sh/);
});

real('the command’s own outputs, environment and annotations are the step’s', async (t) => {
  const { lock } = await lab();
  const run = 'echo version=7 >>"$GITHUB_OUTPUT"; echo COLOUR=blue >>"$GITHUB_ENV"; echo "::notice::from the command"';
  const job = await runJob(t, [lock({ run }, { id: 'lock' }), { run: 'echo "colour $COLOUR"' }]);
  assert.equal(job.conclusion, 'success', job.text);
  assert.equal(job.steps[0]?.outputs.version, '7');
  assert.match(job.text, /colour blue/);
  assert.deepEqual(
    job.annotations.map(({ message }) => message),
    ['from the command'],
  );
});

real('secrets of the Action are not handed to the command', async (t) => {
  const { lock, token } = await lab();
  const job = startJob(t, [lock({ run: 'env; cat /proc/self/environ | tr "\\0" "\\n"' })], {
    env: { ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'request-token' },
  });
  const { conclusion, text } = await job.finished;
  assert.equal(conclusion, 'success', text);
  assert.deepEqual(job.places(token), []);
  assert.doesNotMatch(text, /INPUT_TOKEN|STATE_/);
});

real('a lost lock stops the command, all of it, and the step fails by one error', async (t) => {
  const at = await lab();
  const proxy = await faultProxy(at.cluster);
  t.after(() => proxy.close());
  const run = 'sleep 600 & echo "pids $$ $!"; trap "echo told" TERM; wait; wait';
  const through = { server: proxy.url, 'certificate-authority-data': '' };
  const job = startJob(t, [at.lock({ run, 'lease-duration': '6s', ...through }), { run: 'echo never' }]);
  await job.prints(/pids \d+ \d+/);
  const [, ...pids] = /pids (\d+) (\d+)/.exec(job.text) ?? [];
  const end = gate(t);
  const next = startJob(t, [at.lock(), () => end.opened]);
  await at.untilWaiting();
  proxy.set(() => silence);
  await next.prints(/acquired Lease/);
  assert.deepEqual(pids.map(Number).filter(isRunning), [], 'all had ended before another had the lock');
  const result = await job.finished;
  assert.equal(result.conclusion, 'failure');
  assert.match(onlyError(result), /the lock was lost: it could not be renewed .*; the command was stopped/);
  assert.doesNotMatch(result.text, /never/);
  assertTidy(result);
  end.open();
  assert.equal((await next.finished).conclusion, 'success');
});

real('taken away while the command runs: it is stopped immediately', async (t) => {
  const { lock, clear } = await lab();
  const job = startJob(t, [lock({ run: 'echo deploying; exec sleep 600' })]);
  await job.prints(/^deploying/m);
  await clear();
  const result = await job.finished;
  assert.equal(result.conclusion, 'failure');
  assert.match(onlyError(result), /the lock was lost: another client cleared the holder; the command was stopped/);
});

real('cancelled while the command runs: it gets the signal, and the lock is free once it has ended', async (t) => {
  const { lock, holder } = await lab();
  const job = startJob(t, [
    lock({ run: 'trap "echo cleaning up; exit 0" INT TERM; echo deploying; while :; do sleep 0.05; done' }),
  ]);
  await job.prints(/^deploying/m);
  job.cancel();
  const result = await job.finished;
  assert.equal(result.conclusion, 'cancelled');
  assert.match(result.text, /cleaning up/);
  assert.equal(await holder(), '');
  assertTidy(result);
});

real('cancelled while the command runs, and it ignores that: all of it is killed before anybody else has the lock', async (t) => {
  const { lock } = await lab();
  const run = 'trap "" INT TERM; (trap "" INT TERM; exec sleep 600) & echo "pids $$ $!"; while :; do sleep 0.05; done';
  const job = startJob(t, [lock({ run, 'lease-duration': '12s' })]);
  await job.prints(/pids \d+ \d+/);
  const [, ...pids] = /pids (\d+) (\d+)/.exec(job.text) ?? [];
  const end = gate(t);
  const next = startJob(t, [lock(), () => end.opened]);
  await next.prints(/waiting for Lease/);
  job.cancel();
  await next.prints(/acquired Lease/);
  assert.deepEqual(pids.map(Number).filter(isRunning), []);
  const { conclusion, text } = await job.finished;
  assert.equal(conclusion, 'cancelled');
  // Not left to expire: stopping it takes less than the ten seconds of a cancelled step.
  assert.match(text, /released Lease[\s\S]*the command failed::it did not end on SIGINT, and was stopped/);
  end.open();
  assert.equal((await next.finished).conclusion, 'success');
});

real('on-lost warn: the command goes on, and there is a warning', async (t) => {
  const { lock, clear, holder } = await lab();
  const run = 'echo deploying; until [ -e go ]; do sleep 0.05; done; echo through';
  const job = startJob(t, [lock({ run, 'on-lost': 'warn' })]);
  await job.prints(/^deploying/m);
  await clear();
  await job.prints(/lost Lease/);
  writeFileSync(join(job.workspace, 'go'), '');
  const result = await job.finished;
  assert.equal(result.conclusion, 'success', result.text);
  assert.match(result.text, /^through/m);
  assert.deepEqual(
    result.annotations.map(({ level }) => level),
    ['warning'],
  );
  assert.equal(await holder(), '');
});

real('killed while the command runs: the command is killed, too, and the lock is not given back before that', async (t) => {
  const { lock, holder } = await lab();
  let pid = 0;
  // Before the runner itself kills what is left of the job.
  const beforeSweep = () =>
    until(async () => {
      const runs = isRunning(pid);
      assert.match(await holder(), /^gha\//, 'nobody is left who could know that it may be released: it expires');
      return !runs;
    }, 'the end of the command');
  const run = 'echo "pid $$"; sleep 600; true';
  const job = startJob(t, [lock({ run, 'lease-duration': '20s' })], { cancelTimes: IMMEDIATELY, beforeSweep });
  await job.prints(/pid \d+/);
  pid = Number(/pid (\d+)/.exec(job.text)?.[1]);
  job.cancel();
  const result = await job.finished;
  assert.equal(result.conclusion, 'cancelled');
  assert.deepEqual(
    result.annotations.map(({ level }) => level),
    ['warning'],
    JSON.stringify(result.annotations),
  );
});

real('busy: on-busy skip does not run it, and fail says who holds it', async (t) => {
  const { lock } = await lab();
  const first = await holdingJob(t, lock({ reason: 'release 1.2' }), { runId: '41' });
  const skip = await runJob(t, [lock({ run: 'echo never', 'on-busy': 'skip' }, { id: 'lock' }), { run: 'echo after' }]);
  assert.equal(skip.conclusion, 'success', skip.text);
  assert.equal(skip.steps[0]?.outputs.acquired, 'false');
  assert.match(skip.text, /after/);
  assert.deepEqual(
    skip.annotations.map(({ level }) => level),
    ['notice'],
  );
  for (const given of [{ 'on-busy': 'fail' }, { timeout: '1s' }]) {
    const job = await runJob(t, [lock({ run: 'echo never', ...given }, { id: 'lock' })]);
    assert.equal(job.conclusion, 'failure');
    assert.equal(job.steps[0]?.outputs.acquired, 'false');
    assert.match(onlyError(job), /gha\/acme%2Fapi\/41\/1\/deploy\/\w+.*since.*release 1\.2.*runs\/41/);
    assert.doesNotMatch(job.text, /never/);
    assertTidy(job);
  }
  first.end();
});

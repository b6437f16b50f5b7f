/** What becomes of a lock whose keeper is killed, hangs, or is ended, while it waits and while the steps run. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { sessionIn } from '../../action/job-state.ts';
import { type Guard, isRunning } from '../harness/guards.ts';
import { real } from '../harness/real.ts';
import { type Job, runJob, startJob } from '../harness/runner/index.ts';
import { assertTidy, guarded, holdingJob, keptIn, lab, onlyError, untilGone } from './lab.ts';

/** A job at its step, with the lock; `act` is what happens to it meanwhile. */
async function meanwhile(
  t: Parameters<typeof startJob>[0],
  at: Awaited<ReturnType<typeof lab>>,
  given: Record<string, string>,
  act: (job: Job) => unknown,
) {
  const job = await runJob(t, [at.lock(given), act]);
  assertTidy(job);
  return job;
}

real('the keeper is killed: post gives the lock back in time, and nothing has been lost', async (t) => {
  const at = await lab();
  const job = await meanwhile(t, at, {}, async (running) => {
    const { pid } = keptIn(running).keeper;
    process.kill(pid, 'SIGKILL');
    await untilGone(pid);
    assert.match(await at.holder(), /^gha\//);
  });
  assert.equal(job.conclusion, 'success', job.text);
  assert.match(job.text, /the process that renewed it was killed; released without it, in time/);
  assert.equal(await at.holder(), '');
});

real('the keeper hangs: post ends it, and gives the lock back', async (t) => {
  const at = await lab();
  let pid = 0;
  const job = await meanwhile(t, at, { 'lease-duration': '6s' }, (running) => {
    pid = keptIn(running).keeper.pid;
    process.kill(pid, 'SIGSTOP');
  });
  assert.equal(job.conclusion, 'success', job.text);
  assert.match(job.text, /the process that renewed it did not respond; released without it, in time/);
  assert.equal(await at.holder(), '');
  assert.ok(!isRunning(pid));
});

real('the keeper is killed, and its process id is another’s by now: that one is let be', async (t) => {
  const at = await lab();
  const innocent = spawn('sleep', ['600'], { stdio: 'ignore' });
  t.after(() => innocent.kill('SIGKILL'));
  const job = await meanwhile(t, at, {}, async (running) => {
    const { folder, keeper } = keptIn(running);
    process.kill(keeper.pid, 'SIGKILL');
    await untilGone(keeper.pid);
    const session = sessionIn(folder);
    const status = session.status() ?? assert.fail();
    session.write({ ...status, keeper: { ...keeper, pid: innocent.pid ?? 0 } });
  });
  assert.equal(job.conclusion, 'success', job.text);
  assert.ok(isRunning(innocent.pid ?? 0));
  assert.equal(await at.holder(), '');
});

for (const signal of ['SIGKILL', 'SIGSTOP'] as const) {
  real(
    `the keeper gets ${signal}, and the lock passes to another: post says that it was lost, and does not touch the other`,
    async (t) => {
      const at = await lab();
      let other = '';
      let thief: Guard | undefined;
      const job = await meanwhile(t, at, { 'lease-duration': '2s' }, async (running) => {
        process.kill(keptIn(running).keeper.pid, signal);
        thief = guarded(t, at, 'cat', running.workspace);
        await thief.says(/acquired/);
        other = await at.holder();
      });
      assert.equal(job.conclusion, 'failure');
      assert.match(
        onlyError(job),
        /was lost: the process that renewed it (was killed|did not respond), and nothing renewed it in time/,
      );
      assert.equal(job.steps[0]?.post?.code, 1);
      assert.match(other, /^user\//);
      assert.equal(await at.holder(), other);
      thief?.input('');
      assert.equal((await thief?.finished)?.code, 0);
    },
  );
}

real(
  'the keeper is told to end while steps run: the lock is given back, and the job is told that it went on without',
  async (t) => {
    const at = await lab();
    const job = await meanwhile(t, at, {}, async (running) => {
      const { pid } = keptIn(running).keeper;
      process.kill(pid, 'SIGTERM');
      await untilGone(pid);
      assert.equal(await at.holder(), '');
    });
    assert.equal(job.conclusion, 'failure', job.text);
    assert.match(onlyError(job), /SIGTERM/);
  },
);

real('the keeper is killed while main waits: one error, and nothing stays in the queue', async (t) => {
  const { lock, untilWaiting, waiters } = await lab();
  const first = await holdingJob(t, lock());
  const second = startJob(t, [lock(), { run: 'echo never' }]);
  await untilWaiting();
  process.kill(keptIn(second).keeper.pid, 'SIGKILL');
  const job = await second.finished;
  assert.equal(job.conclusion, 'failure');
  assert.match(onlyError(job), /the process that renews the lock has ended/);
  assert.doesNotMatch(job.text, /never/);
  assert.deepEqual(await waiters(), []);
  assertTidy(job);
  first.end();
});

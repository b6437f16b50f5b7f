/** Nobody waits longer than they must for a job whose phase, runner, folder or machine is gone without a post. */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { isRunning } from '../harness/guards.ts';
import { real } from '../harness/real.ts';
import { runJob, startJob } from '../harness/runner/index.ts';
import { until } from '../harness/until.ts';
import { gate, holdingJob, keptIn, lab, onlyError, ran, untilGone } from './lab.ts';

real('main killed while it waits, and no post soon: the keeper leaves the queue by itself', async (t) => {
  const { lock, untilWaiting } = await lab();
  const first = await holdingJob(t, lock());
  const second = startJob(t, [lock(), { run: 'echo failed; read -r _ <fifo', if: 'always' }]);
  await untilWaiting();
  await second.prints(/waiting for Lease/);
  process.kill(second.phasePid(), 'SIGKILL');
  await second.prints(/failed/);
  await untilWaiting(0);
  assert.equal(second.outputs('step-1').acquired, undefined);
  await second.shutDown();
  first.end();
});

real(
  'main is killed when its keeper has just acquired: no step knows of the lock, and it is given back without a post',
  async (t) => {
    const { lock, untilWaiting, untilFree, holder } = await lab();
    const first = await holdingJob(t, lock(), { repository: 'acme/web' });
    const second = startJob(t, [lock(), { run: 'echo failed; exec sleep 600', if: 'always' }]);
    await untilWaiting();
    const main = second.phasePid();
    process.kill(main, 'SIGSTOP');
    first.end();
    await until(async () => (await holder()).startsWith('gha/acme%2Fapi/'), 'the keeper has it');
    process.kill(main, 'SIGKILL');
    await untilFree();
    await second.prints(/failed/);
  },
);

real('the runner is killed, no post runs: the keeper gives the lock back', async (t) => {
  const { lock, untilFree } = await lab();
  const running = gate(t);
  const job = startJob(t, [lock(), () => running.opened]);
  await job.prints(/acquired Lease/);
  await until(() => job.phasePid() === 0, 'the end of main');
  job.killWorker();
  await untilFree();
  running.open();
  assert.equal((await job.finished).conclusion, 'lost');
});

real('the runner is killed while main waits, no post runs: nothing stays in the queue', async (t) => {
  const { lock, untilWaiting } = await lab();
  const first = await holdingJob(t, lock());
  const second = startJob(t, [lock()]);
  await untilWaiting();
  second.killWorker();
  await untilWaiting(0);
  first.end();
  assert.equal((await first.finished).conclusion, 'success');
});

real('the folder of the job goes, no post runs: the keeper gives the lock back', async (t) => {
  const { lock, untilFree } = await lab();
  const job = await runJob(t, [
    lock(),
    async (running) => {
      const { keeper } = keptIn(running);
      rmSync(running.temp, { recursive: true });
      await untilFree();
      await untilGone(keeper.pid);
    },
  ]);
  // What is left can't tell whether the lock was held until post came: it was not.
  assert.equal(job.conclusion, 'failure', job.text);
  assert.match(onlyError(job), /lost|gone|given back/);
  assert.ok(ran(job.steps[0]?.post).ms < 5000, 'there is nothing to wait for');
});

real('the machine goes down with all that runs on it: the lock expires, and the next job has it', async (t) => {
  const { lock, holder } = await lab();
  const job = startJob(t, [lock({ 'lease-duration': '2s' }), { run: 'echo deploying; exec sleep 60' }]);
  await job.prints(/deploying/);
  const { pid } = keptIn(job).keeper;
  await job.shutDown();
  assert.ok(!isRunning(pid));
  assert.match(await holder(), /^gha\//, 'nobody gave it back');
  const next = await runJob(t, [lock(), { run: 'echo next' }]);
  assert.equal(next.conclusion, 'success', next.text);
  assert.match(next.text, /waiting for Lease/);
});

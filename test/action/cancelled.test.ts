/** A cancelled job leaves nothing in the queue, and releases the lock that it has, in every manner in which a runner cancels. */
import assert from 'node:assert/strict';
import { isRunning } from '../harness/guards.ts';
import { real } from '../harness/real.ts';
import { type CancelTimes, IMMEDIATELY, type JobOptions, startJob } from '../harness/runner/index.ts';
import { until } from '../harness/until.ts';
import { assertTidy, holdingJob, lab, onlyError, ran } from './lab.ts';

const QUICK: CancelTimes = { termAfterMs: 200, killAfterMs: 200 };

const manners: [string, JobOptions][] = [
  ['by the signals of a real runner', {}],
  ['by SIGKILL immediately', { cancelTimes: IMMEDIATELY }],
  ['in a container, where no signal arrives', { manner: 'container', cancelTimes: QUICK }],
];

for (const [manner, options] of manners) {
  for (const given of [{}, { 'acquire-in': 'pre' }, { run: 'echo deploying' }]) {
    real(`cancelled while it waits, ${manner}: nothing stays in the queue (${JSON.stringify(given)})`, async (t) => {
      const { lock, holder, untilWaiting, waiters } = await lab();
      const first = await holdingJob(t, lock());
      const held = await holder();
      let phase = 0;
      // Nothing but post tells a phase in a container that it is not wanted any more: what still ran would get the lock in the end.
      const beforeSweep = () => until(() => !isRunning(phase), 'the end of the cancelled phase');
      const second = startJob(t, [lock(given), { run: 'echo never' }], { ...options, beforeSweep });
      await untilWaiting();
      phase = second.phasePid();
      await second.prints(/waiting for Lease/);
      second.cancel();
      const job = await second.finished;
      assert.equal(job.conclusion, 'cancelled');
      assert.deepEqual(await waiters(), [], job.text);
      assert.equal(await holder(), held);
      assert.doesNotMatch(job.text, /never|deploying\n/);
      assertTidy(job);
      if (manner === manners[0]?.[0]) {
        const phase = ran(job.steps[0]?.main ?? job.steps[0]?.pre);
        assert.deepEqual([phase.code, phase.signal], [1, null], 'it ended by itself');
        assert.match(onlyError(job), /SIGINT/);
      }
      first.end();
      assert.equal((await first.finished).conclusion, 'success');
    });
  }
}

real('cancelled while the steps run: the lock is given back', async (t) => {
  const { lock, holder } = await lab();
  const job = startJob(t, [lock(), { run: 'echo deploying; exec sleep 60' }], { cancelTimes: QUICK });
  await job.prints(/deploying/);
  assert.match(await holder(), /^gha\//);
  job.cancel();
  const result = await job.finished;
  assert.equal(result.conclusion, 'cancelled');
  assert.equal(await holder(), '');
  assert.deepEqual(result.annotations, []);
  assertTidy(result);
});

/** A job that asks again for the lock that it has finds that out, and does not wait for itself. */
import assert from 'node:assert/strict';
import { real } from '../harness/real.ts';
import { runJob } from '../harness/runner/index.ts';
import { assertTidy, lab, onlyError } from './lab.ts';

real(
  'two steps take the same lock in one job: the second would wait for what only its own job can release, and fails immediately',
  async (t) => {
    const { lock, holder } = await lab();
    const job = await runJob(t, [lock(), lock()]);
    assert.equal(job.conclusion, 'failure');
    assert.match(onlyError(job), /held by gha\/acme%2Fapi/);
    assert.equal(await holder(), '', 'the post of the second leaves the first alone, which gives back its own');
    assertTidy(job);
  },
);

real(
  'a later step of the job knows that it runs under the lock: a guard there would wait for its own job, and finds that out',
  async (t) => {
    const { lock } = await lab();
    const job = await runJob(t, [lock(), { run: 'echo "ancestors: $LEASE_LOCK_ANCESTORS"' }]);
    assert.match(job.text, /ancestors: gha\/acme%2Fapi\/\S+/);
  },
);

/** A lock that somebody else has, for a job that does not want to wait for it, or not for long. */
import assert from 'node:assert/strict';
import { real } from '../harness/real.ts';
import { runJob } from '../harness/runner/index.ts';
import { assertTidy, holdingJob, lab, onlyError } from './lab.ts';

real('on-busy skip: the step succeeds and says that it has no lock; the holder keeps it', async (t) => {
  const { lock, holder } = await lab();
  const first = await holdingJob(t, lock());
  const held = await holder();
  const job = await runJob(t, [
    lock({ 'on-busy': 'skip' }, { id: 'lock' }),
    async (at) => assert.deepEqual([at.outputs('lock').acquired, await holder()], ['false', held]),
  ]);
  assert.equal(job.conclusion, 'success', job.text);
  assert.deepEqual(
    job.annotations.map(({ level }) => level),
    ['notice'],
  );
  assert.equal(await holder(), held, 'the post of who has none gives none back');
  assertTidy(job);
  first.end();
  assert.equal((await first.finished).conclusion, 'success');
});

real(
  'on-busy fail, and a timeout: one error with who holds it, since when, why, and where to look; nothing stays in the queue',
  async (t) => {
    const { lock, waiters } = await lab();
    const first = await holdingJob(t, lock({ reason: 'release 1.2' }), { runId: '41' });
    for (const given of [{ 'on-busy': 'fail' }, { timeout: '0' }, { timeout: '1s' }]) {
      const job = await runJob(t, [lock(given, { id: 'lock' }), { run: 'echo never' }]);
      assert.equal(job.conclusion, 'failure');
      assert.equal(job.steps[0]?.outputs.acquired, 'false');
      assert.match(
        onlyError(job),
        /held by gha\/acme%2Fapi\/41\/1\/deploy\/\w+.* since \S+.*release 1\.2.*https:\/\/github\.test\/acme\/api\/actions\/runs\/41/,
      );
      assert.doesNotMatch(job.text, /never/);
      assert.deepEqual(await waiters(), []);
      assertTidy(job);
    }
    first.end();
  },
);

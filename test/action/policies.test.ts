/** Replace, supersede and once in jobs. docs/policies.md. */
import assert from 'node:assert/strict';
import { real } from '../harness/real.ts';
import { runJob, startJob } from '../harness/runner/index.ts';
import { until } from '../harness/until.ts';
import { assertTidy, holdingJob, keptIn, lab, onlyError } from './lab.ts';

real('a command that is replaced is stopped, and its step fails with who has replaced it', async (t) => {
  const { lock } = await lab();
  const first = startJob(t, [lock({ run: 'echo deploying; exec sleep 600' })], { runId: '41' });
  await first.prints(/deploying/);
  const second = await runJob(t, [lock({ run: 'echo newest', 'on-busy': 'replace', reason: 'v2' })], { runId: '42' });
  assert.equal(second.conclusion, 'success', second.text);
  const replaced = await first.finished;
  assert.equal(replaced.conclusion, 'failure');
  assert.match(onlyError(replaced), /the command was stopped: replaced by gha\/acme%2Fapi\/42\/1\/deploy\/\w+: v2/);
  assertTidy(replaced);
});

real('a job that is replaced goes on to its end, and then fails with who has replaced it', async (t) => {
  const { lock } = await lab();
  const first = await holdingJob(t, lock(), { runId: '41' });
  const second = startJob(t, [lock({ 'on-busy': 'replace' }), { run: 'echo newest' }], { runId: '42' });
  await until(() => keptIn(first).phase === 'stop-requested', 'the keeper knows');
  first.end();
  const replaced = await first.finished;
  assert.equal(replaced.conclusion, 'failure');
  assert.match(
    onlyError(replaced),
    /the holder of Lease \S+ was replaced by gha\/acme%2Fapi\/42\/1\/deploy\/\w+.*until the end of the job/,
  );
  assert.equal((await second.finished).conclusion, 'success');
});

real('a step that is superseded, or whose work has succeeded already, succeeds without the lock', async (t) => {
  const { lock } = await lab();
  const first = await holdingJob(t, lock());
  const older = startJob(t, [lock({ supersede: 'web' }, { id: 'lock' })]);
  await older.prints(/waiting for Lease/);
  const newest = startJob(t, [lock({ supersede: 'web', run: 'echo newest', once: 'v2' })]);
  const superseded = await older.finished;
  assert.deepEqual([superseded.conclusion, superseded.steps[0]?.outputs.acquired], ['success', 'false'], superseded.text);
  assert.match(superseded.annotations[0]?.message ?? '', /superseded by gha\//);
  first.end();
  assert.equal((await newest.finished).conclusion, 'success');
  const again = await runJob(t, [lock({ run: 'echo again', once: 'v2' })]);
  assert.equal(again.conclusion, 'success');
  assert.match(again.annotations[0]?.message ?? '', /the work has succeeded already for the key "v2"/);
});

real('jobs share a lock with two permits, and the third waits for one of them', async (t) => {
  const { lock } = await lab();
  const first = await holdingJob(t, lock({ permits: '2' }), { runId: '41' });
  const second = await holdingJob(t, lock({ permits: '2' }), { runId: '42' });
  const third = startJob(t, [lock({ permits: '2', run: 'echo third' })], { runId: '43' });
  await third.prints(/waiting for Lease \S+: next in queue; held by gha\/\S+ .* and gha\//);
  first.end();
  assert.equal((await third.finished).conclusion, 'success');
  second.end();
  for (const job of [first, second]) assert.equal((await job.finished).conclusion, 'success');
});

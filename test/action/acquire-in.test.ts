/** acquire-in pre: the lock is taken before the first step of the job, and what becomes of it until the turn of its own step. */
import assert from 'node:assert/strict';
import { real } from '../harness/real.ts';
import { runJob } from '../harness/runner/index.ts';
import { until } from '../harness/until.ts';
import { assertTidy, holdingJob, keptIn, lab, onlyError, ran } from './lab.ts';

real(
  'acquire-in pre: the lock is held before the first step of the job, and outputs come with the step’s own turn',
  async (t) => {
    const { lock, holder } = await lab();
    const seen: string[] = [];
    const job = await runJob(t, [
      async () => seen.push(await holder()),
      lock({ 'acquire-in': 'pre' }, { id: 'lock' }),
      async (at) => seen.push(at.outputs('lock').holder ?? 'none'),
    ]);
    assert.equal(job.conclusion, 'success', job.text);
    assert.match(seen[0] ?? '', /^gha\//);
    assert.equal(seen[1], seen[0]);
    assert.equal(job.steps[1]?.outputs.acquired, 'true');
    assert.equal(await holder(), '');
    assertTidy(job);
  },
);

real('acquire-in pre: given back, too, when the step itself is skipped', async (t) => {
  const { lock, holder } = await lab();
  const job = await runJob(t, [lock({ 'acquire-in': 'pre' }, { if: false }), async () => assert.match(await holder(), /^gha\//)]);
  assert.equal(job.conclusion, 'success', job.text);
  assert.equal(await holder(), '');
});

real('acquire-in pre: what could not be had fails the job before its first step', async (t) => {
  const { lock } = await lab();
  const first = await holdingJob(t, lock());
  const job = await runJob(t, [{ run: 'echo never' }, lock({ 'acquire-in': 'pre', 'on-busy': 'fail' })]);
  assert.equal(job.conclusion, 'failure');
  assert.doesNotMatch(job.text, /never/);
  assert.match(onlyError(job), /held by gha\//);
  first.end();
});

real('acquire-in pre: a lock that is lost before the step’s own turn fails it', async (t) => {
  const { lock, clear } = await lab();
  const job = await runJob(t, [
    async (running) => {
      await clear();
      await until(() => keptIn(running).phase === 'lost', 'the keeper knows');
    },
    lock({ 'acquire-in': 'pre' }, { id: 'lock' }),
    { run: 'echo never' },
  ]);
  assert.equal(job.conclusion, 'failure');
  assert.equal(job.steps[1]?.outputs.acquired, 'false');
  assert.match(ran(job.steps[1]?.main).text, /was lost at/);
  assert.doesNotMatch(job.text, /never/);
});

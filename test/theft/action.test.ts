/** The Action where the policy against theft is in place: it holds under the id that the API server wants of it, and cleans up under that, too. */
import assert from 'node:assert/strict';
import { keptIn, lab, onlyError } from '../action/lab.ts';
import { real } from '../harness/real.ts';
import { runJob, type Step, startJob } from '../harness/runner/index.ts';
import { guardNamespace } from './lab.ts';

async function guardedLab() {
  const it = await lab('theft');
  await guardNamespace(it.cluster, it.namespace, { authorization: `Bearer ${it.token}` });
  return it;
}

const OWN = /^user\/system:serviceaccount:[^/]+\/gha\/acme%2Fapi\//;

real('a job holds the lock under its own name, and gives it back', async (t) => {
  const { lock, holder, untilFree } = await guardedLab();
  const during: Step = async (job) => {
    assert.match(await holder(), OWN);
    assert.equal(job.outputs('lock').holder, await holder());
  };
  const job = await runJob(t, [lock({}, { id: 'lock' }), during]);
  assert.equal(job.conclusion, 'success', job.text);
  await untilFree();
});

real('a command of run holds it under its own name', async (t) => {
  const { lock, untilFree } = await guardedLab();
  const job = await runJob(t, [lock({ run: 'echo "under $LEASE_LOCK_HOLDER"' })]);
  assert.equal(job.conclusion, 'success', job.text);
  assert.match(job.text, /under user\/system:serviceaccount:[^/]+\/gha\/acme%2Fapi\//);
  await untilFree();
});

real('the keeper is killed: post gives back what it held under that name', async (t) => {
  const { lock, holder } = await guardedLab();
  const killed: Step = (job) => {
    process.kill(keptIn(job).keeper.pid, 'SIGKILL');
  };
  const job = await runJob(t, [lock(), killed]);
  assert.match(job.text, /the process that renewed it was killed; released without it, in time/);
  assert.equal(await holder(), '');
});

real('a holder that is given is not changed: the job fails, and is told how it has to begin', async (t) => {
  const { lock, namespace } = await guardedLab();
  const job = await runJob(t, [lock({ mode: 'acquire', holder: 'pipeline-7', 'lease-duration': '5m' })]);
  assert.equal(job.conclusion, 'failure');
  assert.match(
    onlyError(job),
    new RegExp(`is not yours: it must be user/system:serviceaccount:${namespace}:\\S+ or start with it and a /`),
  );
});

real('policies need no more rights than waiting and holding: nobody writes for another', async (t) => {
  const { lock } = await guardedLab();
  const first = startJob(t, [lock({ run: 'echo deploying; exec sleep 600' })]);
  await first.prints(/deploying/);
  const older = startJob(t, [lock({ run: 'echo never', supersede: 'default' })]);
  await older.prints(/waiting for Lease/);
  const policies = { 'on-busy': 'replace', 'min-hold': '5s', once: 'v2' };
  const newest = await runJob(t, [lock({ run: 'echo newest', ...policies })]);
  assert.equal(newest.conclusion, 'success', newest.text);
  assert.match(newest.text, /it stays taken for another/);
  assert.match(onlyError(await first.finished), /the command was stopped: replaced by user\/system:serviceaccount:/);
  assert.match((await older.finished).annotations[0]?.message ?? '', /superseded by/);
  const again = await runJob(t, [lock({ run: 'echo again', once: 'v2' })]);
  assert.match(again.annotations[0]?.message ?? '', /has succeeded already for the key "v2"/);
  const next = await runJob(t, [lock({ run: 'echo next' })]);
  assert.equal(next.conclusion, 'success', next.text);
});

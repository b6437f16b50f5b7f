/** The modes that are not for one job alone: a lock that one job takes and another gives back, and a look at whether it is still held. */
import assert from 'node:assert/strict';
import { real } from '../harness/real.ts';
import { runJob, startJob } from '../harness/runner/index.ts';
import { until } from '../harness/until.ts';
import { assertTidy, gate, holdingJob, keptIn, lab, onlyError, ran } from './lab.ts';

const SHARED = { mode: 'acquire', holder: 'acme/api/77', 'lease-duration': '1h' };

real('acquire in one job, release in another: held in between, without anything that runs', async (t) => {
  const { lock, holder, holders, lease, namespace } = await lab();
  const first = await runJob(t, [lock(SHARED, { id: 'lock' }), { run: 'echo building' }]);
  assert.equal(first.conclusion, 'success', first.text);
  assertTidy(first);
  assert.deepEqual(
    { ...first.steps[0]?.outputs, token: '', 'waited-seconds': '' },
    {
      acquired: 'true',
      lease: 'deploy',
      namespace,
      holder: 'acme/api/77',
      token: '',
      transitions: '1',
      'waited-seconds': '',
      position: '0',
      'held-by': '',
    },
  );
  assert.match(ran(first.steps[0]?.main).summary, /acquired/);
  assert.equal(await holder(), 'acme/api/77', 'exactly as given');
  assert.equal((await lease()).spec.leaseDurationSeconds, 3600);
  assert.equal((await holders()).length, 1);

  const other = await runJob(t, [lock({ 'on-busy': 'fail' })]);
  assert.equal(other.conclusion, 'failure');
  assert.match(onlyError(other), /held by acme\/api\/77/);

  const last = await runJob(t, [lock({ mode: 'release', holder: 'acme/api/77' })]);
  assert.equal(last.conclusion, 'success', last.text);
  assert.deepEqual(last.annotations, []);
  assert.equal(await holder(), '');
  assert.deepEqual(await holders(), []);
});

real('release of a holder of another job asks it to stop, and waits; by force it is cleared', async (t) => {
  const { lock, holder } = await lab();
  const guarded = { run: 'echo started; exec sleep 600', holder: 'acme/api' };
  const job = startJob(t, [lock(guarded)]);
  await job.prints(/started/);
  const id = await holder();
  const other = await runJob(t, [lock({ mode: 'release', holder: 'acme/web' })]);
  assert.match(other.text, /was not held by acme\/web/);
  const asked = await runJob(t, [lock({ mode: 'release', holder: id, reason: 'a hot fix' })]);
  assert.equal(asked.conclusion, 'success', asked.text);
  assert.match(asked.text, /asked acme\/api\/\w+ to release Lease/);
  assert.match(asked.text, /has released Lease/);
  const stopped = await job.finished;
  assert.equal(stopped.conclusion, 'failure');
  assert.match(stopped.text, /asked to stop by \S+: a hot fix, https:\/\/github\.test/);

  assert.equal((await runJob(t, [lock(SHARED)])).conclusion, 'success');
  const silent = await runJob(t, [lock({ mode: 'release', holder: 'acme/api/77x', force: 'silent' })]);
  assert.match(silent.text, /was not held/);
  const invalid = await runJob(t, [lock({ force: 'live' })]);
  assert.match(onlyError(invalid), /force: requires mode release/);
});

real('acquire by the same holder again extends: the same place, a new hour', async (t) => {
  const { lock, lease, holders } = await lab();
  assert.equal((await runJob(t, [lock(SHARED)])).conclusion, 'success');
  const before = await lease();
  const again = await runJob(t, [lock({ ...SHARED, 'lease-duration': '2h' }, { id: 'lock' })]);
  assert.equal(again.conclusion, 'success', again.text);
  assert.equal(again.steps[0]?.outputs.acquired, 'true');
  const after = await lease();
  assert.equal(after.spec.leaseDurationSeconds, 7200);
  assert.equal(after.spec.leaseTransitions, before.spec.leaseTransitions);
  assert.ok((after.spec.renewTime ?? '') > (before.spec.renewTime ?? ''));
  assert.equal((await holders()).length, 1);
  assert.equal((await holders())[0]?.duration, 7200);
});

real(
  'two legs of a matrix that name one holder both have the lock, and the second says so; two steps of one job are one',
  async (t) => {
    const { lock, holders } = await lab();
    const legs = await Promise.all([runJob(t, [lock(SHARED)]), runJob(t, [lock(SHARED)])]);
    for (const { conclusion, text } of legs) assert.equal(conclusion, 'success', text);
    const [warning, ...more] = legs.flatMap(({ annotations }) => annotations);
    assert.deepEqual([warning?.level, more, (await holders()).length], ['warning', [], 1]);
    assert.match(
      warning?.message ?? '',
      /held already by this same holder, acme\/api\/77 .*BOTH HAVE THE LOCK: give each a holder of its own/,
    );
    const another = await lab();
    const steps = await runJob(t, [another.lock(SHARED), another.lock(SHARED)]);
    assert.deepEqual([steps.conclusion, steps.annotations], ['success', []], steps.text);
  },
);

real('a lock acquired for a while is free when that is over, and its release then is a notice', async (t) => {
  const { lock, holder } = await lab();
  assert.equal((await runJob(t, [lock({ ...SHARED, 'lease-duration': '2s' })])).conclusion, 'success');
  const end = gate(t);
  const next = startJob(t, [lock(), () => end.opened]);
  await next.prints(/acquired Lease/);
  const held = await holder();
  const late = await runJob(t, [lock({ mode: 'release', holder: SHARED.holder })]);
  assert.equal(late.conclusion, 'success', late.text);
  assert.deepEqual(
    late.annotations.map(({ level }) => level),
    ['notice'],
  );
  assert.match(late.annotations[0]?.message ?? '', /was not held by acme\/api\/77/);
  assert.equal(await holder(), held, 'whoever has it now keeps it');
  end.open();
  assert.equal((await next.finished).conclusion, 'success');
});

real('release where there is nothing is a notice', async (t) => {
  const { lock } = await lab();
  const job = await runJob(t, [lock({ mode: 'release', holder: 'nobody' })]);
  assert.equal(job.conclusion, 'success', job.text);
  assert.deepEqual(
    job.annotations.map(({ level }) => level),
    ['notice'],
  );
});

real(
  'acquire waits in the queue like everybody else; cancelled, it leaves; killed before it was told, it gives back what it took',
  async (t) => {
    const { lock, untilWaiting, waiters, holder } = await lab();
    const first = await holdingJob(t, lock());
    const second = startJob(t, [lock(SHARED)]);
    await untilWaiting();
    second.cancel();
    const { conclusion, text } = await second.finished;
    assert.equal(conclusion, 'cancelled', text);
    assert.deepEqual(await waiters(), []);

    const third = startJob(t, [lock(SHARED)]);
    await untilWaiting();
    process.kill(third.phasePid(), 'SIGSTOP');
    first.end();
    await until(async () => (await holder()) === SHARED.holder, 'the lock taken while the step sleeps');
    process.kill(third.phasePid(), 'SIGKILL');
    assert.equal((await third.finished).conclusion, 'failure');
    assert.equal(await holder(), '', 'no job knows of it');
  },
);

real('check: still held', async (t) => {
  const { lock, namespace } = await lab();
  const job = await runJob(t, [lock(), lock({ mode: 'check' }, { id: 'check' }), { run: 'echo deploying' }]);
  assert.equal(job.conclusion, 'success', job.text);
  assert.equal(job.steps[1]?.outputs.acquired, 'true');
  assert.match(job.text, /deploying/);
  const elsewhere = await runJob(t, [lock(), lock({ mode: 'check', namespace: `${namespace}-2` })]);
  assert.match(onlyError(elsewhere), /this job has no lock deploy in namespace/);
});

real('check: fails immediately when it is not held, by one error, and the steps after it do not run', async (t) => {
  const { lock, clear } = await lab();
  const skipped = await runJob(t, [lock({}, { if: false }), lock({ mode: 'check' }), { run: 'echo never' }]);
  assert.equal(skipped.conclusion, 'failure');
  assert.match(onlyError(skipped), /this job has no lock deploy/);
  assert.equal(skipped.steps[1]?.outputs.acquired, 'false');
  assert.doesNotMatch(skipped.text, /never/);

  const lost = await runJob(t, [
    lock({ 'on-lost': 'warn' }),
    async (running) => {
      await clear();
      await until(() => keptIn(running).phase === 'lost', 'the keeper knows');
    },
    lock({ mode: 'check' }),
    { run: 'echo never' },
  ]);
  assert.equal(lost.conclusion, 'failure');
  assert.match(lost.steps[2]?.main?.annotations[0]?.message ?? '', /was lost at .*: ./);
  assert.doesNotMatch(lost.text, /never/);

  const killed = await runJob(t, [
    lock(),
    (running) => process.kill(keptIn(running).keeper.pid, 'SIGKILL'),
    lock({ mode: 'check' }),
    { run: 'echo never' },
  ]);
  assert.match(onlyError(killed), /is about to be lost: the process that renews it was killed/);
  assert.doesNotMatch(killed.text, /never/);
});

real('check: a step that was given no lock by on-busy skip has none', async (t) => {
  const { lock } = await lab();
  const first = await holdingJob(t, lock());
  const job = await runJob(t, [lock({ 'on-busy': 'skip' }), lock({ mode: 'check' })]);
  assert.match(job.steps[1]?.main?.annotations[0]?.message ?? '', /was not acquired by this job: it was held by \S+/);
  assert.equal(job.conclusion, 'failure');
  first.end();
});

real('check: a holder that wants the lock back is a reason to stop', async (t) => {
  const { lock, lease, overwrite } = await lab();
  const job = await runJob(t, [
    lock(),
    async (running) => {
      const { holderIdentity: holder } = (await lease()).spec;
      await overwrite(({ metadata }) => {
        const stop = { holder, by: 'carol', kind: 'unlock', reason: 'hotfix' };
        metadata.annotations = {
          ...metadata.annotations,
          'lease-lock.nullplatform.com/lock': JSON.stringify({ v: 1, next: 9, stop }),
        };
      });
      await until(() => keptIn(running).phase === 'stop-requested', 'the keeper knows');
    },
    lock({ mode: 'check' }),
  ]);
  assert.match(onlyError(job), /is to be released: asked to stop by carol: hotfix/);
});

real('check with holder: reads the Lease, from any job', async (t) => {
  const { lock, clear } = await lab();
  const check = { mode: 'check', holder: SHARED.holder };
  const before = await runJob(t, [lock(check)]);
  assert.match(onlyError(before), /does not exist/);
  assert.equal((await runJob(t, [lock(SHARED)])).conclusion, 'success');
  const during = await runJob(t, [lock(check)]);
  assert.deepEqual([during.conclusion, during.steps[0]?.outputs.acquired], ['success', 'true'], during.text);
  const other = await runJob(t, [lock({ mode: 'check', holder: 'acme/web/1' })]);
  assert.match(onlyError(other), /is not held by acme\/web\/1, but by acme\/api\/77/);
  await clear();
  const after = await runJob(t, [lock(check), { run: 'echo never' }]);
  assert.match(onlyError(after), /is not held by acme\/api\/77/);
  assert.equal(after.steps[0]?.outputs.acquired, 'false');
  assert.doesNotMatch(after.text, /never/);
});

real('check with holder: what has expired is not held, even if nobody has taken it', async (t) => {
  const { lock, holder } = await lab();
  assert.equal((await runJob(t, [lock({ ...SHARED, 'lease-duration': '2s' })])).conclusion, 'success');
  const check = () => runJob(t, [lock({ mode: 'check', holder: SHARED.holder })]);
  await until(async () => (await check()).conclusion === 'failure', 'it has expired');
  assert.match(onlyError(await check()), /has expired: lease-duration was too short/);
  assert.equal(await holder(), SHARED.holder);
});

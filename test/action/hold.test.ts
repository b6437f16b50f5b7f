/** A job that holds a lock: what it says in the Lease and in its outputs, who waits for it, and that it is released however the steps end. */
import assert from 'node:assert/strict';
import type { ApiObject } from '../harness/api.ts';
import { real } from '../harness/real.ts';
import { runJob, type Step, startJob } from '../harness/runner/index.ts';
import { ACTION, assertTidy, gate, guarded, holdingJob, type Lab, lab, ran } from './lab.ts';

real('the lock is held from the step to the end of the job, and the Lease says by whom, why and where to look', async (t) => {
  const at = await lab();
  const { namespace } = at;
  const during: Step = async (job) => {
    await assertLeaseSays(at);
    assertOutputsSay(job.outputs('lock'), await at.lease());
    assert.deepEqual(job.places(at.token), []);
  };
  const options = { runId: '77', attempt: '2', name: 'build' };
  const job = await runJob(t, [at.lock({}, { id: 'lock' }), during, { run: 'echo deploying' }], options);
  assert.equal(job.conclusion, 'success', job.text);
  assert.equal(await at.holder(), '', 'released');
  assert.deepEqual(await at.holders(), []);
  assert.deepEqual(job.annotations, []);
  assertTidy(job);
  assert.match(job.text, new RegExp(`acquired Lease ${namespace}/deploy after \\S+ \\(token \\d+\\)`));
  const { post } = job.steps[0] ?? {};
  assert.equal(ran(post).groups.length, 1);
  assert.match(ran(post).text, new RegExp(`released Lease ${namespace}/deploy after`));
  assert.match(ran(post).summary, new RegExp(`${namespace}/deploy.*held`, 's'));
});

async function assertLeaseSays({ lease, holders }: Lab): Promise<void> {
  const { spec, metadata } = await lease();
  const about = {
    who: 'alice',
    reason: 'Deploy: build',
    url: 'https://github.test/acme/api/actions/runs/77/attempts/2',
    host: 'runner-1',
  };
  const key = Object.keys(metadata.annotations ?? {}).find((each) => each.startsWith('holder.'));
  const { mark } = (await holders())[0] ?? {};
  assert.deepEqual(await holders(), [{ key, id: spec.holderIdentity, mark, duration: 60, since: spec.acquireTime, about }]);
  assert.match(key ?? '', /^holder\.lease-lock\.nullplatform\.com\/\d+-\w+$/);
  assert.match(mark ?? '', /./);
  assert.match(spec.holderIdentity ?? '', /^gha\/acme%2Fapi\/77\/2\/build\/[0-9a-z]{10}$/);
  assert.equal(spec.leaseDurationSeconds, 60);
}

function assertOutputsSay(outputs: Record<string, string>, { spec, metadata }: ApiObject): void {
  const { token = '', 'waited-seconds': waited, ...others } = outputs;
  assert.deepEqual(others, {
    acquired: 'true',
    lease: 'deploy',
    namespace: metadata.namespace,
    holder: spec.holderIdentity,
    transitions: '1',
    position: '0',
    'held-by': '',
  });
  assert.match(token, /^\d+$/);
  assert.ok(Number(waited) < 60, waited);
}

real('two jobs take turns, and who waits is told who holds it, since when, why, and where to look', async (t) => {
  const { lock, untilWaiting, waiters } = await lab();
  const end = gate(t);
  const order: string[] = [];
  const first = startJob(t, [lock({ reason: 'release 1.2' }), () => end.opened, () => order.push('first is through')], {
    repository: 'acme/web',
    runId: '41',
  });
  await first.prints(/acquired Lease/);
  const second = startJob(t, [lock({}, { id: 'lock' }), () => order.push('second has it')], {
    runId: '42',
    actor: 'bob',
  });
  await second.prints(
    /waiting for Lease \S+: next in queue; held by gha\/acme%2Fweb\/41\/1\/deploy\/\w+ \(alice\) since \S+Z, for \S+: release 1\.2, https:\/\/github\.test\/acme\/web\/actions\/runs\/41/,
  );
  await untilWaiting();
  assert.match((await waiters())[0]?.id ?? '', /^gha\/acme%2Fapi\/42\/1\/deploy\//);
  end.open();
  const [one, two] = await Promise.all([first.finished, second.finished]);
  assert.deepEqual([one.conclusion, two.conclusion], ['success', 'success']);
  assert.deepEqual(order, ['first is through', 'second has it']);
  assert.equal(
    two.steps[0]?.outputs['held-by']?.includes('gha/acme%2Fweb/41/1/deploy/'),
    true,
    JSON.stringify(two.steps[0]?.outputs),
  );
  assert.match(ran(two.steps[0]?.post).summary, /acme%2Fweb\/41/);
});

real('legs of a matrix with one run, attempt and job id exclude each other', async (t) => {
  const { lock } = await lab();
  let inside = 0;
  const leg = () =>
    runJob(
      t,
      [
        lock(),
        async () => {
          inside += 1;
          assert.equal(inside, 1);
          await new Promise((resolve) => setTimeout(resolve, 200)); // Time for another to come in, if it could.
          inside -= 1;
        },
      ],
      { runId: '5' },
    );
  const jobs = await Promise.all([leg(), leg(), leg()]);
  assert.deepEqual(
    jobs.map(({ conclusion }) => conclusion),
    ['success', 'success', 'success'],
  );
});

real('a command under the guard stands in the same queue', async (t) => {
  const at = await lab();
  const { lock, untilWaiting } = at;
  const cli = guarded(t, at, 'cat');
  await cli.says(/acquired/);
  const job = startJob(t, [lock(), { run: 'echo deploying' }]);
  await untilWaiting();
  const later = guarded(t, at, 'true');
  await later.says(/1 ahead in queue/);
  assert.doesNotMatch(job.text, /deploying/);
  cli.input('');
  assert.equal((await job.finished).conclusion, 'success');
  assert.equal((await later.finished).code, 0);
});

real('a failure of a step gives the lock back all the same', async (t) => {
  const { lock, holder } = await lab();
  const job = await runJob(t, [lock(), { run: 'exit 3' }]);
  assert.equal(job.conclusion, 'failure');
  assert.deepEqual(job.annotations, []);
  assert.equal(await holder(), '');
  assertTidy(job);
});

real('a skipped step takes no lock, and its post has nothing to say', async (t) => {
  const { lock, lease } = await lab();
  const job = await runJob(t, [lock({}, { if: false }), { run: 'echo deploying' }]);
  assert.equal(job.conclusion, 'success');
  await assert.rejects(lease(), /404/);
  assert.equal(ran(job.steps[0]?.post).text, '');
  assertTidy(job);
});

real('a holder and a reason of one’s own', async (t) => {
  const { lock, holder, holders } = await lab();
  const job = await runJob(t, [
    lock({ holder: 'team-a/nightly', reason: 'the nightly import' }),
    async () => {
      assert.match(await holder(), /^team-a\/nightly\/\w{10}$/);
      assert.equal((await holders())[0]?.about.reason, 'the nightly import');
    },
  ]);
  assert.equal(job.conclusion, 'success', job.text);
  assert.equal(await holder(), '');
});

real('priority goes before arrival', async (t) => {
  const { lock, untilWaiting } = await lab();
  const order: string[] = [];
  const first = await holdingJob(t, lock());
  const low = startJob(t, [lock(), () => order.push('low')]);
  await untilWaiting(1);
  const high = startJob(t, [lock({ priority: '5' }), () => order.push('high')]);
  await untilWaiting(2);
  first.end();
  await Promise.all([low.finished, high.finished]);
  assert.deepEqual(order, ['high', 'low']);
});

real('two locks in one job, and each is given back by its own post', async (t) => {
  const { inputs, holder, namespace, cluster } = await lab();
  const second = { ...inputs({ name: 'other' }), token: cluster.adminToken };
  const job = await runJob(t, [
    { uses: ACTION, with: inputs() },
    { uses: ACTION, with: second },
    async () => assert.deepEqual([/^gha/.test(await holder()), /^gha/.test(await holder('other'))], [true, true]),
  ]);
  assert.equal(job.conclusion, 'success', job.text);
  assert.deepEqual([await holder(), await holder('other')], ['', '']);
  assert.match(job.text, new RegExp(`released Lease ${namespace}/other[\\s\\S]*released Lease ${namespace}/deploy`));
});

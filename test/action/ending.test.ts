/**
 * However a job ends, nobody waits longer than they must: no entry stays in the queue, and the lock is given back, or expires. Jobs are
 * cancelled in every manner of a real runner, and phases, keepers and runners are killed.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { guard, isRunning } from '../harness/guards.ts';
import { real } from '../harness/real.ts';
import { type CancelTimes, IMMEDIATELY, type Job, type JobOptions, runJob, startJob } from '../harness/runner/index.ts';
import { until } from '../harness/until.ts';
import { assertTidy, gate, keptIn, lab, onlyError, ran } from './lab.ts';

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
      const end = gate(t);
      const first = startJob(t, [lock(), () => end.opened]);
      await first.prints(/acquired Lease/);
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
      end.open();
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

real('main killed while it waits, and no post soon: the keeper leaves the queue by itself', async (t) => {
  const { lock, untilWaiting } = await lab();
  const end = gate(t);
  const first = startJob(t, [lock(), () => end.opened]);
  await first.prints(/acquired Lease/);
  const second = startJob(t, [lock(), { run: 'echo failed; read -r _ <fifo', if: 'always' }]);
  await untilWaiting();
  await second.prints(/waiting for Lease/);
  process.kill(second.phasePid(), 'SIGKILL');
  await second.prints(/failed/);
  await untilWaiting(0);
  assert.equal(second.outputs('step-1').acquired, undefined);
  await second.shutDown();
  end.open();
});

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

/** The keeper has ended; the process is known by its start, too. */
const untilGone = (pid: number) => until(() => !isRunning(pid), `the end of ${pid}`);

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
    const { folder, keeper, ...rest } = keptIn(running);
    process.kill(keeper.pid, 'SIGKILL');
    await untilGone(keeper.pid);
    writeFileSync(join(folder, 'status.json'), JSON.stringify({ ...rest, keeper: { ...keeper, pid: innocent.pid } }));
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
      const { namespace, cluster } = at;
      let other = '';
      const cli = (job: Job) =>
        guard(t, ['run', '--kubeconfig', cluster.kubeconfigFor(at.token), '-n', namespace, '--name', 'deploy', '--', 'cat'], {
          cwd: job.workspace,
        });
      let thief: ReturnType<typeof cli> | undefined;
      const job = await meanwhile(t, at, { 'lease-duration': '2s' }, async (running) => {
        process.kill(keptIn(running).keeper.pid, signal);
        thief = cli(running);
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

real('the runner is killed while main waits, no post runs: nothing stays in the queue', async (t) => {
  const { lock, untilWaiting } = await lab();
  const end = gate(t);
  const first = startJob(t, [lock(), () => end.opened]);
  await first.prints(/acquired Lease/);
  const second = startJob(t, [lock()]);
  await untilWaiting();
  second.killWorker();
  await untilWaiting(0);
  end.open();
  assert.equal((await first.finished).conclusion, 'success');
});

real('the keeper is killed while main waits: one error, and nothing stays in the queue', async (t) => {
  const { lock, untilWaiting, waiters } = await lab();
  const end = gate(t);
  const first = startJob(t, [lock(), () => end.opened]);
  await first.prints(/acquired Lease/);
  const second = startJob(t, [lock(), { run: 'echo never' }]);
  await untilWaiting();
  process.kill(keptIn(second).keeper.pid, 'SIGKILL');
  const job = await second.finished;
  assert.equal(job.conclusion, 'failure');
  assert.match(onlyError(job), /the process that renews the lock has ended/);
  assert.doesNotMatch(job.text, /never/);
  assert.deepEqual(await waiters(), []);
  assertTidy(job);
  end.open();
});

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
  'main is killed when its keeper has just acquired: no step knows of the lock, and it is given back without a post',
  async (t) => {
    const { lock, untilWaiting, untilFree, holder } = await lab();
    const end = gate(t);
    const first = startJob(t, [lock(), () => end.opened], { repository: 'acme/web' });
    await first.prints(/acquired Lease/);
    const second = startJob(t, [lock(), { run: 'echo failed; exec sleep 600', if: 'always' }]);
    await untilWaiting();
    const main = second.phasePid();
    process.kill(main, 'SIGSTOP');
    end.open();
    await until(async () => (await holder()).startsWith('gha/acme%2Fapi/'), 'the keeper has it');
    process.kill(main, 'SIGKILL');
    await untilFree();
    await second.prints(/failed/);
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

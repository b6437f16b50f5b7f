/** docs/operate.md is walked through on the real API server, by somebody who has the standalone executable and no Node.js. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { EXIT } from '../../image/exit-codes.ts';
import { type Staged, stage } from '../e2e/staged.ts';
import { executable } from '../harness/executable.ts';
import { type Guard, guard } from '../harness/guards.ts';
import { real, realCluster } from '../harness/real.ts';
import { EXAMPLE, pageAt, type Walker } from './walk.ts';

const { walker, left } = pageAt('docs/operate.md');
const SEE = 'See it';

interface Desk extends Walker {
  stage(staged: Staged): Promise<void>;
  /** A guard whose command lasts until its stdin says something. */
  runs(...options: string[]): Guard;
}

async function desk(t: TestContext): Promise<Desk> {
  const cluster = await realCluster();
  const namespace = await cluster.namespace('operate');
  const KUBECONFIG = cluster.kubeconfigFor(cluster.adminToken, namespace);
  return {
    ...walker(t, { cluster, namespace, kubeconfig: KUBECONFIG, program: [await executable()] }),
    stage: (staged) => stage(cluster, namespace, 'deploy', staged),
    runs: (...options) =>
      guard(t, ['run', '--name', 'deploy', ...options, '--', 'sh', '-c', 'echo running $LEASE_LOCK_TOKEN; read _'], {
        env: { KUBECONFIG },
      }),
  };
}

const holderIn = (status: string): string => /^Holder: +(\S+)/m.exec(status)?.[1] ?? '';

real('it is seen, and its holder is asked', async (t) => {
  const { follow, reads, runs } = await desk(t);
  const alice = runs();
  await alice.prints(/running/);
  const bob = runs();
  await bob.says(/waiting for Lease/);
  const { stdout } = await follow(SEE);
  assert.match(stdout, /^State: +Alive[\s\S]*^Queue: +1 waiting[\s\S]*^Next: +the holder releases the lock/m);
  assert.match((await follow(SEE, 1)).stdout, /^NAMESPACE[\s\S]* deploy +Alive/m);
  reads(EXAMPLE.holder, holderIn(stdout));
  assert.match((await follow('Free it')).stderr, /asked \S+ to release Lease[\s\S]* has released Lease/);
  const { code, stderr } = await alice.finished;
  assert.deepEqual([code, /rollback/.test(stderr)], [EXIT.stopped.code, true], stderr);
  await bob.prints(/running/);
});

real('a holder that is dead is cleared', async (t) => {
  const { follow, stage } = await desk(t);
  await stage({ holder: EXAMPLE.holder, days: 1, renewedDays: 3 });
  const { code, stderr } = await follow('Free it', 1);
  assert.equal(code, 0, stderr);
  assert.match((await follow(SEE)).stdout, /^State: +Free[\s\S]*^Forced: .*runner-7 is gone/m);
});

real('a waiter is moved, then removed', async (t) => {
  const { follow, reads, runs } = await desk(t);
  const alice = runs();
  await alice.prints(/running/);
  const bob = runs();
  await bob.says(/waiting for Lease/);
  const carol = runs();
  await carol.says(/waiting for Lease/);
  const keyAt = async (place: number) => {
    const { stdout } = await follow(SEE);
    return new RegExp(`^ {2}${place} .*? (\\d{6}-\\S+)`, 'm').exec(stdout)?.[1] ?? '';
  };
  reads(EXAMPLE.waiter, await keyAt(2));
  assert.match((await follow('Change the queue')).stderr, /moved \S+ in the queue/);
  reads(EXAMPLE.waiter, await keyAt(1));
  const { code, stderr } = await follow('Change the queue', 1);
  assert.deepEqual([code, /has left the queue/.test(stderr)], [0, true], stderr);
  assert.equal((await carol.finished).code, EXIT.stopped.code);
  alice.input('\n');
  await bob.prints(/running/);
});

real('permits are changed, and a hold is verified', async (t) => {
  const { follow, reads, runs } = await desk(t);
  reads('set import', 'set deploy');
  const alice = runs('--permits', '2');
  await alice.prints(/running \d/);
  assert.match((await follow('Change the permits')).stderr, /5 permits/);
  assert.match((await follow(SEE)).stdout, /1 of 5/);
  const [, token = ''] = /running (\d+)/.exec(alice.stdout) ?? [];
  reads(EXAMPLE.holder, holderIn((await follow(SEE)).stdout));
  reads('--token 48211 --transitions 7', `--token ${token} --transitions 1`);
  const verified = await follow('Verify a hold', 1);
  assert.equal(verified.code, 0, verified.stderr);
  alice.input('\n');
  assert.equal((await alice.finished).code, 0);
  const { stdout, code } = await follow('Verify a hold');
  assert.deepEqual([code, stdout], [0, 'deployed\n']);
});

// The last of those that run them.
real('each command of the page is run', () => assert.deepEqual(left(), []));

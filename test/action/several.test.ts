/** Several locks for one job: all or none, in one order. docs/action.md#several-locks. */
import assert from 'node:assert/strict';
import { grant, SUFFICIENT } from '../harness/rbac.ts';
import { real } from '../harness/real.ts';
import { runJob, startJob } from '../harness/runner/index.ts';
import { until } from '../harness/until.ts';
import { assertTidy, holdingJob, keptIn, lab, onlyError } from './lab.ts';

const NAMES = ['cache', 'deploy'];

/** Whose jobs may use the lock `cache`, too. */
async function labOfTwo() {
  const at = await lab();
  const to = [{ kind: 'ServiceAccount' as const, name: 'deployer' }];
  await grant(at.cluster, { namespace: at.namespace, name: 'cache', verbs: SUFFICIENT, lock: 'cache', to });
  return at;
}

real('a job holds several locks together, and its outputs have one word for each', async (t) => {
  const { lock, holder, holders, namespace } = await labOfTwo();
  const during = async () => {
    for (const name of NAMES) assert.match(await holder(name), /^gha\//);
    assert.match((await holders('cache'))[0]?.about.reason ?? '', /; together with deploy$/);
  };
  const job = await runJob(t, [lock({ name: 'deploy, cache' }, { id: 'lock' }), during]);
  assert.equal(job.conclusion, 'success', job.text);
  const { lease, token = '', transitions, namespace: where, acquired } = job.steps[0]?.outputs ?? {};
  assert.deepEqual([lease, transitions, where, acquired], ['cache deploy', '1 1', `${namespace} ${namespace}`, 'true']);
  assert.match(token, /^\d+ \d+$/);
  for (const name of NAMES) assert.equal(await holder(name), '', 'released');
  assertTidy(job);
});

real('what is not to be had gives the others back, and a job that waits for one of them sees why', async (t) => {
  const { lock, holder } = await labOfTwo();
  const first = await holdingJob(t, lock({ name: 'deploy,cache' }), { runId: '41' });
  const third = startJob(t, [lock({ name: 'cache' })], { runId: '43' });
  await third.prints(/waiting for Lease \S+\/cache: .*together with deploy/);
  first.end();
  assert.equal((await first.finished).conclusion, 'success');
  assert.equal((await third.finished).conclusion, 'success');

  const other = await holdingJob(t, lock({ name: 'deploy' }), { runId: '44' });
  const busy = await runJob(t, [lock({ name: 'deploy,cache', timeout: '1s' })], { runId: '45' });
  assert.equal(busy.conclusion, 'failure');
  assert.match(onlyError(busy), /^Leases \S+\/deploy, \S+\/cache was not acquired after 1\S*: it is held by gha\//);
  assert.equal(await holder('cache'), '', 'given back');
  other.end();
  await other.finished;
});

real('a command of the Action runs under several locks, and learns of each', async (t) => {
  const { lock, holder } = await labOfTwo();
  const run = 'echo "under $LEASE_LOCK_NAME with $LEASE_LOCK_TOKEN"';
  const job = await runJob(t, [lock({ name: 'deploy,cache', run }, { id: 'lock' })]);
  assert.equal(job.conclusion, 'success', job.text);
  const { token, lease } = job.steps[0]?.outputs ?? {};
  assert.match(job.text, new RegExp(`under ${lease} with ${token}\n`));
  assert.equal(lease, 'cache deploy');
  for (const name of NAMES) assert.equal(await holder(name), '', 'released');
});

real('a keeper that is killed leaves none of its locks behind', async (t) => {
  const { lock, holder } = await labOfTwo();
  const job = await holdingJob(t, lock({ name: 'deploy,cache' }));
  await job.prints(/acquired Lease \S+\/deploy/);
  await until(() => keptIn(job).phase === 'held', 'all are held');
  process.kill(keptIn(job).keeper.pid, 'SIGKILL');
  job.end();
  const { text } = await job.finished;
  assert.match(text, /Leases \S+\/cache, \S+\/deploy: the process that renewed it was killed; released without it, in time/);
  for (const name of NAMES) await until(async () => (await holder(name)) === '', 'released');
});

real('locks that cannot be held together are refused, by name', async (t) => {
  const { lock, namespace } = await labOfTwo();
  const refused = async (inputs: Record<string, string>) => onlyError(await runJob(t, [lock(inputs)]));
  assert.match(await refused({ name: 'deploy,Cache' }), /^name: invalid name "Cache" for a Lease/);
  assert.match(await refused({ name: `deploy,${namespace}/deploy` }), /^Lease \S+\/deploy is named twice: name each lock once$/);
  const more = { mode: 'acquire', holder: 'x', 'lease-duration': '5m' };
  assert.match(await refused({ name: 'a,b', ...more }), /^name: several locks require mode hold: mode acquire is for one lock/);
});

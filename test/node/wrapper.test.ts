/** The guard around a container's command, on a real kubelet: in any image, and whatever becomes of its Pod. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { until } from '../harness/until.ts';
import {
  annotations,
  applyManifest,
  cleanUp,
  containerOf,
  cutOff,
  evict,
  follow,
  freed,
  holder,
  jobEnd,
  killKubelet,
  kubectl,
  logOf,
  podOf,
  podStatus,
  prepare,
  renewedAt,
  rewriteLease,
  startKubelet,
  timedLog,
  timeOf,
  untilLog,
} from './node.ts';

before(async () => {
  await prepare();
  await applyManifest('cronjobs');
});
after(cleanUp);

const imagePage = readFileSync(new URL('../../docs/image.md', import.meta.url), 'utf8');

const startFrom = (namespace: string, cronJob: string, name: string) =>
  kubectl('-n', namespace, 'create', 'job', name, `--from=cronjob/${cronJob}`);

const deletePodOf = async (namespace: string, job: string) =>
  kubectl('-n', namespace, 'delete', 'pod', await podOf(namespace, job), '--wait=false');

test('in a glibc image, locked down, with an environment that would break or blind a Node', async () => {
  await applyManifest('wrapper');
  const { succeeded, log } = await jobEnd('blue', 'wrapper');
  assert.ok(succeeded, log);
  assert.match(log, /^under pod\/blue\/wrapper-\S+ with --require \/nonexistent\.js and 0$/m);
  assert.match(log, /acquired Lease locks\/nightly[\s\S]*released Lease locks\/nightly/);
  await freed();
});

for (const image of ['scratch', 'musl'])
  test(`in an image of ${image} that has nothing in it but the program`, async () => {
    await applyManifest(image);
    const { succeeded, log } = await jobEnd('blue', image);
    assert.ok(succeeded, log);
    assert.match(log, new RegExp(`^running under pod/blue/${image}-`, 'm'));
    await freed();
  });

test('taken by an init container, given back by main: both are the Pod', async () => {
  await applyManifest('steps');
  const { succeeded, log } = await jobEnd('blue', 'steps');
  assert.ok(succeeded, log);
  assert.match(log, /^working\n.*released Lease locks\/nightly/);
  assert.match(await logOf('blue', 'steps', 'lease-lock'), /held as pod\/blue\/steps-\S+ for 5m\d+s at most/);
  await freed();
});

test('two CronJobs of two namespaces exclude each other: the one that would not wait succeeds without running', async () => {
  await startFrom('blue', 'queue', 'first');
  await untilLog('blue', 'first', /running under/);
  await startFrom('green', 'forbid', 'skipped');
  const { succeeded, log } = await jobEnd('green', 'skipped');
  assert.ok(succeeded);
  assert.match(log, /not acquired after .*: it is held by pod\/blue\/first-.*; skipped/);
  assert.doesNotMatch(log, /running/);
});

test('whoever has the same rights, and is not that Pod, cannot take the lock', async () => {
  const before = await holder();
  const thief = 'system:serviceaccount:blue:default';
  const steal = rewriteLease(thief, (json) => json.replaceAll(before, 'pod/blue/thief/0'));
  await assert.rejects(steal, /is not yours: it must be user\/system:serviceaccount:blue:default/);
  const clear = rewriteLease(thief, (json) => json.replace(`"holderIdentity": "${before}"`, '"holderIdentity": ""'));
  await assert.rejects(clear, /the lock is held by pod\/blue\/first-.* and has not expired: only its holder/);
  assert.equal(await holder(), before);
});

test('the Pod tells what happens to its lock, where it may', async () => {
  const reasons = () => kubectl('-n', 'blue', 'get', 'events', '-o', 'jsonpath={.items[*].reason}');
  await until(async () => /LockAcquired/.test(await reasons()), 'an Event of the Pod');
  assert.doesNotMatch(await kubectl('-n', 'green', 'get', 'events', '-o', 'jsonpath={.items[*].reason}'), /Lock/);
});

test('the one that waits starts once the other is deleted, within a second of its end', async () => {
  await startFrom('blue', 'queue', 'second');
  await untilLog('blue', 'second', /next in queue; held by pod\/blue\/first-/);
  const first = await follow('blue', await podOf('blue', 'first'));
  await deletePodOf('blue', 'first');
  await untilLog('blue', 'second', /running under pod\/blue\/second-/);
  const ended = timeOf(await first.lines, /^done$/);
  const began = timeOf(await timedLog('blue', 'second'), /^running/);
  assert.ok(ended <= began, `the second began ${ended - began} ms before the first had ended`);
});

test('deleted while it waits, it leaves the queue', async () => {
  await startFrom('blue', 'queue', 'third');
  await untilLog('blue', 'third', /next in queue/);
  assert.match(await annotations(), /waiter\./);
  await kubectl('-n', 'blue', 'delete', 'job', 'third', '--wait=false');
  await until(async () => !(await annotations()).includes('waiter.'), 'an empty queue');
  assert.match(await holder(), /^pod\/blue\/second-/);
});

test('evicted, it stops its command and gives the lock back', async () => {
  const pod = await podOf('blue', 'second');
  const { lines } = await follow('blue', pod);
  await evict('blue', pod);
  assert.ok(timeOf(await lines, /^done$/) <= timeOf(await lines, /released Lease/));
  await kubectl('-n', 'blue', 'delete', 'job', 'second');
  await freed();
});

test('deleted while it stops, it keeps the lock to the end of its command', async () => {
  await applyManifest('stubborn');
  await untilLog('blue', 'stubborn', /running under/);
  await startFrom('blue', 'queue', 'patient');
  await untilLog('blue', 'patient', /next in queue/);
  const { lines } = await follow('blue', await podOf('blue', 'stubborn'));
  await deletePodOf('blue', 'stubborn');
  await untilLog('blue', 'stubborn', /stopping/).catch(() => {}); // It may be gone by now.
  await deletePodOf('blue', 'stubborn');
  await untilLog('blue', 'patient', /running under/);
  const ended = timeOf(await lines, /^done$/);
  assert.ok(ended - timeOf(await lines, /^stopping$/) >= 3900, 'it was not given its time');
  assert.ok(ended <= timeOf(await timedLog('blue', 'patient'), /^running/));
  await kubectl('-n', 'blue', 'delete', 'job', 'stubborn', 'patient');
  await freed();
});

test('a Job is tried again for as long as the lock is busy, as its podFailurePolicy says', async () => {
  await startFrom('blue', 'queue', 'busy');
  await untilLog('blue', 'busy', /running under/);
  await applyManifest('retry');
  const exitCode = async () => (await podStatus('green', 'retry'))?.containerStatuses?.[0]?.state.terminated?.exitCode;
  await until(async () => (await exitCode()) === 75, 'exit code 75 of the Pod');
  await deletePodOf('blue', 'busy');
  await kubectl('-n', 'blue', 'delete', 'job', 'busy');
  const { succeeded, log } = await jobEnd('green', 'retry');
  assert.ok(succeeded, log);
  await freed();
});

test('cut off from the API server, the command is stopped before another can have the lock, and the container says why', async () => {
  await applyManifest('memory', ['{name: memory,', '{name: severed,'], ['[/work, eat]', '[/work, "600"]']);
  await untilLog('blue', 'severed', /running under/);
  const undo = await cutOff((await podStatus('blue', 'severed'))?.podIP ?? '');
  try {
    assert.equal((await jobEnd('blue', 'severed')).succeeded, false);
    const ended = timeOf(await timedLog('blue', 'severed'), /^done$/);
    const free = (await renewedAt()) + 8000;
    assert.ok(ended < free, `the command ended ${ended - free} ms after the lock was free for others`);
    assert.equal((await containerOf('blue', 'severed', 'main')).state.terminated?.exitCode, 76);
  } finally {
    await undo();
  }
});

test('the memory and the disk that docs/image.md names are enough', async () => {
  const [, memory = ''] = /The guard needs (\d+Mi) of/.exec(imagePage) ?? [];
  const limits = `limits: {memory: ${memory}}`;
  await applyManifest(
    'memory',
    ['{name: memory,', '{name: small,'],
    ['[/work, eat]', '[/work, "10"]'],
    ['limits: {memory: 256Mi}', limits],
  );
  const { succeeded, log } = await jobEnd('blue', 'small');
  assert.ok(succeeded, log);
  const { terminated } = (await containerOf('blue', 'small', 'main')).state;
  assert.deepEqual([terminated?.exitCode, terminated?.reason], [0, 'Completed']);
  await freed();
});

test('out of memory, the next one gets the lock, at the latest when it has expired', async () => {
  await applyManifest('memory');
  await untilLog('blue', 'memory', /running under/);
  await startFrom('blue', 'queue', 'after');
  assert.equal((await jobEnd('blue', 'memory')).succeeded, false);
  const { terminated } = (await containerOf('blue', 'memory', 'main')).state;
  assert.equal(terminated?.exitCode, 137, JSON.stringify(terminated));
  await untilLog('blue', 'after', /running under/);
});

test('without a kubelet for a while, a command runs on under its lock, and ends as it should', async () => {
  await killKubelet();
  try {
    const before = await holder();
    assert.match(before, /^pod\/blue\/after-/);
    const renewals = new Set<string>();
    const renewed = async () =>
      renewals.add(await kubectl('-n', 'locks', 'get', 'lease', 'nightly', '-o', 'jsonpath={.spec.renewTime}')).size > 2;
    await until(renewed, 'two renewals');
  } finally {
    await startKubelet();
  }
  await untilLog('blue', 'after', /running under/);
  assert.equal((await logOf('blue', 'after')).match(/running under/g)?.length, 1);
  await deletePodOf('blue', 'after');
  await kubectl('-n', 'blue', 'delete', 'job', 'after');
  await freed();
});

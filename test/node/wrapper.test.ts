/** The guard around a container's command, on a real kubelet: in any image, through every way that a Pod can end. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { until } from '../harness/until.ts';
import { holder, jobEnd, kubectl, logOf, manifest, podOf, prepare, untilLog } from './node.ts';

before(async () => {
  await prepare();
  await kubectl('apply', '-f', manifest('cronjobs'));
});
after(async () => {
  for (const namespace of ['blue', 'green']) await kubectl('-n', namespace, 'delete', 'job', '--all', '--wait=false');
});

const startFrom = (namespace: string, cronJob: string, name: string) =>
  kubectl('-n', namespace, 'create', 'job', name, `--from=cronjob/${cronJob}`);

async function freed(): Promise<void> {
  await until(async () => (await holder()) === '', 'the end of the lock');
}

test('in a glibc image, locked down, with an environment that would break or blind a Node', async () => {
  await kubectl('apply', '-f', manifest('wrapper'));
  const { succeeded, log } = await jobEnd('blue', 'wrapper');
  assert.ok(succeeded, log);
  assert.match(log, /^under pod\/blue\/wrapper-\S+ with --require \/nonexistent\.js and 0$/m);
  assert.match(log, /acquired Lease locks\/nightly[\s\S]*released Lease locks\/nightly/);
  await freed();
});

test('in an image with nothing in it but the program', async () => {
  await kubectl('apply', '-f', manifest('scratch'));
  const { succeeded, log } = await jobEnd('blue', 'scratch');
  assert.ok(succeeded, log);
  assert.match(log, /^running under pod\/blue\/scratch-/m);
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

test('the one that waits starts once the other is deleted, within moments of its end', async () => {
  await startFrom('blue', 'queue', 'second');
  await untilLog('blue', 'second', /I am next; held by pod\/blue\/first-/);
  await kubectl('-n', 'blue', 'delete', 'pod', await podOf('blue', 'first'), '--wait=false');
  await untilLog('blue', 'second', /running under pod\/blue\/second-/);
  assert.match(await logOf('blue', 'second'), /acquired Lease locks\/nightly after/);
});

test('deleted while it waits, it leaves the queue', async () => {
  await startFrom('blue', 'queue', 'third');
  await untilLog('blue', 'third', /I am next/);
  const annotations = () => kubectl('-n', 'locks', 'get', 'lease', 'nightly', '-o', 'jsonpath={.metadata.annotations}');
  assert.match(await annotations(), /waiter\./);
  await kubectl('-n', 'blue', 'delete', 'job', 'third', '--wait=false');
  await until(async () => !(await annotations()).includes('waiter.'), 'an empty queue');
  assert.match(await holder(), /^pod\/blue\/second-/);
});

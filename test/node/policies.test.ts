/** Replace over two namespaces, a semaphore, readers and a writer: by annotation, on a real kubelet, guarded against theft. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { until } from '../harness/until.ts';
import { injectByAnnotation, injectNoMore, resume } from './inject.ts';
import {
  applyManifest,
  cleanUp,
  clearLock,
  follow,
  freed,
  jobEnd,
  kubectl,
  logOf,
  podOf,
  prepare,
  timeOf,
  untilLog,
} from './node.ts';

before(async () => {
  await prepare();
  await injectByAnnotation();
  await applyManifest('policies');
});
after(async () => {
  await injectNoMore();
  await cleanUp();
  // Its permits are no business of other tests.
  await clearLock();
});

const podsOf = async (namespace: string, job: string): Promise<string[]> =>
  (await kubectl('-n', namespace, 'get', 'pod', '-l', `job-name=${job}`, '-o', 'jsonpath={.items[*].metadata.name}'))
    .split(' ')
    .filter(Boolean);

/** When the work of each Pod ran, by the node's clock. */
async function runsOf(namespace: string, job: string): Promise<{ from: number; to: number }[]> {
  const runs = [];
  for (const pod of await podsOf(namespace, job)) {
    const lines = await (await follow(namespace, pod)).lines;
    runs.push({ from: timeOf(lines, /^running/), to: timeOf(lines, /^done$/) });
  }
  return runs;
}

test('concurrencyPolicy Replace over two namespaces: the newer Job stops the older one, and then runs', async () => {
  await kubectl('-n', 'blue', 'create', 'job', 'older', '--from=cronjob/replace');
  await untilLog('blue', 'older', /running under/);
  const older = await follow('blue', await podOf('blue', 'older'));
  await kubectl('-n', 'green', 'create', 'job', 'newer', '--from=cronjob/replace');
  const { succeeded, log } = await jobEnd('green', 'newer');
  assert.ok(succeeded, log);
  assert.equal((await jobEnd('blue', 'older')).succeeded, false);
  const lines = await older.lines;
  assert.ok(
    lines.some(({ text }) => /stopped: replaced by pod\/green\/newer-/.test(text)),
    'it says who has replaced it',
  );
  const newer = await (await follow('green', await podOf('green', 'newer'))).lines;
  assert.ok(timeOf(lines, /^done$/) <= timeOf(newer, /^running/));
  await freed();
});

test('a semaphore of three over twelve Pods', async () => {
  await resume('blue', 'three');
  const { succeeded, log } = await jobEnd('blue', 'three');
  assert.ok(succeeded, log);
  const runs = await runsOf('blue', 'three');
  assert.equal(runs.length, 12);
  const together = runs.map(({ from }) => runs.filter((other) => other.from <= from && from < other.to).length);
  assert.equal(Math.max(...together), 3);
  await freed();
});

test('readers run together, and the writer after them', async () => {
  await resume('blue', 'readers');
  await until(async () => (await podsOf('blue', 'readers')).length === 2, 'both readers');
  for (const pod of await podsOf('blue', 'readers'))
    await until(
      async () => /running under/.test(await kubectl('-n', 'blue', 'logs', pod, '-c', 'main').catch(() => '')),
      `${pod} runs`,
    );
  await resume('green', 'writer');
  assert.ok((await jobEnd('blue', 'readers')).succeeded);
  assert.ok((await jobEnd('green', 'writer')).succeeded);
  const readers = await runsOf('blue', 'readers');
  const [writer] = await runsOf('green', 'writer');
  assert.ok(Math.max(...readers.map(({ from }) => from)) < Math.min(...readers.map(({ to }) => to)), 'they ran together');
  assert.ok(Math.max(...readers.map(({ to }) => to)) <= (writer?.from ?? 0));
  await freed();
});

test('two locks each, wrapped and with a sidecar, in different orders: both run, and never together', async () => {
  await resume('blue', 'both');
  await resume('green', 'both-beside');
  const [wrapped, beside] = [await jobEnd('blue', 'both'), await jobEnd('green', 'both-beside')];
  assert.ok(wrapped.succeeded, wrapped.log);
  assert.ok(beside.succeeded, beside.log);
  const guards = [await logOf('blue', 'both'), await logOf('green', 'both-beside', 'lease-lock')];
  for (const log of guards)
    for (const name of ['nightly', 'second'])
      assert.match(log, new RegExp(`acquired Lease locks/${name}[\\s\\S]*released Lease locks/${name}`));
  const [one, other] = [...(await runsOf('blue', 'both')), ...(await runsOf('green', 'both-beside'))];
  assert.ok(one && other && (one.to <= other.from || other.to <= one.from));
  await freed();
});

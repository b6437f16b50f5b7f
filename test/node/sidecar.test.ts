/** The sidecar that holds the lock for its Pod, on a real kubelet: it starts the other containers, and stops them in time. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { until } from '../harness/until.ts';
import {
  applyManifest,
  cleanUp,
  clearLock,
  containerOf,
  crash,
  cutOff,
  durationMs,
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
  startKubelet,
  timedLog,
  timeOf,
  untilLog,
} from './node.ts';

const LEASE_MS = 40_000;

before(prepare);
after(cleanUp);

const sidecarJob = (name: string, seconds = '600') =>
  applyManifest('sidecar', ['{name: sidecar,', `{name: ${name},`], ['args: ["600"]', `args: ["${seconds}"]`]);

async function untilRuns(job: string): Promise<void> {
  await untilLog('blue', job, /running under a sidecar/);
}

test('main starts under the lock, and once it has ended the next one does', async () => {
  await sidecarJob('one', '3');
  await untilRuns('one');
  assert.match(await holder(), /^pod\/blue\/one-/);
  await sidecarJob('two', '0');
  await untilLog('blue', 'two', /next in queue; held by pod\/blue\/one-/, 'lease-lock');
  assert.equal((await podStatus('blue', 'two'))?.phase, 'Pending');
  assert.ok((await jobEnd('blue', 'one')).succeeded);
  assert.ok((await jobEnd('blue', 'two')).succeeded);
  assert.ok(timeOf(await timedLog('blue', 'one'), /^done$/) < timeOf(await timedLog('blue', 'two'), /^running/));
  assert.match(await logOf('blue', 'two', 'lease-lock'), /acquired Lease[\s\S]*released Lease/);
  await freed();
});

test('cut off from the API server, main is stopped before another can have the lock', async () => {
  await sidecarJob('cut');
  await untilRuns('cut');
  const undo = await cutOff((await podStatus('blue', 'cut'))?.podIP ?? '');
  try {
    assert.equal((await jobEnd('blue', 'cut')).succeeded, false);
    const ended = timeOf(await timedLog('blue', 'cut'), /^done$/);
    const free = (await renewedAt()) + LEASE_MS;
    assert.ok(ended < free, `main ended ${ended - free} ms after the lock was free for others`);
    assert.match(await holder(), /^pod\/blue\/cut-/);
    assert.match(await logOf('blue', 'cut', 'lease-lock'), /lost Lease .*could not be renewed/);
  } finally {
    await undo();
  }
  await clearLock();
});

test('cut off, several containers are stopped in time, though one after the other', async () => {
  await applyManifest('several');
  for (const container of ['main', 'second']) await untilLog('blue', 'several', /running under a sidecar/, container);
  const undo = await cutOff((await podStatus('blue', 'several'))?.podIP ?? '');
  try {
    const ends = async () =>
      await Promise.all(
        ['main', 'second'].map(async (name) => (await containerOf('blue', 'several', name)).state.terminated?.finishedAt),
      );
    await until(async () => (await ends()).every((end) => end !== undefined), 'the end of both containers', 120_000);
    const [first = 0, last = 0] = (await ends()).map((end) => Date.parse(end ?? '')).sort();
    const free = (await renewedAt()) + (await durationMs());
    assert.ok(last - first >= 5000, 'they were stopped at once: this shows nothing of one after the other');
    assert.ok(last < free, `the last container ended ${last - free} ms after the lock was free for others`);
  } finally {
    await undo();
  }
  await kubectl('-n', 'blue', 'delete', 'job', 'several');
  await freed();
});

test('crashed, the sidecar does not hold again: main is stopped before the lock expires', async () => {
  await sidecarJob('crashed');
  await untilRuns('crashed');
  await crash('blue', 'crashed', 'lease-lock');
  assert.equal((await jobEnd('blue', 'crashed')).succeeded, false);
  const ended = timeOf(await timedLog('blue', 'crashed'), /^done$/);
  const free = (await renewedAt()) + LEASE_MS;
  assert.ok(ended < free, `main ended ${ended - free} ms after the lock was free for others`);
  await clearLock();
});

test('ended alone, for a new image, the sidecar does not give the lock back under main', async () => {
  await sidecarJob('changed');
  await untilRuns('changed');
  const image = { name: 'lease-lock', image: 'k8s-lease-lock.test/scratch:1' };
  const change = JSON.stringify({ spec: { initContainers: [image] } });
  await kubectl('-n', 'blue', 'patch', 'pod', await podOf('blue', 'changed'), '-p', change);
  assert.equal((await jobEnd('blue', 'changed')).succeeded, false);
  assert.match(await holder(), /^pod\/blue\/changed-/);
  const ended = timeOf(await timedLog('blue', 'changed'), /^done$/);
  const free = (await renewedAt()) + LEASE_MS;
  assert.ok(ended < free, `main ended ${ended - free} ms after the lock was free for others`);
  await clearLock();
});

test('its kubelet restarted, main goes on under its lock', async () => {
  await sidecarJob('steady');
  await untilRuns('steady');
  const nextRenewal = async () => {
    const before = await renewedAt();
    await until(async () => (await renewedAt()) > before, 'a renewal');
  };
  await killKubelet();
  try {
    await nextRenewal();
  } finally {
    await startKubelet();
  }
  // Long enough for a kubelet that has come to think otherwise to have acted.
  await nextRenewal();
  await nextRenewal();
  for (const name of ['main', 'lease-lock']) {
    const { restartCount, state } = await containerOf('blue', 'steady', name);
    assert.deepEqual([restartCount, state.running !== undefined], [0, true], name);
  }
  await kubectl('-n', 'blue', 'delete', 'job', 'steady');
  await freed();
});

test('its Pod deleted, main ends first, and then the lock is given back', async () => {
  await sidecarJob('deleted');
  await untilRuns('deleted');
  const pod = await podOf('blue', 'deleted');
  const main = await follow('blue', pod);
  const sidecar = await follow('blue', pod, 'lease-lock');
  await kubectl('-n', 'blue', 'delete', 'job', 'deleted', '--wait=false');
  assert.ok(timeOf(await main.lines, /^done$/) < timeOf(await sidecar.lines, /released Lease/));
  await freed();
});

test('its Pod deleted by force, and main deaf to it: the lock is not given back, since main may still run', async () => {
  await applyManifest('sidecar', ['{name: sidecar,', '{name: forced,'], ['args: ["600"]', 'args: ["600", "600"]']);
  await untilRuns('forced');
  const pod = await podOf('blue', 'forced');
  const main = await follow('blue', pod);
  const sidecar = await follow('blue', pod, 'lease-lock');
  await kubectl('-n', 'blue', 'delete', 'job', 'forced', '--cascade=orphan');
  await kubectl('-n', 'blue', 'delete', 'pod', pod, '--grace-period=0', '--force');
  const words = [...(await main.lines), ...(await sidecar.lines)].map(({ text }) => text).join('\n');
  assert.doesNotMatch(words, /done|released/);
  assert.match(await holder(), /^pod\/blue\/forced-/);
  // Nobody has to wait for ever for it.
  await sidecarJob('heir-of-forced', '0');
  assert.ok((await jobEnd('blue', 'heir-of-forced')).succeeded);
  await freed();
});

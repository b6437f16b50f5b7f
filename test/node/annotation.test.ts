/** Workloads that ask to be guarded by an annotation, on a real kubelet, with deploy/inject applied. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { until } from '../harness/until.ts';
import { injectByAnnotation, injectNoMore, resume } from './inject.ts';
import {
  applyManifest,
  cleanUp,
  freed,
  holder,
  jobEnd,
  kubectl,
  logOf,
  podOf,
  prepare,
  timedLog,
  timeOf,
  untilLog,
} from './node.ts';

before(async () => {
  await prepare();
  await injectByAnnotation();
  await applyManifest('annotated');
});
after(async () => {
  await injectNoMore();
  await cleanUp();
});

const modeOf = async (namespace: string, job: string) =>
  kubectl(
    '-n',
    namespace,
    'get',
    'pod',
    await podOf(namespace, job),
    '-o',
    'jsonpath={.metadata.annotations.lease-lock\\.nullplatform\\.com/injected}',
  );

test('a CronJob with a command is wrapped, and skips while somebody else holds the lock', async () => {
  await kubectl('-n', 'blue', 'create', 'job', 'runs', '--from=cronjob/wrapped-cronjob');
  await untilLog('blue', 'runs', /running under pod\/blue\/runs-/);
  await kubectl('-n', 'blue', 'create', 'job', 'skips', '--from=cronjob/wrapped-cronjob');
  const skipped = await jobEnd('blue', 'skips');
  assert.ok(skipped.succeeded);
  assert.match(skipped.log, /it is held by pod\/blue\/runs-.*: backup, by schedule; skipped/);
  assert.equal(await modeOf('blue', 'skips'), 'wrap');
  assert.ok((await jobEnd('blue', 'runs')).succeeded);
  await freed();
});

test('a Job with a command is wrapped, in an image of musl', async () => {
  await resume('blue', 'wrapped-job');
  const { succeeded, log } = await jobEnd('blue', 'wrapped-job');
  assert.ok(succeeded, log);
  assert.match(log, /running under pod\/blue\/wrapped-job-[\s\S]*released/);
  assert.equal(await modeOf('blue', 'wrapped-job'), 'wrap');
  await freed();
});

test('a CronJob and a Job without a command get a sidecar, and exclude each other', async () => {
  await resume('green', 'beside-job');
  await untilLog('green', 'beside-job', /running under a sidecar/, 'second');
  assert.match(await holder(), /^pod\/green\/beside-job-/);
  await kubectl('-n', 'green', 'create', 'job', 'from-schedule', '--from=cronjob/beside-cronjob');
  assert.ok((await jobEnd('green', 'beside-job')).succeeded);
  assert.ok((await jobEnd('green', 'from-schedule')).succeeded);
  assert.equal(await modeOf('green', 'from-schedule'), 'sidecar');
  const ended = timeOf(await timedLog('green', 'beside-job', 'second'), /^done$/);
  assert.ok(ended < timeOf(await timedLog('green', 'from-schedule'), /^running/));
  const acquired = timeOf(await timedLog('green', 'beside-job', 'lease-lock'), /acquired Lease locks\/nightly/);
  assert.ok(
    acquired < timeOf(await timedLog('green', 'beside-job', 'prepare'), /^running/),
    'the init container ran without the lock',
  );
  assert.match(await logOf('green', 'from-schedule', 'lease-lock'), /released Lease/);
  await freed();
});

test('two CronJobs of two namespaces that start at the same minute run one after the other', async () => {
  await applyManifest('schedule');
  const firstJob = async (namespace: string): Promise<string> => {
    let name = '';
    const started = async () => {
      const names = await kubectl('-n', namespace, 'get', 'job', '-o', 'jsonpath={.items[*].metadata.name}');
      name = names.split(' ').find((job) => job.startsWith('minute-')) ?? '';
      return name !== '';
    };
    await until(started, `the schedule of ${namespace}`);
    return name;
  };
  const jobs = await Promise.all(['blue', 'green'].map(async (namespace) => ({ namespace, job: await firstJob(namespace) })));
  const runs = await Promise.all(
    jobs.map(async ({ namespace, job }) => {
      assert.ok((await jobEnd(namespace, job)).succeeded);
      const lines = await timedLog(namespace, job);
      return { job, from: timeOf(lines, /^running/), to: timeOf(lines, /^done$/) };
    }),
  );
  assert.equal(runs[0]?.job, runs[1]?.job, 'they did not start at the same minute');
  const [first, second] = runs.sort((a, b) => a.from - b.from);
  assert.ok(first && second && first.to <= second.from, JSON.stringify(runs));
});

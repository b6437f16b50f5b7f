/** A guard in a Pod that is killed or frozen, and one that was started by `kubectl exec`: the command is gone before another can have the lock. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { until } from '../harness/until.ts';
import {
  applyManifest,
  cleanUp,
  clearLock,
  containerOf,
  jobEnd,
  kubectl,
  logOf,
  pidsOf,
  podOf,
  prepare,
  renewedAt,
  startKubectl,
  timedLog,
  timeOf,
  untilLog,
} from './node.ts';

const DURATION_MS = 8000;

before(prepare);
after(cleanUp);

/** A guarded command that lasts, under a lease of eight seconds. */
async function job(name: string): Promise<void> {
  await applyManifest('memory', ['{name: memory,', `{name: ${name},`], ['[/work, eat]', '[/work, "600"]']);
  await untilLog('blue', name, /running under/);
}

/** Its command ended in time, and said so. */
async function assertEndedInTime(name: string): Promise<void> {
  assert.equal((await jobEnd('blue', name)).succeeded, false);
  const ended = timeOf(await timedLog('blue', name), /^done$/);
  const free = (await renewedAt()) + DURATION_MS;
  assert.ok(ended < free, `the command ended ${ended - free} ms after the lock was free for others`);
}

test('its guard killed, the command is stopped, and the container says why', async () => {
  await job('killed');
  const [guard] = await pidsOf('blue', 'killed', 'guard');
  assert.ok(guard);
  process.kill(guard, 'SIGKILL');
  await assertEndedInTime('killed');
  assert.match(await logOf('blue', 'killed'), /the guard has ended unexpectedly: terminating the command/);
  assert.equal((await containerOf('blue', 'killed', 'main')).state.terminated?.exitCode, 137);
  await kubectl('-n', 'blue', 'delete', 'job', 'killed');
});

test('its guard frozen, the command is stopped at its deadline', async () => {
  await job('frozen');
  const [guard] = await pidsOf('blue', 'frozen', 'guard');
  assert.ok(guard);
  process.kill(guard, 'SIGSTOP');
  await untilLog('blue', 'frozen', /^done$/m);
  process.kill(guard, 'SIGCONT');
  await assertEndedInTime('frozen');
  assert.match(await logOf('blue', 'frozen'), /the guard has been silent past its deadline: terminating the command/);
  assert.equal((await containerOf('blue', 'frozen', 'main')).state.terminated?.exitCode, 76);
  await kubectl('-n', 'blue', 'delete', 'job', 'frozen');
});

test('a guard that kubectl exec has started, and that is killed, leaves nothing in the container', async (t) => {
  const run =
    '[/lease-lock/k8s-lease-lock, run, --name, nightly, --namespace, locks, --lease-duration, 8s, --kill-grace, 1s, --]';
  await applyManifest('memory', ['{name: memory,', '{name: host,'], ['[/work, eat]', '["600"]'], [run, '[/work]']);
  await untilLog('blue', 'host', /running under a sidecar/);
  const options = ['--name', 'nightly', '--namespace', 'locks', '--lease-duration', '8s', '--kill-grace', '1s'];
  const command = ['/lease-lock/k8s-lease-lock', 'run', ...options, '--', '/work', '600'];
  const exec = startKubectl('-n', 'blue', 'exec', await podOf('blue', 'host'), '--', ...command);
  t.after(() => exec.kill('SIGKILL'));
  let said = '';
  exec.stdout.on('data', (bytes) => {
    said += bytes;
  });
  await until(() => /running under pod\/blue\/host-/.test(said), 'the command runs');
  assert.equal((await pidsOf('blue', 'host', 'work')).length, 2);
  const [guard] = await pidsOf('blue', 'host', 'guard');
  assert.ok(guard);
  process.kill(guard, 'SIGKILL');
  await once(exec, 'exit');
  assert.equal((await pidsOf('blue', 'host', 'work')).length, 1, 'the one that was there before');
  assert.deepEqual(await pidsOf('blue', 'host', 'k8s-lease-lock'), []);
  await kubectl('-n', 'blue', 'delete', 'job', 'host');
  await clearLock(); // Nobody is left who would give it back.
});

/** How a command is terminated: when it is asked for, at its deadline, and when its guard has gone. */
import assert from 'node:assert/strict';
import { constants } from 'node:os';
import { test } from 'node:test';
import { isAlive, supervise } from './supervised.ts';

const { SIGKILL, SIGTERM } = constants.signals;
const end = { kind: 'end', callerSees: 'endOfCommand' } as const;

const stubborn = ['sh', '-c', 'trap "" TERM; echo runs $$; while :; do sleep 1000; done'];

test('terminate is SIGTERM, then SIGKILL after the grace', async () => {
  const alice = supervise(stubborn);
  await alice.run();
  await alice.said('runs');
  alice.send({ kind: 'terminate', graceMs: 30 });
  assert.deepEqual(await alice.next('terminating'), { kind: 'terminating', reason: 'asked' });
  assert.equal((await alice.next('killed')).signal, SIGKILL);
  alice.send(end);
  await alice.ended;

  const bob = supervise(['sh', '-c', 'echo runs; exec sleep 1000']);
  await bob.run();
  await bob.said('runs');
  bob.send({ kind: 'terminate', graceMs: 1_000_000 });
  assert.deepEqual(await bob.next('killed'), { kind: 'killed', signal: SIGTERM, left: 0 });
  bob.send(end);
  await bob.ended;
});

test('a second terminate can shorten the grace, and not lengthen it', async () => {
  const alice = supervise(stubborn);
  await alice.run();
  await alice.said('runs');
  alice.send(
    { kind: 'terminate', graceMs: 1_000_000 },
    { kind: 'terminate', graceMs: 2_000_000 },
    { kind: 'terminate', graceMs: 10 },
  );
  assert.equal((await alice.next('killed')).signal, SIGKILL);
  alice.send(end);
  await alice.ended;
});

test('a stopped command is continued, so that it can end', async () => {
  const alice = supervise(['sh', '-c', 'trap "echo ends; exit 3" TERM; kill -STOP $$; sleep 1000']);
  await alice.run();
  await alice.next('stopped');
  alice.send({ kind: 'terminate', graceMs: 1_000_000 });
  await alice.said('ends');
  assert.equal((await alice.next('exited')).code, 3);
  await alice.next('allGone');
  alice.send(end);
  await alice.ended;
});

test('the deadline is kept although the guard says and reads nothing', async () => {
  const alice = supervise(stubborn);
  const { nowMs } = await alice.next('hello');
  await alice.run({ terminateAtMs: nowMs + 300, killAtMs: nowMs + 400, graceMs: 1_000_000 });
  await alice.said('runs');
  assert.deepEqual(await alice.next('terminating'), { kind: 'terminating', reason: 'deadline' });
  assert.equal((await alice.next('killed')).signal, SIGKILL);
  alice.send({ kind: 'clock' });
  const { nowMs: after } = await alice.next('clock');
  assert.ok(after - nowMs >= 400, 'not before the time to kill');
  alice.send(end);
  await alice.ended;
});

test('each renewal moves the deadline', async () => {
  const alice = supervise(stubborn);
  const { nowMs } = await alice.next('hello');
  await alice.run({ terminateAtMs: nowMs + 250, killAtMs: nowMs + 250, graceMs: 0 });
  await alice.said('runs');
  alice.send({ kind: 'deadline', terminateAtMs: nowMs + 1_000_000, killAtMs: nowMs + 1_000_000 });
  for (let now = nowMs; now < nowMs + 300; ) {
    alice.send({ kind: 'clock' });
    now = (await alice.next('clock')).nowMs;
  }
  assert.ok(!alice.messages.some(({ kind }) => kind === 'terminating'));
  alice.send({ kind: 'deadline', terminateAtMs: 0, killAtMs: 0 });
  assert.equal((await alice.next('killed')).signal, SIGKILL);
  alice.send(end);
  await alice.ended;
});

test('a guard that reads nothing does not keep the supervisor from its deadline', async () => {
  const alice = supervise(stubborn, { stderr: 'pipe' });
  const { nowMs } = await alice.next('hello');
  await alice.run({ terminateAtMs: nowMs + 1500, killAtMs: nowMs + 1500 });
  await alice.said('runs');
  const pid = Number(/runs (\d+)/.exec(alice.output())?.[1]);
  alice.socket.pause();
  // Each is answered: far more than both buffers hold.
  const { SIGCONT } = constants.signals;
  const flood = Array.from(
    { length: 50_000 },
    () => [{ kind: 'clock' }, { kind: 'signal', signal: SIGCONT, unlessGroupHadIt: false }] as const,
  );
  alice.send(...flood.flat());
  while (isAlive(pid)) await new Promise((resolve) => setImmediate(resolve));
  alice.socket.resume();
  await alice.next('killed');
  await alice.next('allGone');
  alice.send(end);
  await alice.ended;
});

test('when the guard is gone, so is the command', async () => {
  const alice = supervise(stubborn, { stderr: 'pipe' });
  await alice.run({ graceMs: 20 });
  await alice.said('runs');
  let said = '';
  alice.process.stderr?.on('data', (bytes) => {
    said += bytes;
  });
  alice.socket.destroy();
  assert.equal(await alice.ended, 0);
  assert.ok(!isAlive(Number(/runs (\d+)/.exec(alice.output())?.[1])));
  assert.match(said, /the guard has ended unexpectedly/);
});

test('the grace after the death of the guard ends with the time to kill', async () => {
  const alice = supervise(stubborn, { stderr: 'pipe' });
  const { nowMs } = await alice.next('hello');
  await alice.run({ graceMs: 1_000_000, terminateAtMs: nowMs + 600, killAtMs: nowMs + 600 });
  await alice.said('runs');
  alice.socket.destroy();
  assert.equal(await alice.ended, 0);
});

test('when the supervisor is killed, the first process of the command dies with it', async () => {
  const alice = supervise(['sh', '-c', 'echo runs; exec sleep 1000']);
  const started = await alice.run();
  assert.ok(started.kind === 'started');
  await alice.said('runs');
  alice.process.kill('SIGKILL');
  assert.equal(await alice.ended, 'SIGKILL');
  while (isAlive(started.pid)) await new Promise((resolve) => setImmediate(resolve));
});

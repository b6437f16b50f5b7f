/** What a guarded command costs beside the command: processes, memory of its own, and wake-ups while nothing happens. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../harness/until.ts';
import { type Running, run, start } from './standalone.ts';

const SECONDS = 8;

/** The process itself, and all that it has started, but for the command. */
function helpersOf(alice: Running): number[] {
  const below = (pid: number): number[] => [
    pid,
    ...readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').split(' ').filter(Boolean).map(Number).flatMap(below),
  ];
  return below(alice.process.pid ?? 0).filter((pid) => !readFileSync(`/proc/${pid}/cmdline`, 'latin1').startsWith('sleep'));
}

const nameOf = (pid: number) => basename(readlinkSync(`/proc/${pid}/exe`));

/** How often its threads have given up the processor to wait for something. */
const wakeUps = (pid: number): number =>
  readdirSync(`/proc/${pid}/task`)
    .map((task) =>
      Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/task/${task}/status`, 'latin1'))?.[1]),
    )
    .reduce((sum, count) => sum + count, 0);

/** What the kernel can't read again from a file is dirty. */
const privateKb = (pid: number, kind = '\\w+'): number =>
  [...readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1').matchAll(new RegExp(`^Private_${kind}:\\s+(\\d+)`, 'gm'))].reduce(
    (sum, [, kb]) => sum + Number(kb),
    0,
  );

test('beside the command there are the process that was started, its supervisor and its guard', async () => {
  const alice = start([...run('--lease-duration', '3600s'), 'sh', '-c', 'echo ready; exec sleep 1000']);
  await alice.said('ready');
  await until(() => !helpersOf(alice).some((pid) => /sh$/.test(nameOf(pid))), 'the command is what it is to be');
  const [first = 0, ...others] = helpersOf(alice);
  assert.deepEqual(others.map(nameOf).sort(), ['guard', 'k8s-lease-lock']);
  const supervisor = others.find((pid) => nameOf(pid) === 'k8s-lease-lock') ?? 0;
  const guard = others.find((pid) => nameOf(pid) === 'guard') ?? 0;
  for (const pid of [first, supervisor]) assert.ok(privateKb(pid) <= 1024, `${nameOf(pid)} has ${privateKb(pid)} KB of its own`);
  assert.ok(privateKb(guard, 'Dirty') <= 20 * 1024, `the guard has ${privateKb(guard, 'Dirty')} KB of its own`);
  await sleep(1000); // What follows the start is over.
  const before = [first, supervisor, guard].map(wakeUps);
  await sleep(SECONDS * 1000);
  const counts = [first, supervisor, guard].map((pid, i) => wakeUps(pid) - (before[i] ?? 0));
  const [ofFirst = 0, ofSupervisor = 0, ofGuard = 0] = counts;
  assert.deepEqual([ofFirst, ofSupervisor], [0, 0], 'they sleep until something happens');
  assert.ok(ofGuard <= 1.5 * SECONDS, `the guard wakes ${ofGuard} times in ${SECONDS} s`);
  alice.process.kill('SIGTERM');
  await alice.ended;
});

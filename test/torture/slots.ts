/** Guards, one after the other in each slot, that want the lock for commands of their own; every second slot goes by a wire that can be cut. */
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { EXIT } from '../../image/exit-codes.ts';
import { wireTo } from '../faults/wire.ts';
import { guard, reach } from '../harness/guards.ts';
import type { Random } from '../simulation/random.ts';
import { DURATION_MS, LEASE, type Rack } from './rack.ts';

/** Every way in which a guard may end here; anything else is a bug. 143: it was told to stop while it waited. */
const CODES = [0, EXIT.lost.code, EXIT.notAcquired.code, EXIT.unreachable.code, 128 + 9, 128 + 15];

export async function runSlot(rack: Rack, n: number): Promise<void> {
  const { cluster, random, result, undo } = rack;
  const wire = await wireTo(cluster.url);
  undo.push(() => wire.close());
  rack.wires.push(wire);
  const url = n % 2 === 0 ? cluster.url : `https://127.0.0.1:${wire.port}`;
  const test = { after: (end: () => unknown) => void undo.push(end) } as unknown as TestContext;
  const lock = ['-n', rack.namespace, '--name', LEASE, '--holder', `guard-${n}`];
  const durations = ['--lease-duration', `${DURATION_MS / 1000}s`, '--kill-grace', '300ms', '--timeout', '60s'];
  const access = reach({ url, tokenFile: cluster.adminTokenFile, caFile: cluster.caFile });
  while (Date.now() < rack.ends) {
    const one = guard(test, ['run', ...access, ...lock, ...durations, '--', ...workOf(rack.file, random)]);
    rack.running.add(one);
    const { code, signal, stderr } = await one.finished;
    rack.running.delete(one);
    result.codes[String(code ?? signal)] = (result.codes[String(code ?? signal)] ?? 0) + 1;
    if (code !== null && !CODES.includes(code)) result.problem ??= `a guard ended with ${code}: ${stderr}`;
    await sleep(random.between(20, 1500));
  }
}

/** Tells of its start and its life; now and then it does not heed SIGTERM. */
function workOf(file: string, random: Random): string[] {
  const deaf = random.chance(0.3) ? `trap '' TERM; ` : '';
  const say = (what: string, more = '') => `echo ${what} $LEASE_LOCK_HOLDER $(date +%s%N) ${more} >>${file}`;
  const beats = Math.round(random.between(10, 100));
  return [
    'sh',
    '-c',
    `${deaf}${say('start', '$LEASE_LOCK_TOKEN')}; for i in $(seq ${beats}); do sleep 0.02; ${say('alive')}; done`,
  ];
}

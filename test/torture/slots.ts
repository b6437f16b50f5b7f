/**
 * Guards, one after the other in each slot, that want the lock for commands of their own: a third of the slots directly, a third by a wire that
 * can be cut, a third by a proxy that can answer wrongly.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { EXIT } from '../../image/exit-codes.ts';
import { wireTo } from '../faults/wire.ts';
import { faultProxy } from '../harness/fault-proxy.ts';
import { guard, reach } from '../harness/guards.ts';
import type { Random } from '../simulation/random.ts';
import { DURATION_MS, LEASE, type Rack, testOf } from './rack.ts';

/** Every way in which a guard may end here; anything else is a bug. 143: it was told to stop while it waited. */
const CODES = [0, 128 + 9, 128 + 15].concat(
  [EXIT.lost, EXIT.notAcquired, EXIT.unreachable, EXIT.stopped, EXIT.supervisor].map(({ code }) => code),
);
/** By a proxy that answers wrongly: whoever is refused before it was ever served gives up. */
const REFUSED = [EXIT.refused.code, EXIT.configuration.code];

export async function runSlot(rack: Rack, n: number): Promise<void> {
  const { cluster, random, result } = rack;
  const url = await wayOf(rack, n);
  const codes = n % 3 === 2 ? [...CODES, ...REFUSED] : CODES;
  const test = testOf(rack);
  const lock = ['-n', rack.namespace, '--name', LEASE, '--holder', `guard-${n}`];
  const durations = ['--lease-duration', `${DURATION_MS / 1000}s`, '--kill-grace', '300ms', '--timeout', '60s'];
  const access = reach({ url, tokenFile: cluster.adminTokenFile, caFile: cluster.caFile });
  while (Date.now() < rack.ends) {
    const one = guard(test, ['run', ...access, ...lock, ...durations, '--', ...workOf(rack.file, random)]);
    rack.running.add(one);
    const { code, signal, stderr } = await one.finished;
    rack.running.delete(one);
    result.codes[String(code ?? signal)] = (result.codes[String(code ?? signal)] ?? 0) + 1;
    if (code !== null && !codes.includes(code)) result.problem ??= `a guard ended with ${code}: ${stderr}`;
    await sleep(random.between(20, 1500));
  }
}

async function wayOf({ cluster, undo, wires, proxies }: Rack, n: number): Promise<string> {
  if (n % 3 === 0) return cluster.url;
  if (n % 3 === 1) {
    const wire = await wireTo(cluster.url);
    undo.push(() => wire.close());
    wires.push(wire);
    return `https://127.0.0.1:${wire.port}`;
  }
  const proxy = await faultProxy({ url: cluster.url, ca: readFileSync(cluster.caFile, 'utf8') });
  undo.push(() => proxy.close());
  proxies.push(proxy);
  return proxy.url;
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

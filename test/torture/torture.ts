/**
 * The command `npm run torture -- --minutes M [--guards N] [--seed S]`: real guards on a real API server under random faults, for as long as one
 * likes. The API server is frozen, killed and restarted, its etcd frozen; connections are cut, delayed, reset; answers are refusals, lies, late,
 * cut off or lost; guards are stopped and killed, and so are their supervisors; the Lease is deleted, and cleared as client-go would; an
 * operator unlocks it, by asking and by force, and removes waiters. What has happened is then held against the simulation's invariants.
 * A seed repeats the choice of faults, not their timing: this is the real world.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { apiClient } from '../harness/api.ts';
import { type OwnCluster, startCluster } from '../harness/cluster.ts';
import { newChecker } from '../simulation/checker/index.ts';
import { randomOf } from '../simulation/random.ts';
import { faultsOn } from './faults.ts';
import { DURATION_MS, LEASE, type Rack, type TortureResult } from './rack.ts';
import { historyOf, recordLease } from './record.ts';
import { runSlot } from './slots.ts';

export interface TortureOptions {
  minutes: number;
  guards: number;
  seed: number;
  say(text: string): void;
}

export async function torture({ minutes, guards, seed, say }: TortureOptions): Promise<TortureResult> {
  const cluster = await startCluster();
  const folder = await mkdtemp(join(tmpdir(), 'k8s-lease-lock-torture-'));
  const undo: (() => unknown)[] = [];
  try {
    return await tortureOn(await newRack(cluster, { minutes, seed, folder, undo }), { guards, seed, say });
  } finally {
    for (const each of undo.toReversed()) await each();
    await cluster.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

type RackOptions = Pick<TortureOptions, 'minutes' | 'seed'> & Pick<Rack, 'folder' | 'undo'>;

async function newRack(cluster: OwnCluster, { minutes, seed, folder, undo }: RackOptions): Promise<Rack> {
  const file = join(folder, 'commands');
  writeFileSync(file, '');
  return {
    cluster,
    random: randomOf(seed, 'torture'),
    namespace: await cluster.namespace('torture'),
    folder,
    file,
    ends: Date.now() + minutes * 60_000,
    running: new Set(),
    wires: [],
    proxies: [],
    deeds: new Map(),
    result: { starts: 0, writes: 0, faults: {}, codes: {}, problem: undefined },
    undo,
  };
}

async function tortureOn(rack: Rack, { guards, seed, say }: Omit<TortureOptions, 'minutes'>): Promise<TortureResult> {
  const { random, result, undo } = rack;
  const { ca, adminToken, controlPlane } = rack.cluster;
  const { url } = await controlPlane.startAnother();
  const witness = apiClient({ url, ca, token: adminToken });
  const record = recordLease(witness, rack.namespace, LEASE);
  undo.push(record.end);
  const slots = Promise.all(Array.from({ length: guards }, (_, n) => runSlot(rack, n)));
  const faults = faultsOn(rack);
  await sleep(2000);
  while (Date.now() < rack.ends) {
    const name = random.pick(Object.keys(faults) as [string, ...string[]]);
    result.faults[name] = (result.faults[name] ?? 0) + 1;
    await faults[name]?.();
    await sleep(random.between(200, 3000));
  }
  say('calm: waiting for the last to finish');
  await slots;
  await sleep(500); // The watch tells of the last release.
  const history = historyOf(record.writes, rack.file, { deeds: rack.deeds, durationMs: DURATION_MS });
  const checker = newChecker({ drift: true, skew: true, gentle: false });
  for (const { at, occurrence } of history) checker.take(at, occurrence);
  const { violation } = checker;
  if (record.gap) result.problem ??= `the record is not complete: ${record.gap}`;
  if (violation) result.problem ??= `${violation.invariant}: ${violation.what} (at ${new Date(violation.at).toISOString()})`;
  if (result.problem) {
    const kept = join(tmpdir(), `k8s-lease-lock-torture-${seed}.json`);
    writeFileSync(kept, JSON.stringify({ history, commands: readFileSync(rack.file, 'utf8') }));
    say(`the history is kept in ${kept}`);
  }
  return { ...result, starts: checker.starts, writes: record.writes.length };
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '5' },
      guards: { type: 'string', default: '16' },
      seed: { type: 'string', default: '1' },
    },
  });
  const say = (text: string) => void process.stdout.write(`${text}\n`);
  const seed = Number(values.seed);
  const result = await torture({ minutes: Number(values.minutes), guards: Number(values.guards), seed, say });
  say(JSON.stringify(result, null, 2));
  say(result.problem ? `FAILED with seed ${seed}: ${result.problem}` : `${result.starts} commands, none beside another`);
  process.exit(result.problem ? 1 : 0);
}

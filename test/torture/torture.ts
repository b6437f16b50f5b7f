/**
 * The command `npm run torture -- --minutes M [--guards N] [--seed S]`: real guards on a real API server under random faults, for as long as one
 * likes. The API server is frozen, killed and restarted, its etcd frozen; connections are cut, delayed, reset; guards are stopped and killed;
 * the Lease is deleted, and cleared as client-go would. What has happened is then held against the simulation's invariants.
 * A seed repeats the choice of faults, not their timing: this is the real world.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { EXIT } from '../../image/exit-codes.ts';
import { type Wire, wireTo } from '../faults/wire.ts';
import { type OwnCluster, startCluster } from '../harness/cluster.ts';
import { type Guard, guard, reach } from '../harness/guards.ts';
import { newChecker } from '../simulation/checker/index.ts';
import type { Author, Deed } from '../simulation/history.ts';
import { type Random, randomOf } from '../simulation/random.ts';
import { historyOf, recordLease } from './record.ts';

const DURATION_MS = 5000;
const LEASE = 'tortured';
const FOREIGN: Author = { name: 'a former leader', kind: 'elector', id: 'former', nonce: 'former', durationMs: 15_000 };
const ADMIN: Author = { name: 'admin', kind: 'admin', id: 'admin', nonce: 'admin', durationMs: 0 };
/** Every way in which a guard may end here; anything else is a bug. 143: it was told to stop while it waited. */
const CODES = [0, EXIT.lost.code, EXIT.notAcquired.code, EXIT.unreachable.code, 128 + 9, 128 + 15];

export interface TortureOptions {
  minutes: number;
  guards: number;
  seed: number;
  say(text: string): void;
}

export interface TortureResult {
  starts: number;
  writes: number;
  faults: Record<string, number>;
  codes: Record<string, number>;
  problem: string | undefined;
}

export async function torture({ minutes, guards, seed, say }: TortureOptions): Promise<TortureResult> {
  const cluster = await startCluster();
  const folder = await mkdtemp(join(tmpdir(), 'k8s-lease-lock-torture-'));
  const undo: (() => unknown)[] = [];
  try {
    return await tortureOn(cluster, { minutes, guards, seed, say, folder, undo });
  } finally {
    for (const each of undo.toReversed()) await each();
    await cluster.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

interface Rack extends TortureOptions {
  folder: string;
  undo: (() => unknown)[];
}

async function tortureOn(cluster: OwnCluster, { minutes, guards, seed, say, folder, undo }: Rack): Promise<TortureResult> {
  const random = randomOf(seed, 'torture');
  const namespace = await cluster.namespace('torture');
  const path = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/${LEASE}`;
  const file = join(folder, 'commands');
  writeFileSync(file, '');
  const record = recordLease(cluster, namespace, LEASE);
  undo.push(record.end);
  const deeds = new Map<string, { author: Author; deed?: Deed }>();
  const result: TortureResult = { starts: 0, writes: 0, faults: {}, codes: {}, problem: undefined };
  const running = new Set<Guard>();
  const wires: Wire[] = [];
  const ends = Date.now() + minutes * 60_000;
  const test = { after: (end: () => unknown) => void undo.push(end) } as unknown as Parameters<typeof guard>[0];

  const slot = async (n: number) => {
    const wire = await wireTo(cluster.url);
    undo.push(() => wire.close());
    wires.push(wire);
    while (Date.now() < ends) {
      const url = n % 2 === 0 ? cluster.url : `https://127.0.0.1:${wire.port}`;
      const durations = ['--lease-duration', `${DURATION_MS / 1000}s`, '--kill-grace', '300ms', '--timeout', '60s'];
      const args = [
        'run',
        ...reach({ url, tokenFile: cluster.adminTokenFile, caFile: cluster.caFile }),
        '-n',
        namespace,
        '--name',
        LEASE,
      ];
      const one = guard(test, [...args, '--holder', `guard-${n}`, ...durations, '--', ...workOf(file, random)]);
      running.add(one);
      const { code, signal, stderr } = await one.finished;
      running.delete(one);
      result.codes[String(code ?? signal)] = (result.codes[String(code ?? signal)] ?? 0) + 1;
      if (code !== null && !CODES.includes(code)) result.problem ??= `a guard ended with ${code}: ${stderr}`;
      await sleep(random.between(20, 1500));
    }
  };
  const slots = Promise.all(Array.from({ length: guards }, (_, n) => slot(n)));

  const forceful = async (method: string, change?: object) => {
    const answer = await cluster
      .request(method, path, change, change ? { contentType: 'application/merge-patch+json' } : {})
      .catch(() => undefined);
    return answer?.status === 200 ? answer.body : undefined;
  };
  const faults: Record<string, () => Promise<unknown>> = {
    'API server frozen': async () => {
      cluster.controlPlane.freeze('apiServer');
      await sleep(random.between(300, 7000));
      cluster.controlPlane.resume('apiServer');
    },
    'etcd frozen': async () => {
      cluster.controlPlane.freeze('etcd');
      await sleep(random.between(300, 7000));
      cluster.controlPlane.resume('etcd');
    },
    'API server killed and restarted': async () => {
      await cluster.controlPlane.killApiServer();
      await cluster.controlPlane.startApiServer();
    },
    'connections half-open': () => cut((wire) => wire.blackhole()),
    'connections reset': () => cut((wire) => wire.reset()),
    'answers late': () => cut((wire) => wire.delay(random.between(100, 2500))),
    'guard stopped': async () => {
      const one = pick();
      one?.kill('SIGSTOP');
      await sleep(random.between(500, 9000));
      one?.kill('SIGCONT');
    },
    'guard killed': async () => pick()?.kill('SIGKILL'),
    'guard told to stop': async () => pick()?.kill('SIGTERM'),
    'Lease deleted': () => forceful('DELETE'),
    'Lease cleared': async () => {
      const body = await forceful('PATCH', { spec: { holderIdentity: '', leaseDurationSeconds: 1 } });
      if (body) deeds.set(body.metadata.resourceVersion, { author: FOREIGN });
    },
    'entries spoiled': async () => {
      const found = await forceful('GET');
      const waiter = Object.keys(found?.metadata.annotations ?? {}).find((name) => name.startsWith('waiter.'));
      const body = waiter && (await forceful('PATCH', { metadata: { annotations: { [waiter]: '{"id":' } } }));
      if (body) deeds.set(body.metadata.resourceVersion, { author: ADMIN, deed: 'other' });
    },
  };
  const pick = () => [...running][Math.floor(random.between(0, running.size))];
  const cut = async (how: (wire: Wire) => void) => {
    const some = wires.filter(() => random.chance(0.4));
    for (const wire of some) how(wire);
    await sleep(random.between(500, 8000));
    for (const wire of some) wire.heal();
  };

  await sleep(2000);
  while (Date.now() < ends) {
    const name = random.pick(Object.keys(faults) as [string, ...string[]]);
    result.faults[name] = (result.faults[name] ?? 0) + 1;
    await faults[name]?.();
    await sleep(random.between(200, 3000));
  }
  say('calm: waiting for the last to finish');
  await slots;
  await sleep(500); // The watch tells of the last release.
  const history = historyOf(record.writes, file, { deeds, durationMs: DURATION_MS });
  const checker = newChecker({ drift: true, skew: true, gentle: false });
  for (const { at, occurrence } of history) checker.take(at, occurrence);
  const { violation } = checker;
  if (violation) result.problem ??= `${violation.invariant}: ${violation.what} (at ${new Date(violation.at).toISOString()})`;
  if (result.problem) {
    const kept = join(tmpdir(), `k8s-lease-lock-torture-${seed}.json`);
    writeFileSync(kept, JSON.stringify({ history, commands: readFileSync(file, 'utf8') }));
    say(`the history is kept in ${kept}`);
  }
  return { ...result, starts: checker.starts, writes: record.writes.length };
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

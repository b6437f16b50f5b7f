/**
 * `npm run bench [-- --write] [hand-over trace start memory storm crowd locks]`: how fast a lock changes hands, how long a command under it takes to start, what that
 * takes of memory, and how long many take that arrive together, beside other locks, in one run on one machine with a real API server. Figures depend on the
 * machine; the ratios are what to compare. `--write` publishes them below docs/benchmarks.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Cluster, startCluster } from '../harness/cluster.ts';
import { crowds, manyLocks } from './crowd.ts';
import { compileMark, gaps } from './mark.ts';
import { BASE, type Peer, peersOn } from './peers.ts';
import { percentile } from './percentile.ts';
import { publish } from './publish.ts';
import { type Result, type Row, textOf } from './results.ts';
import { stepsOf } from './trace.ts';

const CONTENDERS = 10;
const STARTS = 15;
const STORM = 60;

interface Bench {
  cluster: Cluster;
  folder: string;
  mark: string;
  peers: Peer[];
}

/** Resolves when it has ended well; what it has said is shown only if not. */
async function run([file = '', ...args]: readonly string[], more: Record<string, string> = {}): Promise<void> {
  const env = { PATH: process.env.PATH ?? '', HOME: '/nonexistent', ...more };
  const child = spawn(file, args, { env, stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`${file} ${args.join(' ')} ended with ${code}: ${said}`);
}

const peersOf = ({ peers }: Bench, part: string): Peer[] => peers.filter(({ parts = [part] }) => parts.includes(part));

/** The first holder lets go when all the others wait; the lock then passes from one to the next. Returns what the commands wrote down. */
async function passOn({ folder, mark }: Bench, peer: Peer, [lock, holdMs]: [string, number], env = {}): Promise<string> {
  const file = join(folder, lock);
  const gate = `${file}.gate`;
  const ends = [run(peer.run(lock, [mark, file, '0', gate]), env)];
  await sleep(1000);
  for (let n = 0; n < CONTENDERS; n++) ends.push(run(peer.run(lock, [mark, file, `${holdMs}`]), env));
  await sleep(peer.gatherMs);
  writeFileSync(gate, '');
  await Promise.all(ends);
  return file;
}

async function handOver(bench: Bench, holdMs: number): Promise<Result> {
  const rows: Row[] = [];
  for (const [i, peer] of peersOf(bench, 'hand-over').entries()) {
    const values: number[] = [];
    for (let round = 0; round < peer.rounds; round++)
      values.push(...gaps(await passOn(bench, peer, [`hand-over-${holdMs}-${i}-${round}`, holdMs])));
    rows.push({ name: peer.name, values });
  }
  const title = `Hand-over, ${CONTENDERS} contenders that hold for ${holdMs} ms`;
  return { id: `hand-over-${holdMs}`, title, unit: 'ms', base: BASE, rows };
}

/** Apart from the other figures, since taking notes costs time, too. */
async function trace(bench: Bench): Promise<Result[]> {
  const peer = bench.peers.at(-1);
  if (!peer) return [];
  const notes = join(bench.folder, 'trace.notes');
  const preload = `--import=${new URL('trace.mjs', import.meta.url).href}`;
  const file = await passOn(bench, peer, ['trace', 300], { TRACE: notes, NODE_OPTIONS: preload });
  const steps = stepsOf(notes, file);
  process.stdout.write('\nwhere the time of one hand-over goes: p50 since the end of the command, in ms\n');
  for (const name of Object.keys(steps[0] ?? {})) {
    const values = steps.flatMap((each) => each[name] ?? []).toSorted((a, b) => a - b);
    process.stdout.write(`${percentile(values, 0.5).toFixed(1).padStart(9)}  ${name} (n=${values.length})\n`);
  }
  return [];
}

/** Nobody else wants the lock. */
async function startUp(bench: Bench): Promise<Result[]> {
  const lines: [string, string[]][] = [
    ['bare Node', [process.execPath, '-e', '0']],
    ...peersOf(bench, 'start').map(({ name, run: by }, i): [string, string[]] => [name, by(`start-${i}`, ['true'])]),
  ];
  const rows = lines.map(([name]): Row => ({ name, values: [] }));
  for (let n = 0; n < STARTS; n++) {
    for (const [i, [, line]] of lines.entries()) {
      const from = performance.now();
      await run(line);
      rows[i]?.values.push(performance.now() - from);
    }
  }
  return [{ id: 'start', title: 'Start of a command (true) that nobody contends for', unit: 'ms', base: 'bare Node', rows }];
}

/** Of the process that holds the lock, and of one that waits for it: what the kernel cannot read again from a file. */
async function memory(bench: Bench): Promise<Result[]> {
  const { mark, folder } = bench;
  const [holders, waiters]: [Row[], Row[]] = [[], []];
  for (const [i, peer] of peersOf(bench, 'memory').entries()) {
    const gate = join(folder, `memory-${i}.gate`);
    const line = peer.run(`memory-${i}`, [mark, join(folder, 'memory'), '0', gate]);
    const env = { PATH: process.env.PATH ?? '', HOME: '/nonexistent' };
    const both = [];
    for (const _ of ['holder', 'waiter']) {
      both.push(spawn(line[0] ?? '', line.slice(1), { env, stdio: 'ignore' }));
      await sleep(3000);
    }
    for (const [n, rows] of [holders, waiters].entries())
      rows.push({ name: peer.name, values: [privateKb(both[n]?.pid) / 1024] });
    const ends = both.map((child) => once(child, 'close'));
    writeFileSync(gate, '');
    await Promise.all(ends);
  }
  const of = (id: string, title: string, rows: Row[]): Result => ({ id, title, unit: 'MB', base: BASE, rows });
  return [of('memory-holder', 'Private memory of a holder', holders), of('memory-waiter', 'Private memory of a waiter', waiters)];
}

function privateKb(pid: number | undefined): number {
  return Number(/^Private_Dirty: +(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1]);
}

/** All arrive together, starting up included: from the first start to the last end, and the gaps between. */
async function storm(bench: Bench): Promise<Result[]> {
  const [totals, between]: [Row[], Row[]] = [[], []];
  for (const [i, peer] of peersOf(bench, 'storm').entries()) {
    const file = join(bench.folder, `storm-${i}`);
    const from = performance.now();
    await Promise.all(Array.from({ length: STORM }, () => run(peer.run(`storm-${i}`, [bench.mark, file, '50']))));
    totals.push({ name: peer.name, values: [(performance.now() - from) / 1000] });
    between.push({ name: peer.name, values: gaps(file) });
  }
  const title = `${STORM} that arrive together and hold for 50 ms`;
  return [
    { id: 'storm', title: `${title}: from the first start to the last end`, unit: 's', base: BASE, rows: totals },
    { id: 'storm-gaps', title: `${title}: hand-over`, unit: 'ms', base: BASE, rows: between },
  ];
}

const PARTS: Record<string, (bench: Bench) => Promise<Result[]>> = {
  'hand-over': async (bench) => [await handOver(bench, 300), await handOver(bench, 50)],
  trace,
  start: startUp,
  memory,
  storm,
  crowd: ({ cluster }) => crowds(cluster),
  locks: ({ cluster }) => manyLocks(cluster),
};

const WRITE = '--write';
const write = process.argv.includes(WRITE);
const asked = process.argv.slice(2).filter((arg) => arg !== WRITE);
const unknown = asked.find((name) => !Object.hasOwn(PARTS, name));
if (unknown !== undefined) {
  process.stderr.write(`unknown part "${unknown}": use ${Object.keys(PARTS).join(', ')}\n`);
  process.exit(2);
}
const folder = mkdtempSync(join(tmpdir(), 'k8s-lease-lock-bench-'));
const cluster = await startCluster();
try {
  const bench = { cluster, folder, mark: compileMark(folder), peers: await peersOn(cluster, folder) };
  process.stdout.write(`${cpus().length} processors (${cpus()[0]?.model}), Node ${process.versions.node}\n`);
  for (const name of asked.length > 0 ? asked : Object.keys(PARTS)) {
    const results = (await PARTS[name]?.(bench)) ?? [];
    process.stdout.write(results.map(textOf).join(''));
    if (write) publish(fileURLToPath(new URL('../../docs/benchmarks', import.meta.url)), results);
  }
} finally {
  await cluster.stop();
  rmSync(folder, { recursive: true, force: true });
}

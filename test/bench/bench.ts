/**
 * `npm run bench [-- hand-over trace start memory storm]`: how fast a lock changes hands, how long a command under it takes to start, what that takes of memory,
 * and how long many take that arrive together, beside other locks, in one run on one machine with a real API server. Figures depend on the machine; the ratios are what to compare.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startCluster } from '../harness/cluster.ts';
import { compileMark, gaps } from './mark.ts';
import { type Peer, peersOn } from './peers.ts';
import { percentile } from './percentile.ts';
import { stepsOf } from './trace.ts';

const CONTENDERS = 10;
const STARTS = 15;
const STORM = 60;

interface Bench {
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

function print(title: string, rows: [string, number[]][], base: string): void {
  const p50 = (values: number[]) =>
    percentile(
      values.toSorted((a, b) => a - b),
      0.5,
    );
  const reference = p50(rows.find(([name]) => name === base)?.[1] ?? []);
  process.stdout.write(`\n${title}\n${'x '.padStart(8)}${'p50'.padStart(9)}${'p90'.padStart(9)}${'max'.padStart(9)}  ms\n`);
  for (const [name, values] of rows) {
    const sorted = values.toSorted((a, b) => a - b);
    const figures = [0.5, 0.9, 1].map((p) => percentile(sorted, p).toFixed(1).padStart(9)).join('');
    process.stdout.write(`${(p50(values) / reference).toFixed(1).padStart(7)} ${figures}  ${name} (n=${values.length})\n`);
  }
}

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

async function handOver(bench: Bench, holdMs: number): Promise<void> {
  const rows: [string, number[]][] = [];
  for (const [i, peer] of bench.peers.entries())
    rows.push([peer.name, gaps(await passOn(bench, peer, [`hand-over-${holdMs}-${i}`, holdMs]))]);
  print(`hand-over, ${CONTENDERS} contenders that hold ${holdMs} ms`, rows, 'etcdctl lock');
}

/** Apart from the other figures, since taking notes costs time, too. */
async function trace(bench: Bench): Promise<void> {
  const peer = bench.peers.at(-1);
  if (!peer) return;
  const notes = join(bench.folder, 'trace.notes');
  const preload = `--import=${new URL('trace.mjs', import.meta.url).href}`;
  const file = await passOn(bench, peer, ['trace', 300], { TRACE: notes, NODE_OPTIONS: preload });
  const steps = stepsOf(notes, file);
  process.stdout.write('\nwhere the time of one hand-over goes: p50 since the end of the command, in ms\n');
  for (const name of Object.keys(steps[0] ?? {})) {
    const values = steps.flatMap((each) => each[name] ?? []).toSorted((a, b) => a - b);
    process.stdout.write(`${percentile(values, 0.5).toFixed(1).padStart(9)}  ${name} (n=${values.length})\n`);
  }
}

/** Nobody else wants the lock. */
async function startUp({ peers }: Bench): Promise<void> {
  const lines: [string, string[]][] = [
    ['bare Node', [process.execPath, '-e', '0']],
    ...peers.map(({ name, run: by }, i): [string, string[]] => [name, by(`start-${i}`, ['true'])]),
  ];
  const rows = lines.map(([name]): [string, number[]] => [name, []]);
  for (let n = 0; n < STARTS; n++) {
    for (const [i, [, line]] of lines.entries()) {
      const from = performance.now();
      await run(line);
      rows[i]?.[1].push(performance.now() - from);
    }
  }
  print('start: run -- true, uncontended', rows, 'bare Node');
}

/** Of the process that holds the lock, and of one that waits for it: what it shares with nobody. */
async function memory({ mark, folder, peers }: Bench): Promise<void> {
  process.stdout.write('\nmemory: private, of the process that asks for the lock, in MB\n');
  for (const [i, peer] of peers.entries()) {
    const gate = join(folder, `memory-${i}.gate`);
    const line = peer.run(`memory-${i}`, [mark, join(folder, 'memory'), '0', gate]);
    const env = { PATH: process.env.PATH ?? '', HOME: '/nonexistent' };
    const both = [];
    for (const _ of ['holder', 'waiter']) {
      both.push(spawn(line[0] ?? '', line.slice(1), { env, stdio: 'ignore' }));
      await sleep(2000);
    }
    const figures = both.map(({ pid }) => (privateKb(pid) / 1024).toFixed(1).padStart(9));
    writeFileSync(gate, '');
    await Promise.all(both.map((child) => once(child, 'close')));
    process.stdout.write(`${figures.join('')}  ${peer.name} (holder, waiter)\n`);
  }
}

function privateKb(pid: number | undefined): number {
  const lines = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8').matchAll(/^Private_(?:Clean|Dirty): +(\d+) kB$/gm);
  return [...lines].reduce((sum, [, kb]) => sum + Number(kb), 0);
}

/** All arrive together, starting up included. */
async function storm(bench: Bench): Promise<void> {
  process.stdout.write(`\narrival storm: ${STORM} that hold 50 ms, from the first start to the last end\n`);
  for (const [i, peer] of bench.peers.entries()) {
    const file = join(bench.folder, `storm-${i}`);
    const from = performance.now();
    await Promise.all(Array.from({ length: STORM }, () => run(peer.run(`storm-${i}`, [bench.mark, file, '50']))));
    const seconds = ((performance.now() - from) / 1000).toFixed(1).padStart(9);
    const longest = Math.max(...gaps(file)).toFixed(0);
    process.stdout.write(`${seconds} s  ${peer.name} (longest gap ${longest} ms)\n`);
  }
}

const PARTS: Record<string, (bench: Bench) => Promise<void>> = {
  'hand-over': async (bench) => {
    await handOver(bench, 300);
    await handOver(bench, 50);
  },
  trace,
  start: startUp,
  memory,
  storm,
};

const asked = process.argv.slice(2);
const unknown = asked.find((name) => !Object.hasOwn(PARTS, name));
if (unknown !== undefined) {
  process.stderr.write(`unknown part "${unknown}": use ${Object.keys(PARTS).join(', ')}\n`);
  process.exit(2);
}
const folder = mkdtempSync(join(tmpdir(), 'k8s-lease-lock-bench-'));
const cluster = await startCluster();
try {
  const bench = { folder, mark: compileMark(folder), peers: await peersOn(cluster, folder) };
  process.stdout.write(`${cpus().length} processors (${cpus()[0]?.model}), Node ${process.versions.node}\n`);
  for (const name of asked.length > 0 ? asked : Object.keys(PARTS)) await PARTS[name]?.(bench);
} finally {
  await cluster.stop();
  rmSync(folder, { recursive: true, force: true });
}

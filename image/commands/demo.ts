/**
 * `k8s-lease-lock demo`: three real guards, one lock, and a kill. What happened is checked from what the commands said of themselves, not
 * from what the guards promise; the exit code is 1 if two ever ran at the same time, and that of a guard which could not take part.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { isSea } from 'node:sea';
import { startLeaseServer } from '../../src/server/server.ts';
import type { CommandLineShape, Env } from '../command-line.ts';
import { EXIT } from '../exit-codes.ts';
import { readInterleaved } from '../interleaved.ts';
import { variableOf } from '../option.ts';
import { pick } from '../option-table.ts';
import { complain, reportUsage } from '../run-command.ts';
import { printLine } from '../stdout.ts';
import { drawTimeline, findOverlap, type Row } from './demo-timeline.ts';

/** Short, so that the demonstration is: a killed guard's lock is free after this and two seconds. */
const LEASE_DURATION = '3s';
const KILL_GRACE = '500ms';
/** Stamps its own start and end, in milliseconds: what a guard says of its command comes a moment later. */
const work = (ms: number): string => `console.log(process.pid, Date.now()); setTimeout(() => console.log(Date.now()), ${ms});`;
const WORK_MS = 2000;
/** Longer than the others take to come, however busy the machine is: this one is there to be killed, and must not end before. */
const KILLED_WORK_MS = 600_000;
const KILL_AFTER_MS = 1000;

interface Contender extends Row {
  child: ChildProcess;
  running: Promise<void>;
  ended: Promise<void>;
  /** Of the command, once it runs. */
  pid?: number;
  /** What the guard last said went wrong. */
  problem?: string;
}

/** No variables: one that is meant for other commands must not bring the demo to a real cluster. */
const CLUSTER = ['kubeconfig', 'context', 'namespace'] as const;
export const SHAPE: CommandLineShape = {
  usage: 'Usage: k8s-lease-lock demo [options]\n\nThree guards and one lock, on a Lease server of its own or on your cluster.',
  options: pick(CLUSTER, {
    kubeconfig: { noVariable: true, meaning: 'run it on the cluster of this kubeconfig' },
    context: { noVariable: true, meaning: 'run it on the cluster of this context of the kubeconfig' },
    namespace: { noVariable: true, meaning: 'run it on your cluster, in this namespace' },
  }),
  operands: 'none',
};

const NOT_HERE = 'the demo is for the npm package alone: npx @nullplatform/k8s-lease-lock demo';

export async function demo(argv: readonly string[], env: Env): Promise<number> {
  return await reportUsage('demo', async () => {
    const line = await readInterleaved(SHAPE, argv, env);
    if (line.kind === 'help') await printLine(line.text);
    if (line.kind === 'help') return 0;
    // Its guards, and what they run, are started by Node.
    if (isSea()) return complain(NOT_HERE, EXIT.configuration.code);
    const { read } = line;
    const given = CLUSTER.map((name) => [name, read.text(name)] as const);
    return await show({ cluster: given.flatMap(([name, value]) => (value === undefined ? [] : [`--${name}`, value])) });
  });
}

async function show(options: { cluster: string[] }): Promise<number> {
  const server = options.cluster.length > 0 ? undefined : await startLeaseServer();
  const say = (text: string) => process.stdout.write(`${text}\n`);
  const lock = `k8s-lease-lock-demo-${randomBytes(3).toString('hex')}`;
  const startedAt = Date.now();
  const where = [...(server ? ['--server', server.url] : options.cluster), '--name', lock];
  const start = (name: string, workMs = WORK_MS) => contend(name, where, { startedAt, workMs });
  say(server ? `A Lease server of this demo's own, at ${server.url}.` : `On your cluster, with the Lease ${lock}.`);
  const contenders: Contender[] = [];
  try {
    const alice = start('alice', KILLED_WORK_MS);
    contenders.push(alice);
    await alice.running;
    if (alice.from === undefined) return failed([alice], say);
    say('alice has the lock; bob and carol queue up.');
    const bob = start('bob');
    contenders.push(bob);
    await waiting(bob);
    contenders.push(start('carol'));
    await new Promise((resolve) => setTimeout(resolve, KILL_AFTER_MS));
    say('Killing alice (guard and command) with SIGKILL: its lock is not released and must expire.');
    killHard(alice);
    if (alice.killed) alice.to = Date.now() - startedAt;
    await Promise.all(contenders.map(({ ended }) => ended));
  } finally {
    for (const contender of contenders) killHard(contender);
    await server?.close();
  }
  say(drawTimeline(contenders, Date.now() - startedAt));
  if (!server) say(`The Lease ${lock} remains: kubectl ${[...options.cluster, 'delete', 'lease', lock].map(quoted).join(' ')}`);
  return verdict(contenders, say);
}

/** For a shell. */
const quoted = (word: string): string => (/^[\w./:=@-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

function verdict(rows: Contender[], say: (text: string) => void): number {
  const overlap = findOverlap(rows);
  const idle = rows.filter(({ from }) => from === undefined);
  if (overlap) say(`FAILED: ${overlap.join(' and ')} ran at the same time.`);
  if (overlap) return 1;
  if (idle.length > 0) return failed(idle, say);
  say('Nobody overlapped: one ran at a time, and each had its turn.');
  return 0;
}

/** Why these never ran, with the exit code of the first. */
function failed(idle: Contender[], say: (text: string) => void): number {
  for (const { name, child, problem } of idle)
    say(
      `FAILED: the guard of ${name} ended with ${child.signalCode ?? `exit code ${child.exitCode}`}: ${problem ?? 'no reason given'}`,
    );
  return idle[0]?.child.exitCode || 1;
}

function contend(name: string, where: string[], { startedAt, workMs }: { startedAt: number; workMs: number }): Contender {
  const options = ['--holder', name, '--lease-duration', LEASE_DURATION, '--kill-grace', KILL_GRACE, '--log-format', 'json'];
  const argv = [process.argv[1] ?? '', 'run', ...where, ...options, '--', process.execPath, '-e', work(workMs)];
  // What is set for other commands is not for these.
  const env = Object.fromEntries(Object.entries(process.env).filter(([variable]) => !variable.startsWith(variableOf(''))));
  const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'pipe'], env });
  const ended = once(child, 'close').then(() => {});
  const stamps = createInterface({ input: child.stdout });
  const running = once(stamps, 'line').then(([line]) => {
    const [pid, at] = String(line).split(' ');
    contender.pid = Number(pid);
    contender.from = Number(at) - startedAt;
    stamps.on('line', (last) => {
      contender.to = Number(last) - startedAt;
    });
  });
  createInterface({ input: child.stderr }).on('line', (line) => {
    // The supervisor of a guard that was killed writes a line of its own, and no JSON; so does one that refuses its options.
    if (!line.startsWith('{')) contender.problem = line.replace('k8s-lease-lock: ', '');
    if (!line.startsWith('{')) return;
    const { event, level, message } = JSON.parse(line) as { event?: string; level?: string; message?: string };
    if (level === 'error' && message !== undefined) contender.problem = message;
    if (event === 'waiting') contender.waitedFrom ??= Date.now() - startedAt;
    child.emit(`said ${event}`);
  });
  const contender: Contender = { name, child, running: Promise.race([running, ended]), ended, killed: false };
  return contender;
}

const waiting = (contender: Contender) => Promise.race([once(contender.child, 'said waiting'), contender.ended]);

function killHard(contender: Contender): void {
  const { child, pid } = contender;
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  contender.killed = true;
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended by itself in this very moment.
  }
}

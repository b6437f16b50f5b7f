/**
 * Real guards: the built bundle as a process of its own, its words kept, and commands that write down when they ran. Everything that was
 * started is ended with the test.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { ApiTarget } from './targets.ts';
import { until } from './until.ts';

/** Another build can be named, to hold it to the same tests. */
export const BUNDLE =
  process.env.K8S_LEASE_LOCK_TEST_BUNDLE || fileURLToPath(new URL('../../dist/cli/index.js', import.meta.url));

/** The command line of the program, up to its first argument. The standalone executable can be named, to hold it to the same tests. */
export const PROGRAM: readonly [string, ...string[]] = process.env.K8S_LEASE_LOCK_TEST_EXECUTABLE
  ? [process.env.K8S_LEASE_LOCK_TEST_EXECUTABLE]
  : [process.execPath, BUNDLE];

export interface Finished {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface Guard {
  readonly pid: number;
  readonly stderr: string;
  readonly stdout: string;
  kill(signal: NodeJS.Signals): void;
  /** Resolves when the words on stderr match; rejects if it ends without. */
  says(pattern: RegExp): Promise<void>;
  /** The same for what the command writes to stdout. */
  prints(pattern: RegExp): Promise<void>;
  finished: Promise<Finished>;
  input(text: string): void;
}

export interface GuardOptions {
  env?: Record<string, string>;
  cwd?: string;
  bundle?: string;
}

/** Runs the bundle with these arguments, in an environment of just what is given: no kubeconfig, no proxy. */
export function guard(t: TestContext, args: string[], { env = {}, cwd, bundle }: GuardOptions = {}): Guard {
  const [file, ...before] = bundle === undefined ? PROGRAM : [process.execPath, bundle];
  const child = spawn(file, [...before, ...args], {
    env: { PATH: process.env.PATH ?? '', HOME: '/nonexistent', ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(cwd !== undefined && { cwd }),
  });
  const said = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      said[name] += text;
    });
  }
  const finished = once(child, 'close').then(([code, signal]) => {
    return { code, signal, ...said };
  });
  t.after(() => endWith(child));
  const ended = () => child.exitCode !== null || child.signalCode !== null;
  const saying = async (name: 'stdout' | 'stderr', pattern: RegExp) => {
    await until(() => pattern.test(said[name]) || ended(), `${pattern} on ${name}`);
    if (!pattern.test(said[name])) await finished; // what it said last may still be on its way
    if (!pattern.test(said[name])) throw new Error(`it ended (${child.exitCode}) without ${pattern}: ${said[name]}`);
  };
  return {
    pid: child.pid ?? 0,
    get stderr() {
      return said.stderr;
    },
    get stdout() {
      return said.stdout;
    },
    kill: (signal) => child.kill(signal),
    says: (pattern) => saying('stderr', pattern),
    prints: (pattern) => saying('stdout', pattern),
    finished,
    input: (text) => child.stdin.end(text),
  };
}

/** SIGKILL to the process that renews: in the standalone executable a child of the one that was started. */
export function killGuard({ pid }: Guard): void {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').split(' ').filter(Boolean);
  const own = children.find((child) => basename(readlinkSync(`/proc/${child}/exe`)) === 'guard');
  process.kill(Number(own ?? pid), 'SIGKILL');
}

/** TERM first, so that a guard takes its command with it. */
async function endWith(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

/** The options that lead to a target. */
export function reach({ url, tokenFile, caFile }: Pick<ApiTarget, 'url' | 'tokenFile' | 'caFile'>): string[] {
  return [
    '--server',
    url,
    ...(tokenFile ? ['--token-file', tokenFile] : []),
    ...(caFile ? ['--certificate-authority', caFile] : []),
  ];
}

export function tempFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'k8s-lease-lock-test-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export interface Interval {
  who: string;
  token: string;
  from: bigint;
  to: bigint;
}

/** A command that writes down when it started and ended, by this machine's clock, in a file shared by contenders. */
export function recorded(file: string, who: string, work: string): string[] {
  const note = (what: string) => `echo ${what} ${who} "$LEASE_LOCK_TOKEN" $(date +%s%N) >>${file}`;
  return ['sh', '-c', `${note('start')}; ${work}; ${note('end')}`];
}

export function intervals(file: string): Interval[] {
  const open = new Map<string, Interval>();
  const all: Interval[] = [];
  for (const line of readFileSync(file, 'utf8').trim().split('\n')) {
    const [what, who = '', token = '', at = '0'] = line.split(' ');
    if (what === 'start') {
      const interval = { who, token, from: BigInt(at), to: BigInt(at) };
      open.set(who, interval);
      all.push(interval);
    } else {
      const interval = open.get(who);
      if (interval) interval.to = BigInt(at);
    }
  }
  return all;
}

/** The first two that ran at once, if any. */
export function overlap(all: Interval[]): [Interval, Interval] | undefined {
  const sorted = all.toSorted((a, b) => (a.from < b.from ? -1 : 1));
  for (const [i, next] of sorted.entries()) {
    const before = sorted[i - 1];
    if (before && before.to > next.from) return [before, next];
  }
  return undefined;
}

/** A process that runs code: the dead that nobody has reaped do not. */
export function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

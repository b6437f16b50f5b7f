/** The standalone executable, built from the bundle of this run, on an embedded server; and its peers. */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { after } from 'node:test';
import { executable } from '../harness/executable.ts';
import { reach } from '../harness/guards.ts';
import { tempFile } from '../harness/programs.ts';
import { embeddedTarget } from '../harness/targets.ts';

const target = await embeddedTarget();
after(() => target.close());

export const standalone = await executable();

export async function leaseOf(name: string) {
  const { body } = await target.request('GET', `/apis/coordination.k8s.io/v1/namespaces/default/leases/${name}`);
  return body;
}

let locks = 0;

/** The command line of a guard, up to the command; each call is for another lock. */
export const run = (...options: string[]): string[] => [
  standalone,
  'run',
  '--quiet',
  ...reach(target),
  '--name',
  `lock-${++locks}`,
  ...options,
  '--',
];

/** The command line of flock, up to the command; it does not hand its own descriptor on. */
export function flock(): string[] {
  const file = tempFile(`lock-${++locks}`);
  writeFileSync(file, '');
  return ['flock', '-o', file];
}

/** As a word of a shell's line. */
export const words = (argv: string[]): string => argv.map((word) => `'${word}'`).join(' ');

export interface Running {
  readonly process: ChildProcess;
  output(): string;
  /** Resolves with what follows in the line, when something was written to standard output or error. */
  said(text: string): Promise<string>;
  type(text: string): void;
  readonly ended: Promise<number | string>;
}

/** Starts a program in the environment that is given alone; what it writes is kept. */
export function start([file = '', ...args]: string[], options: SpawnOptions = {}): Running {
  const child = spawn(file, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    ...options,
    env: { PATH: process.env.PATH, ...options.env },
  });
  after(() => child.kill('SIGKILL')); // Where a test has failed.
  let output = '';
  let closed = false;
  let wake = () => {};
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.on('data', (bytes: Buffer) => {
      output += bytes.toString('latin1');
      wake();
    });
  }
  const ended = once(child, 'close').then(([code, signal]) => {
    closed = true;
    wake();
    return code ?? signal;
  });
  return {
    process: child,
    ended,
    output: () => output,
    type: (text) => void child.stdin?.write(text),
    async said(text) {
      for (;;) {
        const at = output.indexOf(text);
        const end = output.indexOf('\n', at);
        if (at >= 0 && end >= 0) return output.slice(at + text.length, end);
        if (closed) throw new Error(`ended without saying ${text}: ${output}`);
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}

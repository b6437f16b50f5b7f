/**
 * A command under a guard: started, signalled, stopped, and known to be gone with all that it has started.
 * Without a terminal it gets a session of its own, so that a signal reaches the whole of it at once and nothing of the guard. With one it stays
 * in the guard's: Ctrl-C, Ctrl-Z, the window's size and the foreground are then the terminal's business, as with `env` or `flock`.
 */
import { spawn } from 'node:child_process';
import type { Clock } from '../clock.ts';
import { EXIT, SIGNALLED } from './exit-codes.ts';
import { type Family, familyOf, livingOf, type StopOptions, signalGroup, stopFamily } from './process-tree.ts';
import { signalNumber } from './signals.ts';

export interface CommandOptions {
  argv: readonly [string, ...string[]];
  env: NodeJS.ProcessEnv;
  /** A text in `env` that is in no other environment. */
  mark: string;
  /** Standard input is a terminal, and the command is to have it. */
  terminal: boolean;
  /** What it gets beside standard input, output and error. */
  descriptors: readonly number[];
  clock: Clock;
}

export type Started = { kind: 'started'; command: Command } | { kind: 'failed'; code: number; message: string };

export interface Command {
  readonly family: Family;
  /** Resolves with the exit code of its first process, as a shell reports it: 128 + n for a signal. */
  readonly ended: Promise<number>;
  signal(signal: NodeJS.Signals): void;
  /** How many of its processes are alive. */
  living(): Promise<number>;
  stop(options: StopOptions): Promise<boolean>;
}

/** What a terminal sends to the command by itself; passed on, it would arrive twice. */
const OF_THE_TERMINAL: readonly NodeJS.Signals[] = ['SIGINT', 'SIGQUIT', 'SIGHUP', 'SIGWINCH'];

export function start({ argv: [file, ...args], env, mark, terminal, descriptors, clock }: CommandOptions): Promise<Started> {
  return new Promise((resolve) => {
    const handed = [0, 1, 2, ...descriptors];
    const stdio = Array.from({ length: Math.max(...handed) + 1 }, (_, fd) => (handed.includes(fd) ? ('inherit' as const) : null));
    const child = spawn(file, args, { stdio, detached: !terminal, env });
    child.once('error', (error: NodeJS.ErrnoException) => resolve(notStarted(file, error)));
    const ended = new Promise<number>((done) => {
      child.once('exit', (code, signal) => done(code ?? SIGNALLED + signalNumber(signal)));
    });
    child.once('spawn', () => {
      if (child.pid !== undefined)
        resolve({ kind: 'started', command: running(familyOf(child.pid, !terminal, mark), ended, clock) });
    });
  });
}

function running(family: Family, ended: Promise<number>, clock: Clock): Command {
  return {
    family,
    ended,
    signal(signal) {
      if (family.ownSession || !OF_THE_TERMINAL.includes(signal)) signalGroup(family, signal, clock);
    },
    living: async () => (await livingOf(family, clock)).length,
    async stop(options) {
      const gone = await stopFamily(family, clock, options);
      if (gone) await ended; // Reaped, too: its exit code is known from here on.
      return gone;
    },
  };
}

function notStarted(file: string, error: NodeJS.ErrnoException): Started {
  if (error.code === 'ENOENT') return { kind: 'failed', code: EXIT.notFound.code, message: `${file}: command not found` };
  return {
    kind: 'failed',
    code: EXIT.cannotExecute.code,
    message: `${file}: can not be executed (${error.code ?? error.message})`,
  };
}

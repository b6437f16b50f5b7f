/**
 * A command under a guard: started, signalled, stopped, and known to be gone with all that it has started.
 * Without a terminal it gets a session of its own, so that a signal reaches all of it and nothing of the guard. With one it stays
 * in the guard's: Ctrl-C, Ctrl-Z, the window's size and the foreground are then the terminal's business, as with `env` or `flock`.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Clock } from '../clock.ts';
import { livingOf, type ProcessTree, signalGroup, type TerminateOptions, terminate, treeOf } from './process-tree.ts';

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

export type Started = { kind: 'started'; command: Command } | NotStarted;

export interface NotStarted {
  kind: 'not-started';
  problem: 'not-found' | 'cannot-execute';
  message: string;
}

/** How the command's first process ended. */
export type CommandEnd = { code: number } | { signal: NodeJS.Signals };

export interface Command {
  readonly tree: ProcessTree;
  /** Resolves when its first process has ended. */
  readonly ended: Promise<CommandEnd>;
  signal(signal: NodeJS.Signals): void;
  /** How many of its processes are alive. */
  living(): Promise<number>;
  /** SIGTERM, the grace, SIGKILL; false if the end of every process could not be seen. */
  terminate(options: TerminateOptions): Promise<boolean>;
}

/** What a terminal sends to the command by itself; passed on, it would arrive twice. */
const OF_THE_TERMINAL: readonly NodeJS.Signals[] = ['SIGINT', 'SIGQUIT', 'SIGHUP', 'SIGWINCH'];

export function start({ argv: [file, ...args], env, mark, terminal, descriptors, clock }: CommandOptions): Promise<Started> {
  return new Promise((resolve) => {
    const handed = [0, 1, 2, ...descriptors];
    const stdio = Array.from({ length: Math.max(...handed) + 1 }, (_, fd) => (handed.includes(fd) ? ('inherit' as const) : null));
    let child: ChildProcess;
    try {
      child = spawn(file, args, { stdio, detached: !terminal, env });
    } catch (error) {
      // Node throws for most of what the kernel refuses (ENOTDIR, ETXTBSY, E2BIG), and for arguments with a zero byte.
      return resolve(notStarted(file, error as NodeJS.ErrnoException));
    }
    child.once('error', (error: NodeJS.ErrnoException) => resolve(notStarted(file, error)));
    const ended = new Promise<CommandEnd>((done) => {
      child.once('exit', (code, signal) => done(signal === null ? { code: code ?? 0 } : { signal }));
    });
    child.once('spawn', () => {
      if (child.pid !== undefined)
        resolve({ kind: 'started', command: running(treeOf(child.pid, !terminal, mark), ended, clock) });
    });
  });
}

function running(tree: ProcessTree, ended: Promise<CommandEnd>, clock: Clock): Command {
  return {
    tree,
    ended,
    signal(signal) {
      if (tree.ownSession || !OF_THE_TERMINAL.includes(signal)) signalGroup(tree, signal, clock);
    },
    living: async () => (await livingOf(tree, clock)).length,
    async terminate(options) {
      const gone = await terminate(tree, clock, options);
      if (gone) await ended; // Reaped, too: how it ended is known from here on.
      return gone;
    },
  };
}

function notStarted(file: string, error: NodeJS.ErrnoException): NotStarted {
  if (error.code === 'ENOENT') return { kind: 'not-started', problem: 'not-found', message: `${file}: command not found` };
  const message = `${file}: cannot be executed (${error.code ?? error.message})`;
  return { kind: 'not-started', problem: 'cannot-execute', message };
}

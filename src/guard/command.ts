/**
 * A command in a process group of its own: started, signalled, stopped, and known to be gone. "Gone" means every process of its group and
 * session, not just the first one.
 */
import { spawn } from 'node:child_process';
import { type Clock, later, type Monotonic, waitUntil } from '../clock.ts';
import { EXIT, SIGNALLED } from './exit-codes.ts';
import { livingMembers, signalMembers } from './processes.ts';
import { signalNumber } from './signals.ts';

export interface CommandOptions {
  argv: readonly [string, ...string[]];
  env: NodeJS.ProcessEnv;
  clock: Clock;
}

export type Started = { kind: 'started'; command: Command } | { kind: 'failed'; code: number; message: string };

export interface Command {
  /** Resolves with the exit code of its first process, as a shell reports it: 128 + n for a signal. */
  readonly ended: Promise<number>;
  signal(signal: NodeJS.Signals): void;
  /** How many processes of it are alive. */
  alive(): number;
  /**
   * SIGTERM, the grace (cut short at `until`), SIGKILL. True once every process is gone; false if that could not be seen by `until`, or, where
   * that is past, `reapMs` after the SIGKILL.
   */
  stop(options: { graceMs: number; reapMs: number; until(): Monotonic }): Promise<boolean>;
}

/** How often the process table is looked at while a command is being stopped: it costs about a millisecond each time. */
const LOOK_MS = 20;

export function start({ argv: [file, ...args], env, clock }: CommandOptions): Promise<Started> {
  return new Promise((resolve) => {
    // Detached: a session, and so a group, of its own. The guard's own group must survive what the command's gets.
    const child = spawn(file, args, { stdio: 'inherit', detached: true, env });
    child.once('error', (error: NodeJS.ErrnoException) => resolve(notStarted(file, error)));
    const ended = new Promise<number>((done) => {
      child.once('exit', (code, signal) => done(code ?? SIGNALLED + signalNumber(signal)));
    });
    child.once('spawn', () => {
      if (child.pid !== undefined) resolve({ kind: 'started', command: running(child.pid, ended, clock) });
    });
  });
}

function running(leader: number, ended: Promise<number>, clock: Clock): Command {
  const gone = async (until: () => Monotonic): Promise<boolean> => {
    while (livingMembers(leader).length > 0) {
      if (clock.now() >= until()) return false;
      await waitUntil(clock, later(clock.now(), LOOK_MS));
    }
    await ended; // Reaped, too: its exit code is known from here on.
    return true;
  };
  return {
    ended,
    signal: (signal) => signalMembers(leader, signal),
    alive: () => livingMembers(leader).length,
    async stop({ graceMs, reapMs, until }) {
      const graceEnds = later(clock.now(), graceMs);
      signalMembers(leader, 'SIGTERM');
      if (await gone(() => Math.min(graceEnds, until()) as Monotonic)) return true;
      signalMembers(leader, 'SIGKILL');
      const reaped = later(clock.now(), reapMs);
      return await gone(() => Math.max(reaped, until()) as Monotonic);
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

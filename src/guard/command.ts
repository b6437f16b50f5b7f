/**
 * A command under its supervisor: prepared before the lock is there, started, signalled, terminated, and known to be gone with all that it has
 * started. What a supervisor promises: supervisor.c.
 */
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, join } from 'node:path';
import type { Clock } from '../clock.ts';
import { documentAt } from '../documents.ts';
import type { StandInDeadlines } from '../protocol/deadlines.ts';
import type { SupervisorLink } from './supervisor/link.ts';
import { systemError } from './system-error.ts';

export interface CommandOptions {
  argv: readonly [string, ...string[]];
  env: NodeJS.ProcessEnv;
  /** Between SIGTERM and SIGKILL, where the supervisor acts by itself. */
  graceMs: number;
  orphans: 'stop' | 'wait';
  clock: Clock;
}

export type Prepared = { kind: 'prepared'; command: Command } | NotStarted | Unsupervised;
/** Too late: the deadline has passed, or the caller has gone; nothing has been started. */
export type Started = { kind: 'started' } | { kind: 'too-late' } | NotStarted | Unsupervised;

export interface NotStarted {
  kind: 'not-started';
  problem: 'not-found' | 'cannot-execute';
  message: string;
}

/** There is no supervisor, or it was killed: without it a command could outlive its lock. */
export interface Unsupervised {
  kind: 'unsupervised';
  message: string;
}

/** How the command's first process ended. */
export type CommandEnd = { code: number } | { signal: number };

export interface Command {
  /** Runs it, with these variables beside its environment. Not before there are deadlines, unless it shall have none. */
  start(environment: Readonly<Record<string, string>>, deadlines: (() => StandInDeadlines) | undefined): Promise<Started>;
  /** With each renewal. */
  moveDeadlines(deadlines: StandInDeadlines): void;
  /** Resolves when its first process has ended, with how many it has left behind; undefined: the supervisor was killed. */
  readonly ended: Promise<{ end: CommandEnd; left: number } | undefined>;
  /** Resolves when every process has ended; false: the supervisor was killed, and what became of them is not known. */
  readonly gone: Promise<boolean>;
  /** Whether the supervisor has stopped it by itself, since the deadline had passed. */
  wasOverdue(): boolean;
  /** Passes it on, unless the command has had it from its terminal. */
  signal(signal: NodeJS.Signals): void;
  /** SIGTERM, the grace, SIGKILL, until nobody is left. Another call can shorten the grace. */
  terminate(graceMs: number): void;
}

/** Has the command's process forked and its program looked for; it then waits for `start`. */
export async function prepare(link: SupervisorLink, options: CommandOptions): Promise<Prepared> {
  const { argv, env, graceMs, orphans } = options;
  link.send({ kind: 'prepare', index: link.commandAt, graceMs }, { kind: 'orphans', policy: orphans });
  const answer = await Promise.race([link.first('ready'), link.first('cannotStart'), link.first('terminating')]);
  if (answer === undefined || answer.kind === 'terminating') return { kind: 'unsupervised', message: ENDED };
  if (answer.kind === 'cannotStart') return notStarted(argv[0], env.PATH, answer.errno);
  return { kind: 'prepared', command: commandOver(link, options) };
}

export const ENDED = `the supervisor of the command was killed, and the command with it (${documentAt('safety.md#supervisor')})`;

/**
 * Tells the supervisor when to act by itself, on its own clock. Returns the one that moves the deadlines. That clock was read before its message was
 * sent, so that what is computed from it is early, if anything. With each move it is asked for anew: the two may have come apart.
 */
function deadlineSender(link: SupervisorLink, clock: Clock): (deadlines: StandInDeadlines) => void {
  let deadlines: StandInDeadlines | undefined;
  let aheadMs: number | undefined;
  let answered = true;
  const send = () => {
    if (!deadlines || aheadMs === undefined) return;
    const { terminateAt, killAt } = deadlines;
    link.send({ kind: 'deadline', terminateAtMs: terminateAt + aheadMs, killAtMs: killAt + aheadMs });
  };
  link.on('clock', ({ nowMs }) => {
    answered = true;
    aheadMs = nowMs - clock.now();
    send();
  });
  link.send({ kind: 'clock' });
  return (to) => {
    deadlines = to;
    if (!answered) link.revive();
    answered = false;
    send();
    link.send({ kind: 'clock' });
  };
}

function commandOver(link: SupervisorLink, { argv, env, clock }: CommandOptions): Command {
  const parent = process.ppid;
  const moveDeadlines = deadlineSender(link, clock);
  let overdue = false;
  link.on('terminating', ({ reason }) => {
    overdue ||= reason === 'deadline';
  });
  const exited = Promise.race([link.first('exited'), link.first('killed')]);
  return {
    async start(environment, deadlines) {
      if (deadlines) {
        await link.first('clock'); // It has been asked for long ago.
        moveDeadlines(deadlines()); // There may have been a renewal since.
      }
      link.send({ kind: 'start', environment });
      const answer = await Promise.race([link.first('started'), link.first('cannotStart'), link.first('terminating')]);
      if (answer === undefined) return { kind: 'unsupervised', message: ENDED };
      if (answer.kind === 'started') return { kind: 'started' };
      const late = answer.kind === 'terminating' || answer.errno === constants.errno.ETIMEDOUT;
      return late ? { kind: 'too-late' } : notStarted(argv[0], env.PATH, answer.errno);
    },
    moveDeadlines,
    wasOverdue: () => overdue,
    ended: exited.then(
      (message) =>
        message && {
          end: message.kind === 'exited' ? { code: message.code } : { signal: message.signal },
          left: message.left,
        },
    ),
    // Where `first` is still the parent of this process, it has killed what was left before it closed the socket.
    gone: link.first('allGone').then(async (message) => {
      if (message !== undefined) return true;
      const hello = await link.first('hello');
      // The supervisor was killed, and the command's first process with it. Where `first` is still our parent, it has killed the others as well.
      if (hello?.underFirst) return process.ppid === parent;
      if (hello && !hello.sharesTerminal) killGroup((await link.first('ready'))?.pid);
      return false;
    }),
    signal: (signal) => link.send({ kind: 'signal', signal: constants.signals[signal], unlessGroupHadIt: true }),
    terminate(graceMs) {
      link.send({ kind: 'terminate', graceMs });
      link.revive();
    },
  };
}

/** Those that have stayed in the group of the command. */
function killGroup(leader: number | undefined): void {
  try {
    if (leader !== undefined) process.kill(-leader, 'SIGKILL');
  } catch {
    // Nobody is left in it.
  }
}

function notStarted(file: string, path: string | undefined, errno: number): NotStarted {
  if (errno !== constants.errno.ENOENT)
    return { kind: 'not-started', problem: 'cannot-execute', message: `${file}: cannot be executed (${systemError(errno)})` };
  const folders = file.includes('/') ? [''] : (path ?? '').split(delimiter);
  if (!folders.some((folder) => existsSync(join(folder, file))))
    return { kind: 'not-started', problem: 'not-found', message: `${file}: command not found` };
  return {
    kind: 'not-started',
    problem: 'cannot-execute',
    message: `${file}: cannot be executed (what its first line names as the interpreter does not exist)`,
  };
}

/**
 * The guard's end of its supervisor: started and connected, its messages as promises. In the npm package and the Action the guard starts it; in the
 * image and the standalone binary it is there already, and its socket is handed to the guard (first.c).
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type Clock, later, waitUntil } from '../../clock.ts';
import { systemError } from '../system-error.ts';
import { createMailbox, type Mailbox } from './mailbox.ts';
import { createDecoder, encode, PROTOCOL_VERSION, type ToSupervisor } from './protocol.ts';

export interface SupervisorLink extends Omit<Mailbox, 'hear'> {
  /** Where the command begins in the arguments that the supervisor knows. */
  readonly commandAt: number;
  /** Nothing happens if the supervisor has ended. */
  send(...messages: ToSupervisor[]): void;
  /** Continues a supervisor that somebody has stopped (SIGSTOP); under `first` that is done by `first`. */
  revive(): void;
  /** Aborts when the supervisor has ended, or sends what is no message. */
  readonly ended: AbortSignal;
  /** Says what the caller is told, and waits until the supervisor knows it; not for long. */
  end(callerSees: 'exitCodeOfGuard' | 'endOfCommand'): Promise<void>;
}

export type Opened =
  | { kind: 'opened'; link: SupervisorLink }
  /** The kernel does not take the command with all of its arguments and its environment. */
  | { kind: 'too-long'; message: string }
  | { kind: 'refused'; message: string };

export type SupervisorSource =
  /** `first` has started both: the socket's descriptor, and the index of the command in the arguments of `first`. */
  | { kind: 'first'; socket: number | undefined; commandAt: number }
  /** To be started from this folder; `descriptors` beside the standard three are handed on. */
  | { kind: 'folder'; folder: string; descriptors: readonly number[] };

interface CommandLine {
  argv: readonly [string, ...string[]];
  env: NodeJS.ProcessEnv;
}

/** The platforms that there is a supervisor for. */
const PLATFORMS: readonly string[] = ['linux-x64', 'linux-arm64', 'darwin-x64', 'darwin-arm64'];

/** Opens the supervisor for a command. It throws nothing: what the kernel refuses is a sentence. */
export type OpenSupervisor = (command: CommandLine, clock: Clock) => Promise<Opened>;

export const openSupervisor =
  (source: SupervisorSource): OpenSupervisor =>
  async (command, clock) => {
    if (source.kind === 'folder') return await startSupervisor(source, command, clock);
    const { socket, commandAt } = source;
    if (socket === undefined)
      return {
        kind: 'refused',
        message: 'this program was started without its supervisor: start "k8s-lease-lock" beside its folder lib',
      };
    return { kind: 'opened', link: linkOver(new Socket({ fd: socket }), { commandAt, clock, revive: () => {} }) };
  };

async function startSupervisor(
  { folder, descriptors }: SupervisorSource & { kind: 'folder' },
  { argv, env }: CommandLine,
  clock: Clock,
): Promise<Opened> {
  const platform = `${process.platform}-${process.arch}`;
  if (!PLATFORMS.includes(platform))
    return { kind: 'refused', message: `commands cannot be run under a lock on ${platform}: use one of ${PLATFORMS.join(', ')}` };
  const handed = [0, 1, 2, ...descriptors];
  let socketAt = 3;
  while (handed.includes(socketAt)) socketAt++;
  const stdio = Array.from({ length: Math.max(...handed, socketAt) + 1 }, (_, fd) =>
    fd === socketAt ? ('pipe' as const) : handed.includes(fd) ? ('inherit' as const) : null,
  );
  try {
    const child = spawn(`${folder}/${platform}`, [`--supervise=${socketAt}${callersFiles()}`, '--', ...argv], { stdio, env });
    if (child.pid === undefined) return cannotBeStarted((await once(child, 'error').catch((error) => [error]))[0]);
    child.on('error', () => {}); // It can't be signalled any more: its socket tells.
    const revive = () => void child.kill('SIGCONT');
    return { kind: 'opened', link: linkOver(child.stdio[socketAt] as Duplex, { commandAt: 0, clock, revive }) };
  } catch (error) {
    return cannotBeStarted(error); // Node throws for most of what the kernel refuses, and for arguments with a zero byte.
  }
}

function cannotBeStarted(error: unknown): Opened {
  if ((error as NodeJS.ErrnoException).code === 'E2BIG') return { kind: 'too-long', message: systemError(error) };
  return { kind: 'refused', message: `the supervisor of the command cannot be started: ${systemError(error)}` };
}

/**
 * Node raises its own limit of open files to the hard one, and remembers nothing. What the caller has, its parent has, as long as they have the hard
 * one in common.
 */
function callersFiles(): string {
  const soft = (pid: number | 'self'): [string, string] | undefined => {
    try {
      const [, now = '', most = ''] =
        /^Max open files\s+(\S+)\s+(\S+)/m.exec(readFileSync(`/proc/${pid}/limits`, 'latin1')) ?? [];
      return [now, most];
    } catch {
      return undefined; // No /proc, or the parent is not ours to see.
    }
  };
  const [own, caller] = [soft('self'), soft(process.ppid)];
  return own && caller && caller[0] !== '' && own[1] === caller[1] ? `,files=${caller[0]}` : '';
}

/** For a supervisor that has work to do at its end: to kill a prepared command. */
const END_MS = 2000;

function linkOver(
  socket: Duplex,
  { commandAt, clock, revive }: Pick<SupervisorLink, 'commandAt' | 'revive'> & { clock: Clock },
): SupervisorLink {
  const decode = createDecoder();
  const ended = new AbortController();
  const { hear, first, on } = createMailbox(ended.signal);
  socket.on('data', (bytes: Buffer) => {
    try {
      for (const message of decode(bytes)) hear(message);
    } catch {
      socket.destroy(); // It is not ours.
    }
  });
  socket.on('error', () => {}); // Reset, where it was killed.
  socket.once('close', () => ended.abort());
  const send = (...messages: ToSupervisor[]) => {
    if (!ended.signal.aborted) socket.write(Buffer.concat(messages.map(encode)));
  };
  send({ kind: 'hello', version: PROTOCOL_VERSION });
  return {
    commandAt,
    send,
    revive,
    first,
    on,
    ended: ended.signal,
    async end(callerSees) {
      if (ended.signal.aborted) return;
      send({ kind: 'end', callerSees });
      await waitUntil(clock, later(clock.now(), END_MS), ended.signal);
      socket.destroy();
    },
  };
}

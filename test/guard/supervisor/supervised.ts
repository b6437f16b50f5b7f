/** A command under the built supervisor, driven by its messages as a guard drives it; and small C programs to be such commands. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { after } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  createDecoder,
  encode,
  type FromSupervisor,
  NEVER_MS,
  PROTOCOL_VERSION,
  type ToSupervisor,
} from '../../../src/guard/supervisor/protocol.ts';
import { compile, tempFile } from '../../harness/programs.ts';

const sources = fileURLToPath(new URL('../../../src/guard/supervisor/', import.meta.url));
/** Another build can be tried: one with ASan, one for another processor below its emulator. */
export const SUPERVISOR = process.env.SUPERVISOR ?? join(sources, 'bin', `${process.platform}-${process.arch}`);

/** A supervisor of the same sources that is built otherwise. */
export function buildSupervisor(name: string, ...flags: string[]): string {
  const path = tempFile(name);
  const files = ['supervisor.c', 'first.c', 'system.c'].map((file) => join(sources, file));
  execFileSync('gcc', ['-std=c99', '-Wall', '-Wextra', '-Werror', ...flags, ...files, '-o', path]);
  return path;
}

export { compile, tempFile };

export type Kind = FromSupervisor['kind'];
type Of<K extends Kind> = Extract<FromSupervisor, { kind: K }>;

export interface Supervised {
  readonly process: ChildProcess;
  readonly socket: Duplex;
  /** All that it has said. */
  readonly messages: FromSupervisor[];
  send(...messages: ToSupervisor[]): void;
  /** The first of a kind that has not been taken yet, as soon as it is there. */
  next<K extends Kind>(kind: K): Promise<Of<K>>;
  /** Resolves when the command has written this. */
  said(text: string): Promise<void>;
  output(): string;
  /** The exit of the supervisor itself. */
  readonly ended: Promise<number | string>;
  /** `prepare`, `start`, and the answer. */
  run(options?: RunOptions): Promise<FromSupervisor>;
}

interface RunOptions {
  graceMs?: number;
  terminateAtMs?: number;
  killAtMs?: number;
  orphans?: 'stop' | 'wait';
  environment?: Record<string, string>;
}

export interface SuperviseOptions {
  env?: Record<string, string | undefined>;
  cwd?: string;
  option?: string;
  /** Put before the supervisor: setpriv, qemu, a shell that sets limits. */
  around?: string[];
  supervisor?: string;
  stdin?: 'pipe' | 'ignore';
  /** Instead of the usual start of a process. */
  stderr?: 'inherit' | 'pipe';
}

const AROUND = process.env.SUPERVISOR_AROUND?.split(' ') ?? [];

/** All that a supervisor and its command say; `isSo` waits until it shows what is looked for. */
function listen(child: ChildProcess, socket: Duplex) {
  const decode = createDecoder();
  const messages: FromSupervisor[] = [];
  let output = '';
  let waiting: (() => void)[] = [];
  let closed = false;
  const news = () => {
    const woken = waiting;
    waiting = [];
    for (const wake of woken) wake();
  };
  socket.on('data', (bytes: Buffer) => {
    messages.push(...decode(bytes));
    news();
  });
  socket.on('error', () => {}); // Reset, where the supervisor was killed.
  child.stdout?.on('data', (bytes: Buffer) => {
    output += bytes.toString('latin1');
    news();
  });
  child.once('close', () => {
    closed = true;
    news();
  });
  const isSo = async (found: () => boolean, what: string) => {
    while (!found()) {
      if (closed) throw new Error(`the supervisor has ended without ${what}; it said ${JSON.stringify(messages)}`);
      await new Promise<void>((resolve) => waiting.push(resolve));
    }
  };
  return { messages, isSo, output: () => output };
}

export function supervise(argv: string[], options: SuperviseOptions = {}): Supervised {
  const { env = process.env, cwd, option = '', around = [], stdin = 'ignore', stderr = 'inherit' } = options;
  const [file = '', ...args] = [...around, ...AROUND, options.supervisor ?? SUPERVISOR, `--supervise=3${option}`, '--', ...argv];
  const child = spawn(file, args, { stdio: [stdin, 'pipe', stderr, 'pipe'], env, ...(cwd && { cwd }) });
  const socket = child.stdio[3] as Duplex;
  after(() => child.kill('SIGKILL')); // Where a test has failed.
  const heard = listen(child, socket);
  const { messages, isSo } = heard;
  const taken = new Set<FromSupervisor>();
  const ended = once(child, 'exit').then(([code, signal]) => code ?? signal);
  const self: Supervised = {
    process: child,
    socket,
    messages,
    ended,
    send: (...all) => void socket.write(Buffer.concat(all.map(encode))),
    async next(kind) {
      const find = () => messages.find((message) => message.kind === kind && !taken.has(message));
      await isSo(() => find() !== undefined, kind);
      const message = find();
      assert.ok(message);
      taken.add(message);
      return message as Of<typeof kind>;
    },
    said: (text) => isSo(() => heard.output().includes(text), `the output ${text}`),
    output: heard.output,
    async run({ graceMs = 5000, terminateAtMs = NEVER_MS, killAtMs = NEVER_MS, orphans = 'stop', environment = {} } = {}) {
      self.send(
        { kind: 'hello', version: PROTOCOL_VERSION },
        { kind: 'prepare', index: 0, graceMs },
        { kind: 'orphans', policy: orphans },
        { kind: 'deadline', terminateAtMs, killAtMs },
        { kind: 'start', environment },
      );
      const answer = () => messages.find(({ kind }) => kind === 'started' || kind === 'cannotStart');
      await isSo(() => answer() !== undefined, 'an answer');
      return answer() as FromSupervisor;
    },
  };
  return self;
}

/** Runs a command to its end, and returns how it ended. */
export async function runToEnd(
  argv: string[],
  options: SuperviseOptions & RunOptions = {},
): Promise<{ end: FromSupervisor; output: string }> {
  const supervised = supervise(argv, options);
  const started = await supervised.run(options);
  if (started.kind === 'cannotStart') {
    supervised.send({ kind: 'end', callerSees: 'exitCodeOfGuard' });
    await once(supervised.process, 'close');
    return { end: started, output: supervised.output() };
  }
  await supervised.next('allGone');
  supervised.send({ kind: 'end', callerSees: 'exitCodeOfGuard' });
  await once(supervised.process, 'close');
  const end = supervised.messages.find(({ kind }) => kind === 'exited' || kind === 'killed');
  assert.ok(end);
  return { end, output: supervised.output() };
}

/** Whether a process runs code: a dead one that nobody has reaped does not. */
export function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return !['Z', 'X'].includes(stat.slice(stat.lastIndexOf(')') + 2)[0] ?? '');
  } catch {
    return false; // Gone.
  }
}

/**
 * The machine that a job runs on: one process above all phases, of which one runs at a time. A cancelled phase is ended as GitHub's runner
 * ends it, and is given up by a container's. When the machine is down, nothing runs any more and nothing is started.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { kill } from '../processes.ts';
import type { CancelTimes, JobOptions, PhaseResult } from './types.ts';
import type { Start, Told } from './worker.ts';

const REAL_TIMES: CancelTimes = { termAfterMs: 7500, killAfterMs: 2500 };
const WORKER = fileURLToPath(new URL('worker.ts', import.meta.url));

export interface Machine {
  readonly worker: ChildProcess;
  readonly gone: Promise<void>;
  /** Everything that was printed. */
  text: string;
  /** Of the phase that runs now; 0 if none does. */
  pid: number;
  cancelled: boolean;
  down: boolean;
  readonly manner: 'process' | 'container';
  readonly cancelTimes: CancelTimes;
  readonly streamsMs: number;
  phases: number;
  onCancel(): void;
}

export type Ended = Pick<PhaseResult, 'code' | 'signal' | 'inherited'>;

export function startMachine({ manner = 'process', cancelTimes = REAL_TIMES, streamsMs = 5000 }: JobOptions): Machine {
  // It must not read the environment of whoever runs the tests: that may lead to a real cluster.
  const worker = fork(WORKER, {
    env: { PATH: process.env.PATH ?? '' },
    execArgv: [],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    detached: true,
  });
  const machine: Machine = {
    worker,
    gone: once(worker, 'exit').then(() => {
      machine.down = true;
    }),
    text: '',
    pid: 0,
    cancelled: false,
    down: false,
    manner,
    cancelTimes,
    streamsMs,
    phases: 0,
    onCancel: () => {},
  };
  return machine;
}

export function cancel(machine: Machine): void {
  if (machine.cancelled) return;
  machine.cancelled = true;
  machine.onCancel();
}

/** Nothing more is heard of it, and it ends by itself. */
export async function leave({ worker, gone }: Machine): Promise<void> {
  worker.removeAllListeners('message');
  if (worker.connected) worker.disconnect();
  await gone;
}

export type Command = Omit<Start, 'streamsMs' | 'id'>;

/** Runs one process to its end, or to the moment at which the runner gives it up. */
export async function execute(machine: Machine, command: Command): Promise<Ended & Pick<PhaseResult, 'text' | 'ms'>> {
  const startedAt = performance.now();
  const id = ++machine.phases;
  const ended = Promise.withResolvers<Ended>();
  const giveUp = new AbortController();
  const before = machine.cancelled;
  let text = '';
  const listen = (told: Told) => {
    if (told.id !== id) return; // of one that was given up
    if (told.type === 'started') {
      machine.pid = told.pid;
      if (machine.cancelled && !before) machine.onCancel();
    } else if (told.type === 'printed') {
      text += told.text;
      machine.text += told.text;
    } else ended.resolve(told);
  };
  machine.worker.on('message', listen);
  machine.onCancel = () => {
    if (machine.pid === 0) return;
    void endPhase(machine, giveUp.signal).then(() => machine.manner === 'container' && ended.resolve(LOST));
  };
  if (!machine.down) machine.worker.send({ ...command, id, streamsMs: machine.streamsMs } satisfies Start);
  void machine.gone.then(() => ended.resolve(LOST));
  const { code, signal, inherited } = await ended.promise;
  giveUp.abort();
  machine.onCancel = () => {};
  machine.pid = 0;
  machine.worker.off('message', listen);
  return { code, signal, text, inherited, ms: performance.now() - startedAt };
}

/** Of whose end nothing is known. */
const LOST: Ended = { code: null, signal: null, inherited: false };

async function endPhase({ pid, manner, cancelTimes }: Machine, ended: AbortSignal): Promise<void> {
  const wait = (ms: number) => sleep(ms, undefined, { signal: ended, ref: false }).catch(() => {});
  const send = (signal: NodeJS.Signals) => !ended.aborted && manner === 'process' && kill(pid, signal);
  if (cancelTimes.termAfterMs > 0) send('SIGINT');
  await wait(cancelTimes.termAfterMs);
  if (cancelTimes.killAfterMs > 0) send('SIGTERM');
  await wait(cancelTimes.killAfterMs);
  send('SIGKILL');
}

/**
 * The guard's end of its watchdog: started and ready before the lock is asked for, told every deadline, replaced if it dies.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { type Clock, later, toMachineTime, waitUntil } from '../clock.ts';
import type { Log } from '../log.ts';
import { type Deadlines, standInFor } from '../protocol/deadlines.ts';
import type { Timings } from '../protocol/timings.ts';
import type { ProcessTree } from './process-tree.ts';
import type { Deadline, Message } from './watchdog.ts';

export interface WatchdogLink {
  /** Resolves once it listens, or once it is clear that it does not. */
  readonly ready: Promise<boolean>;
  watch(tree: ProcessTree): void;
  /** After every renewal. */
  renewed(deadlines: Deadlines): void;
  stopping(): void;
  /** Lets it go: it ends by itself once nothing of the command is left. */
  end(): void;
}

export interface WatchdogOptions {
  /** What to run as the watchdog. */
  argv: readonly [string, ...string[]];
  clock: Clock;
  timings: Timings;
  log: Log;
}

/** For a Node to start on a loaded machine. */
const START_MS = 10_000;
/** Between two attempts to replace one that has died. */
const AGAIN_MS = 1000;

export function startWatchdog({ argv: [file, ...args], clock, timings, log }: WatchdogOptions): WatchdogLink {
  /** What a successor has to be told. */
  const told = new Map<Message['kind'], Message>();
  let ended = false;
  let child: ChildProcess | undefined;

  const tell = (message: Message) => {
    told.set(message.kind, message);
    child?.stdin?.write(`${JSON.stringify(message)}\n`);
  };
  const launch = async (): Promise<boolean> => {
    const started = spawnWatchdog(file, args);
    if (started) {
      child = started;
      child.stdin?.on('error', () => {}); // It has died: 'exit' tells.
      for (const message of told.values()) tell(message);
    }
    const gone = started ? endOf(started) : Promise.resolve<false>(false);
    void gone.then(async () => {
      if (ended) return;
      log('error', started ? 'the watchdog has ended: starting another' : 'the watchdog could not be started: trying again');
      await waitUntil(clock, later(clock.now(), AGAIN_MS));
      if (!ended) await launch();
    });
    const listening = new Promise<true>((resolve) => started?.stdout?.once('data', () => resolve(true)));
    const late = waitUntil(clock, later(clock.now(), START_MS)).then((): false => false);
    return await Promise.race([listening, gone, late]);
  };

  return {
    ready: launch(),
    watch: (tree) => tell({ kind: 'command', tree }),
    renewed: (deadlines) => tell({ kind: 'deadline', deadline: deadlineOf(deadlines, clock, timings) }),
    stopping: () => tell({ kind: 'stopping' }),
    end() {
      ended = true;
      child?.stdin?.end();
      child?.unref();
    },
  };
}

/** Undefined where the kernel has no room for another process: the guard goes on, and tries again. */
function spawnWatchdog(file: string, args: string[]): ChildProcess | undefined {
  try {
    // A session of its own, and nothing of the environment: neither the terminal's signals nor NODE_OPTIONS are meant for it.
    return spawn(file, args, { stdio: ['pipe', 'pipe', 'inherit'], detached: true, env: {} });
  } catch {
    return undefined;
  }
}

function endOf(child: ChildProcess): Promise<false> {
  return new Promise((resolve) => {
    child.once('error', () => resolve(false));
    child.once('exit', () => resolve(false));
  });
}

function deadlineOf(deadlines: Deadlines, clock: Clock, timings: Timings): Deadline {
  const { terminateAt, killAt } = standInFor(deadlines, timings);
  const { killGraceMs: graceMs, reapMs } = timings;
  return { terminateAt: toMachineTime(clock, terminateAt), killAt: toMachineTime(clock, killAt), graceMs, reapMs };
}

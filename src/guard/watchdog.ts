/**
 * The watchdog, as a process of its own: it stops the command when its guard has died, or has fallen silent past the moment from which the
 * command had to be on its way out. It needs no network and no lock, only the deadlines that the guard writes into its standard input, which
 * also tells it of the guard's death by ending. It lives no longer than guard and command.
 */
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { type Clock, fromMachineTime, later, type MachineTime, type Monotonic, NEVER, waitUntil } from '../clock.ts';
import type { Log } from '../log.ts';
import { isGone, livingOf, NOBODY, type ProcessTree, terminate } from './process-tree.ts';

/** One line of what a guard writes to its watchdog. */
export type Message =
  | { kind: 'command'; tree: ProcessTree }
  | { kind: 'deadline'; deadline: Deadline }
  /** The guard stops the command by itself: only the end of the grace is left to watch. */
  | { kind: 'stopping' };

export interface Deadline {
  /** From when a silent guard is stood in for. */
  terminateAt: MachineTime;
  /** From when on SIGKILL. */
  killAt: MachineTime;
  graceMs: number;
  reapMs: number;
}

/** Told to the guard once it is listening: nothing is started before. */
export const READY = 'ready';

interface Watch {
  clock: Clock;
  log: Log;
  tree: ProcessTree | undefined;
  terminateAt: Monotonic;
  killAt: Monotonic;
  graceMs: number;
  reapMs: number;
  acting: Promise<void> | undefined;
  disarm: () => void;
}

/** Resolves when guard and command are both gone. */
export async function keepWatch(input: Readable, { clock, log }: { clock: Clock; log: Log }): Promise<void> {
  const watch: Watch = {
    clock,
    log,
    tree: undefined,
    terminateAt: NEVER,
    killAt: NEVER,
    graceMs: 0,
    reapMs: 0,
    acting: undefined,
    disarm: () => {},
  };
  for await (const line of createInterface({ input })) {
    onMessage(watch, JSON.parse(line) as Message);
    arm(watch);
  }
  watch.disarm();
  await watch.acting;
  if (watch.tree && (await appears(watch.tree, clock))) await standIn(watch, 'its guard has died');
}

/** Long enough for a process that has been forked to carry its own environment. */
const EXEC_MS = 1000;

/** Whether any of the tree lives. One that is just being started when its guard dies is waited for. */
async function appears(tree: ProcessTree, clock: Clock): Promise<boolean> {
  const until = later(clock.now(), tree.leader === NOBODY ? EXEC_MS : 0);
  for (;;) {
    if (!(await isGone(tree, clock))) return true;
    if (clock.now() >= until) return false;
    await waitUntil(clock, later(clock.now(), LOOK_MS));
  }
}

const LOOK_MS = 20;

function onMessage(watch: Watch, message: Message): void {
  switch (message.kind) {
    case 'command':
      watch.tree = message.tree;
      return;
    case 'deadline': {
      const { terminateAt, killAt, graceMs, reapMs } = message.deadline;
      watch.terminateAt = fromMachineTime(watch.clock, terminateAt);
      watch.killAt = fromMachineTime(watch.clock, killAt);
      watch.graceMs = graceMs;
      watch.reapMs = reapMs;
      return;
    }
    case 'stopping':
      watch.terminateAt = watch.killAt;
      return;
    default:
      message satisfies never;
  }
}

function arm(watch: Watch): void {
  watch.disarm();
  if (!watch.tree || watch.terminateAt === NEVER) return;
  watch.disarm = watch.clock.at(watch.terminateAt, () => {
    // Once it is over it may be needed again: the guard may have started its command late.
    watch.acting ??= standIn(watch, 'its guard has been silent for too long').finally(() => {
      watch.acting = undefined;
    });
  });
}

async function standIn(watch: Watch, why: string): Promise<void> {
  const { clock, tree, log, graceMs, reapMs } = watch;
  if (!tree || (await livingOf(tree, clock)).length === 0) return;
  log('error', `watchdog: stopping the command, since ${why}`, { event: 'watchdog' });
  // Nobody is left to renew: the grace may last until shortly before the lock can pass on, and not longer.
  const gone = await terminate(tree, clock, {
    graceMs: Math.min(graceMs, Math.max(0, watch.killAt - clock.now())),
    reapMs,
    until: () => later(watch.killAt, reapMs),
    hurry: new AbortController().signal,
  });
  if (!gone) log('error', 'watchdog: some of the command could not be seen to end');
}

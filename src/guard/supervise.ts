/** From the start of a command to the end of its last process: which reason to end comes first, and what is done about it. */
import { type Clock, later, untilAborted } from '../clock.ts';
import type { HeldLock } from '../lock/index.ts';
import type { Command, CommandEnd } from './command.ts';
import type { GuardOptions, Helpers } from './guard-options.ts';
import { isGone, waitUntilGone } from './process-tree.ts';

/** The first reason to end; later ones change nothing. */
export type EndReason =
  | { kind: 'ended'; end: CommandEnd }
  | { kind: 'lost' }
  | { kind: 'stop-requested' }
  | { kind: 'overdue'; signal: NodeJS.Signals };

/** Waits for the first reason to end, and then for the end of every process. `gone`: that could be seen. */
export async function supervise(
  command: Command,
  lock: HeldLock,
  options: GuardOptions,
  { overdue, ...helpers }: Helpers & { overdue: AbortSignal },
): Promise<{ reason: EndReason; gone: boolean }> {
  const lost = options.whenLost === 'stop' ? lock.lost : new AbortController().signal;
  const early = AbortSignal.any([lost, lock.stopRequested, overdue]);
  const end = await Promise.race([command.ended, untilAborted(early)]);
  // A command that has ended may have left processes behind.
  const left = end ? await leftBehind(command, options, early) : true;
  const gone = !left || (await terminate(command, { lock, lost, options, helpers }));
  const first: EndReason = end ? { kind: 'ended', end } : firstOf({ lost, stopRequested: lock.stopRequested, overdue });
  return { reason: first, gone };
}

function firstOf({ lost, stopRequested, overdue }: Record<'lost' | 'stopRequested' | 'overdue', AbortSignal>): EndReason {
  if (lost.aborted) return { kind: 'lost' };
  return stopRequested.aborted ? { kind: 'stop-requested' } : { kind: 'overdue', signal: overdue.reason };
}

/** True if processes are left that have to be stopped. With `orphans: wait` they are waited for, unless something else ends that. */
async function leftBehind(command: Command, { orphans, log, participant }: GuardOptions, early: AbortSignal): Promise<boolean> {
  const { clock } = participant;
  if (await isGone(command.tree, clock)) return false;
  const left = await command.living();
  log('info', `the command has ended and left ${left} processes behind: ${orphans === 'wait' ? 'waiting for' : 'stopping'} them`);
  if (orphans === 'stop') return true;
  return !(await waitUntilGone(command.tree, clock, {
    until: () => (early.aborted ? clock.now() : later(clock.now(), 1)),
    hurry: early,
  }));
}

interface Termination {
  lock: HeldLock;
  lost: AbortSignal;
  options: GuardOptions;
  helpers: Helpers;
}

async function terminate(command: Command, { lock, lost, options, helpers: { inbox, link } }: Termination): Promise<boolean> {
  const { clock, timings } = options.participant;
  const { killGraceMs: graceMs, killBudgetMs, reapMs } = timings;
  const hurry = new AbortController();
  inbox.forwardTo((signal) => {
    // A second signal cuts the grace short.
    if (signal === 'SIGTERM' || signal === 'SIGINT') hurry.abort();
  });
  link?.stopping();
  const budgetEnds = later(clock.now(), killBudgetMs);
  // While the lock is held the command has its whole grace; once it is lost all must be over before another can start.
  const until = () => (lost.aborted ? lock.deadlines().expiresAt : budgetEnds);
  return await command.terminate({ graceMs, reapMs, until, hurry: hurry.signal });
}

/** `overdue` aborts, with the signal as its reason, when the command has not ended in time after one that should end it. */
export function patience(
  { endWithinMs, participant: { clock } }: GuardOptions,
  ending: AbortSignal,
): { overdue: AbortSignal; disarm(): void } {
  const overdue = new AbortController();
  let disarm = () => {};
  const arm = () => {
    if (endWithinMs !== undefined) disarm = clock.at(later(clock.now(), endWithinMs), () => overdue.abort(ending.reason));
  };
  if (ending.aborted) arm();
  else ending.addEventListener('abort', arm, { once: true });
  return { overdue: overdue.signal, disarm: () => disarm() };
}

/**
 * Scan interval while nothing is wrong. A process seen once is recognised later even after its parent has ended. More often would cost a
 * large machine noticeable work.
 */
const LOOK_MS = 2000;

export function keepLooking(command: Command, clock: Clock, onFound: () => void): () => void {
  const { known } = command.tree;
  let ended = false;
  let undo = () => {};
  const look = async () => {
    const before = Object.keys(known).join();
    await command.living();
    if (ended) return;
    if (Object.keys(known).join() !== before) onFound();
    undo = clock.at(later(clock.now(), LOOK_MS), look);
  };
  undo = clock.at(later(clock.now(), LOOK_MS), look);
  return () => {
    ended = true;
    undo();
  };
}

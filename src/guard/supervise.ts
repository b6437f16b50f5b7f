/** From the start of a command to the end of its last process: which reason to end comes first, and what is done about it. */
import { later, untilAborted } from '../clock.ts';
import type { HeldLocks } from '../lock/index.ts';
import type { Command, CommandEnd } from './command.ts';
import type { GuardOptions } from './guard-options.ts';
import type { SignalInbox } from './signals.ts';

/** The first reason to end; later ones change nothing. */
export type EndReason =
  | { kind: 'ended'; end: CommandEnd }
  | { kind: 'lost' }
  | { kind: 'stop-requested' }
  | { kind: 'overdue'; signal: NodeJS.Signals }
  /** The supervisor was killed. */
  | { kind: 'unsupervised' };

/** Waits for the first reason to end, and then for the end of every process. `gone`: that could be seen. */
export async function supervise(
  command: Command,
  lock: HeldLocks,
  options: GuardOptions,
  { inbox, overdue }: { inbox: SignalInbox; overdue: AbortSignal },
): Promise<{ reason: EndReason; gone: boolean }> {
  const { killGraceMs } = options.participants[0].timings;
  const lost = options.whenLost === 'stop' ? lock.lost : new AbortController().signal;
  const early = AbortSignal.any([lost, lock.stopRequested, overdue]);
  const hurryBySignal = () =>
    inbox.forwardTo((signal) => {
      // A second signal cuts the grace short.
      if (signal === 'SIGTERM' || signal === 'SIGINT') command.terminate(0);
    });
  // While the lock is held the command has its whole grace; once it is lost, the deadline of the supervisor ends it.
  const terminate = () => {
    hurryBySignal();
    command.terminate(killGraceMs);
  };
  if (early.aborted) terminate();
  else early.addEventListener('abort', terminate, { once: true });
  const first = await Promise.race([command.ended, untilAborted(early).then(() => 'early' as const)]);
  if (first !== 'early' && first !== undefined && first.left > 0) {
    const waits = options.orphans === 'wait';
    options.log(
      'info',
      `the command has ended and left ${first.left} processes behind: ${waits ? 'waiting for' : 'stopping'} them`,
    );
    if (!waits) hurryBySignal(); // The supervisor stops them by itself.
  }
  const reason = reasonOf(first, { lost, stopRequested: lock.stopRequested, overdue });
  return { reason, gone: await command.gone };
}

function reasonOf(
  first: 'early' | { end: CommandEnd } | undefined,
  { lost, stopRequested, overdue }: Record<'lost' | 'stopRequested' | 'overdue', AbortSignal>,
): EndReason {
  if (first === undefined) return { kind: 'unsupervised' };
  if (first !== 'early') return { kind: 'ended', end: first.end };
  if (lost.aborted) return { kind: 'lost' };
  return stopRequested.aborted ? { kind: 'stop-requested' } : { kind: 'overdue', signal: overdue.reason };
}

/** `overdue` aborts, with the signal as its reason, when the command has not ended in time after one that should end it. */
export function patience(
  { endWithinMs, participants: [{ clock }] }: GuardOptions,
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

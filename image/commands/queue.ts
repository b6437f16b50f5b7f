/** `k8s-lease-lock queue`: shows the queue of a lock, removes a waiter from it, or gives it another place. */
import { leaseReader } from '../../src/api/lease-list.ts';
import { formatDuration } from '../../src/durations.ts';
import { moveWaiter, type QueueEdited, removeWaiter } from '../../src/lock/edit-queue.ts';
import type { Participant } from '../../src/lock/index.ts';
import { describeLease } from '../../src/names.ts';
import type { Waiter } from '../../src/protocol/lock-state.ts';
import { visible } from '../../src/visible.ts';
import { type CommandLineShape, type Env, type Reader, UsageError } from '../command-line.ts';
import { EXIT } from '../exit-codes.ts';
import { readInterleaved } from '../interleaved.ts';
import { reportAnswer } from '../operate/answers.ts';
import { describeAbsent, readLocks } from '../operate/locks.ts';
import { callerOf, type LockSettings, lockSettings, operatorOf } from '../operate/operator.ts';
import { printQueue } from '../operate/print.ts';
import { CONNECTING, pick } from '../option-table.ts';
import { given } from '../options.ts';
import { type OperateContext, operate } from '../run-command.ts';
import { printLine } from '../stdout.ts';

type Wish =
  | { kind: 'show' }
  | { kind: 'remove'; named: string; reason: string | undefined; timeoutMs: number }
  | { kind: 'move'; named: string; place: number };

interface QueueSettings extends LockSettings {
  wish: Wish;
}

export const SHAPE: CommandLineShape = {
  usage:
    'Usage: k8s-lease-lock queue NAME [--remove KEY | --move KEY --to PLACE] [options]\n\n' +
    'Shows who waits for a lock, removes a waiter from it, or gives a waiter another place among those of its priority.',
  options: pick(['name', ...CONNECTING, 'remove', 'move', 'to', 'reason', 'timeout'], {
    name: { meaning: 'name of the lock, in place of NAME' },
    reason: { meaning: 'why, for the log of the waiter that is removed' },
    timeout: { default: '30s', meaning: 'how long a waiter that is asked to leave may take before it counts as dead' },
  }),
  operands: 'one',
  operand: { names: 'locks' },
};

const PLACES = { from: 1, to: 1000 };

export async function queue(argv: readonly string[], env: Env): Promise<number> {
  const line = readInterleaved(SHAPE, argv, env);
  return await operate({ command: 'queue', line, settingsOf: readSettings, env }, editQueue);
}

function readSettings(read: Reader, operands: readonly string[]): QueueSettings {
  const lock = lockSettings(read, operands);
  const remove = read.text('remove');
  const move = read.text('move');
  const place = read.integer('to', PLACES);
  if (remove !== undefined && move !== undefined) throw new UsageError('--remove and --move cannot be combined');
  if ((move === undefined) !== (place === undefined))
    throw new UsageError('--move and --to belong together: --move KEY --to PLACE');
  if (remove !== undefined) {
    const [reason, timeoutMs] = [read.text('reason'), given(read.duration('timeout'))];
    return { ...lock, wish: { kind: 'remove', named: remove, reason, timeoutMs } };
  }
  if (move !== undefined && place !== undefined) return { ...lock, wish: { kind: 'move', named: move, place } };
  return { ...lock, wish: { kind: 'show' } };
}

export async function editQueue(settings: QueueSettings, context: OperateContext): Promise<number> {
  const { wish } = settings;
  if (wish.kind === 'show') return await showQueue(settings, context);
  const participant = operatorOf(settings, context);
  try {
    const result =
      wish.kind === 'remove' ? await remove(participant, wish, context) : await moveWaiter(participant, wish.named, wish.place);
    return report(result, settings, context, describeLease(participant.me), participant.client.server);
  } finally {
    participant.client.close();
  }
}

async function remove(participant: Participant, wish: Wish & { kind: 'remove' }, context: OperateContext): Promise<QueueEdited> {
  const { named: waiter, reason, timeoutMs } = wish;
  const by = await callerOf(context, participant.timings.requestTimeoutMs);
  const subject = describeLease(participant.me);
  const onAsked = ({ id }: Waiter) =>
    context.log('info', `asked ${visible(id)} to leave the queue of ${subject}; waiting for up to ${formatDuration(timeoutMs)}`);
  return await removeWaiter(participant, { waiter, by, reason }, { timeoutMs, onAsked });
}

async function showQueue({ name, namespace }: QueueSettings, { cluster, clock, log }: OperateContext): Promise<number> {
  const reader = leaseReader(cluster, clock);
  try {
    const found = await readLocks(reader, { names: [name], namespace: namespace ?? cluster.namespace, selector: '' }, clock);
    if (found.kind !== 'locks') return reportAnswer(found, log, reader.server);
    const [lock] = found.locks;
    if (lock?.kind !== 'report') {
      log('error', lock?.kind === 'unreadable' ? lock.message : describeAbsent(lock ?? { namespace: '', name }));
      return EXIT.no.code;
    }
    if (lock.report.queue.length === 0) log('info', `nobody waits for ${describeLease(lock)}`);
    else for (const line of printQueue(lock.report.queue)) await printLine(line);
    return 0;
  } finally {
    reader.close();
  }
}

function report(
  result: QueueEdited,
  { name, wish }: QueueSettings,
  { log }: OperateContext,
  subject: string,
  server: string,
): number {
  const named = visible('named' in wish ? wish.named : '');
  const refuse = (why: string): number => {
    log('error', `the queue of ${subject}: ${why}`);
    return EXIT.no.code;
  };
  switch (result.kind) {
    case 'left':
      log('info', `${visible(result.waiter.id)} has left the queue of ${subject}`);
      return 0;
    case 'removed':
      log(
        'info',
        `removed ${visible(result.waiter.id)} from the queue of ${subject}: it did not answer. If it is alive, it puts itself back`,
      );
      return 0;
    case 'moved':
      log('info', `moved ${visible(result.waiter.id)} in the queue of ${subject}`);
      return 0;
    case 'holds':
      return refuse(
        `${visible(result.waiter.id)} has acquired the lock meanwhile: "k8s-lease-lock unlock ${name}" asks it to stop`,
      );
    case 'not-waiting':
      return refuse(`${named} is not in it ("k8s-lease-lock queue ${name}" shows who is)`);
    case 'several':
      return refuse(`${named} names several waiters: give the key of one`);
    case 'no-such-place':
      return refuse(describeNoPlace(result, wish.kind === 'move' ? wish.place : 0));
    default:
      return reportAnswer({ ...result, message: `the queue of ${subject} was not changed: ${result.message}` }, log, server);
  }
}

/** A higher priority is served first, whatever the places are. */
function describeNoPlace({ waiter, from, to }: QueueEdited & { kind: 'no-such-place' }, place: number): string {
  const places = from === to ? `place ${from} alone is` : `places ${from} to ${to} are`;
  return (
    `${visible(waiter.id)} cannot be moved to place ${place}: ${places} for its priority (${waiter.priority}), which --move does not change. ` +
    'To give it another priority, end it where it runs, and start it again with --priority'
  );
}

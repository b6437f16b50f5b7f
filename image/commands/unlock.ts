/**
 * `k8s-lease-lock unlock`: frees a lock that somebody else holds. The holder is asked, and stops its command itself; with --force it is cleared, whatever it
 * is doing.
 */
import { documentAt } from '../../src/documents.ts';
import { formatDuration } from '../../src/durations.ts';
import { describeHolders } from '../../src/lock/describe.ts';
import { askToUnlock, forceUnlock, type Unlocked, type UnlockRequest } from '../../src/lock/operate.ts';
import type { Log } from '../../src/log.ts';
import { describeLease } from '../../src/names.ts';
import type { Holder } from '../../src/protocol/lock-state.ts';
import { visible } from '../../src/visible.ts';
import { type CommandLineShape, type Env, type Reader, UsageError } from '../command-line.ts';
import { EXIT } from '../exit-codes.ts';
import { readInterleaved } from '../interleaved.ts';
import { reportAnswer } from '../operate/answers.ts';
import { sendLeaseEvent } from '../operate/lease-event.ts';
import { callerOf, type LockSettings, lockSettings, operatorOf } from '../operate/operator.ts';
import { CONNECTING, FORCES, pick } from '../option-table.ts';
import { given } from '../options.ts';
import { type OperateContext, operate } from '../run-command.ts';

interface UnlockSettings extends LockSettings {
  holder: string;
  reason: string | undefined;
  force: (typeof FORCES)[number] | undefined;
  timeoutMs: number;
}

export const SHAPE: CommandLineShape = {
  usage:
    'Usage: k8s-lease-lock unlock NAME --holder ID [--reason TEXT] [options]\n\n' +
    'Asks the holder of a lock to stop its command and to release the lock, and waits until it has.\n' +
    `With --force the holder is cleared without being asked: its command may still be running (${documentAt('operate.md#free-it')}).`,
  options: pick(['name', ...CONNECTING, 'holder', 'reason', 'timeout', 'force'], {
    name: { meaning: 'name of the lock, in place of NAME' },
    holder: { names: 'holders', meaning: 'the holder: its id or key, as "status" shows them (required)' },
    reason: { meaning: 'why, for the log of the holder' },
    timeout: { default: '2m', meaning: 'how long to wait until the holder has released the lock' },
  }),
  operands: 'one',
  operand: { names: 'locks' },
};

export async function unlock(argv: readonly string[], env: Env): Promise<number> {
  const line = readInterleaved(SHAPE, argv, env);
  return await operate({ command: 'unlock', line, settingsOf: readSettings, env }, unlockForOthers);
}

function readSettings(read: Reader, operands: readonly string[]): UnlockSettings {
  const lock = lockSettings(read, operands);
  const [holder] = read.texts('holder');
  if (holder === undefined)
    throw new UsageError(`--holder is required: the id of the holder, as "k8s-lease-lock status ${lock.name}" shows it`);
  return {
    ...lock,
    holder,
    reason: read.text('reason'),
    force: read.choice('force', FORCES),
    timeoutMs: given(read.duration('timeout')),
  };
}

async function unlockForOthers(settings: UnlockSettings, context: OperateContext): Promise<number> {
  const { log, clock, cluster } = context;
  const participant = operatorOf(settings, context);
  const { client, me, timings } = participant;
  const { force, holder, reason, timeoutMs } = settings;
  const by = await callerOf(context, timings.requestTimeoutMs);
  const request: UnlockRequest = { holder, by, reason };
  const subject = describeLease(me);
  try {
    if (force === undefined) {
      const onAsked = ({ id }: Holder) =>
        log('info', `asked ${visible(id)} to release ${subject}; waiting for up to ${formatDuration(timeoutMs)}`);
      const result = await askToUnlock(participant, request, { timeoutMs, onAsked });
      return report(result, { subject, settings, log, server: client.server, now: clock.wall() });
    }
    const result = await forceUnlock(participant, { ...request, living: force === 'live' });
    if (result.kind === 'unlocked') {
      const note = `${by} cleared the holder ${visible(result.holder.id)} of ${subject}${reason ? `: ${visible(reason)}` : ''}`;
      await sendLeaseEvent(cluster, clock, { ...me, uid: undefined, reason: 'LockForceUnlocked', action: 'Unlock', note });
    }
    return report(result, { subject, settings, log, server: client.server, now: clock.wall() });
  } finally {
    client.close();
  }
}

interface Reporting {
  subject: string;
  settings: UnlockSettings;
  log: Log;
  server: string;
  now: Date;
}

/** Every refusal names the lock, why, and what to do instead. */
function report(result: Unlocked, { subject, settings, log, server, now }: Reporting): number {
  const refuse = (why: string, code: number = EXIT.no.code): number => {
    log('error', `${subject} was not unlocked: ${why}`);
    return code;
  };
  const { name, timeoutMs } = settings;
  switch (result.kind) {
    case 'unlocked': {
      const id = visible(result.holder.id);
      log('info', result.forced ? `cleared ${id}: ${subject} is free. ${STILL_RUNNING}` : `${id} has released ${subject}`);
      return 0;
    }
    case 'not-held':
      return refuse(`${visible(settings.holder)} does not hold it; ${describeHolders(result.heldBy, now)}`);
    case 'several':
      return refuse(`${visible(settings.holder)} names several holders: give the key of one ("k8s-lease-lock status ${name}")`);
    case 'cannot-be-asked':
      return refuse(
        `${visible(result.holder.id)} is a client of another kind, which cannot be asked: stop it where it runs, or use --force`,
      );
    case 'renewed-lately':
      return refuse(`${describeAgo(result)}, so its command may be running: ask it without --force, or use --force=live`);
    case 'still-held':
      return refuse(
        `${visible(result.holder.id)} has not released it within ${formatDuration(timeoutMs)}. The request remains in the Lease. ` +
          `See whether the holder is alive ("k8s-lease-lock status ${name}"); if it is not, use --force`,
        EXIT.notAcquired.code,
      );
    default:
      return reportAnswer({ ...result, message: `${subject} was not unlocked: ${result.message}` }, log, server);
  }
}

const STILL_RUNNING =
  'A holder that was alive has lost the lock, and stops its command when it learns of that; until then the command may still be running. ' +
  'Nothing stops what runs under a lock taken by "acquire"';

function describeAgo({ holder, agoMs }: { holder: Holder; agoMs: number | undefined }): string {
  const id = visible(holder.id);
  return agoMs === undefined
    ? `the Lease does not say when ${id} last renewed it`
    : `${id} renewed it ${formatDuration(agoMs)} ago`;
}

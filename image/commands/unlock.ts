/**
 * `k8s-lease-lock unlock`: frees a lock that somebody else holds. The holder is asked, and stops its command itself; with --force it is cleared, whatever it
 * is doing.
 */
import { documentAt } from '../../src/documents.ts';
import { formatDuration } from '../../src/durations.ts';
import { hostInfo } from '../../src/host.ts';
import { describeUnlocked } from '../../src/lock/describe-unlock.ts';
import type { Participant } from '../../src/lock/index.ts';
import type { Unlocked } from '../../src/lock/operate.ts';
import { FORCES, unlock as unlockLock } from '../../src/lock/unlock.ts';
import type { Log } from '../../src/log.ts';
import { describeLease } from '../../src/names.ts';
import type { Holder } from '../../src/protocol/lock-state.ts';
import { visible } from '../../src/visible.ts';
import { type CommandLineShape, type Env, type Reader, UsageError } from '../command-line.ts';
import { EXIT } from '../exit-codes.ts';
import { readInterleaved } from '../interleaved.ts';
import { reportAnswer } from '../operate/answers.ts';
import { type LockSettings, lockSettings, operatorOf } from '../operate/operator.ts';
import { CONNECTING, pick } from '../option-table.ts';
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

export async function unlockForOthers(settings: UnlockSettings, context: OperateContext): Promise<number> {
  const { log, cluster } = context;
  const participant = operatorOf(settings, context);
  const onAsked = ({ id }: Holder) =>
    log(
      'info',
      `asked ${visible(id)} to release ${describeLease(participant.me)}; waiting for up to ${formatDuration(settings.timeoutMs)}`,
    );
  try {
    const result = await unlockLock(cluster, participant, { ...settings, caller: hostInfo(), onAsked });
    return report(result, settings, participant, log);
  } finally {
    participant.client.close();
  }
}

function report(
  result: Unlocked,
  { name, holder, timeoutMs }: UnlockSettings,
  { me, client, clock }: Participant,
  log: Log,
): number {
  if (result.kind === 'failed' || result.kind === 'refused')
    return reportAnswer({ ...result, message: `${describeLease(me)} was not unlocked: ${result.message}` }, log, client.server);
  const words = { force: '--force', forceLive: '--force=live', status: `"k8s-lease-lock status ${name}"` };
  const message = describeUnlocked(result, { me, holder, timeoutMs, now: clock.wall(), words });
  log(result.kind === 'unlocked' ? 'info' : 'error', message);
  if (result.kind === 'unlocked') return 0;
  return result.kind === 'still-held' ? EXIT.notAcquired.code : EXIT.no.code;
}

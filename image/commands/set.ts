/** `k8s-lease-lock set`: changes what belongs to a lock itself, while it is used. */
import { type PermitsSet, setPermits } from '../../src/lock/set-permits.ts';
import { describeLease } from '../../src/names.ts';
import { PERMITS_LIMIT } from '../../src/protocol/lock-state.ts';
import { describePermits, permitsTaken } from '../../src/protocol/room.ts';
import { type CommandLineShape, type Env, type Reader, UsageError } from '../command-line.ts';
import { readInterleaved } from '../interleaved.ts';
import { reportAnswer } from '../operate/answers.ts';
import { type LockSettings, lockSettings, operatorOf } from '../operate/operator.ts';
import { CONNECTING, pick } from '../option-table.ts';
import { type OperateContext, operate } from '../run-command.ts';

interface SetSettings extends LockSettings {
  permits: number;
}

export const SHAPE: CommandLineShape = {
  usage:
    'Usage: k8s-lease-lock set NAME --permits NUMBER [options]\n\n' +
    'Changes how many permits a lock has, for those that share it. With more, waiters are let in immediately;\n' +
    'with fewer, nobody is stopped, and nobody is let in until enough have left.',
  options: pick(['name', ...CONNECTING, 'permits'], {
    name: { meaning: 'name of the lock, in place of NAME' },
    permits: { unset: 'required', meaning: `how many permits the lock has from now on, at most ${PERMITS_LIMIT}` },
  }),
  operands: 'one',
  operand: { names: 'locks' },
};

export async function set(argv: readonly string[], env: Env): Promise<number> {
  const line = readInterleaved(SHAPE, argv, env);
  return await operate({ command: 'set', line, settingsOf: readSettings, env }, setForAll);
}

function readSettings(read: Reader, operands: readonly string[]): SetSettings {
  const lock = lockSettings(read, operands);
  const permits = read.integer('permits', { from: 1, to: PERMITS_LIMIT });
  if (permits === undefined) throw new UsageError('--permits is required: how many permits the lock has from now on');
  return { ...lock, permits };
}

export async function setForAll(settings: SetSettings, context: OperateContext): Promise<number> {
  const participant = operatorOf(settings, context);
  const subject = describeLease(participant.me);
  try {
    const result = await setPermits(participant, settings.permits);
    if (result.kind === 'set') {
      context.log('info', `${subject} has ${describePermits(settings.permits)}${describeChange(result, settings.permits)}`);
      return 0;
    }
    const message = `the permits of ${subject} were not changed: ${result.message}`;
    return reportAnswer({ ...result, message }, context.log, participant.client.server);
  } finally {
    participant.client.close();
  }
}

function describeChange({ before, holders }: PermitsSet & { kind: 'set' }, permits: number): string {
  const was = before === permits ? ' already' : before === undefined ? ', where there was no limit' : `, ${before} before`;
  const taken = permitsTaken(holders);
  const over = taken > permits ? `; ${taken} are taken, so nobody is let in until ${taken - permits} of them are given back` : '';
  return was + over;
}

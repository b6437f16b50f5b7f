/**
 * `k8s-lease-lock verify`: whether a holder still has its lock, asked of the API server, for the moment before something that cannot be undone. In the
 * command of a guard everything that it needs is in the environment.
 */
import { formatDuration } from '../../src/durations.ts';
import { type Hold, verify as verifyHold } from '../../src/lock/operate.ts';
import { describeLease } from '../../src/names.ts';
import { visible } from '../../src/visible.ts';
import { type CommandLineShape, type Env, type Reader, UsageError } from '../command-line.ts';
import { EXIT } from '../exit-codes.ts';
import { readInterleaved } from '../interleaved.ts';
import { reportAnswer } from '../operate/answers.ts';
import { type LockSettings, lockSettings, operatorOf } from '../operate/operator.ts';
import { CONNECTING, pick } from '../option-table.ts';
import { type OperateContext, operate } from '../run-command.ts';

interface VerifySettings extends LockSettings {
  /** Apart from the settings of the connection, which have a token of another kind. */
  hold: Hold;
}

export const SHAPE: CommandLineShape = {
  usage:
    'Usage: k8s-lease-lock verify [NAME] [--token TOKEN] [options]\n\n' +
    'Exits with 0 if the holder still has the lock with this token, and with 1 if it does not, or if that is not certain.\n' +
    'In a command that "k8s-lease-lock run" has started, no option is needed.',
  options: pick(['name', ...CONNECTING, 'holder', 'token', 'transitions'], {
    name: { unset: 'LEASE_LOCK_NAME', meaning: 'name of the lock, in place of NAME' },
    namespace: { unset: "LEASE_LOCK_NAMESPACE, else the context's or the Pod's" },
    holder: { names: 'holders', unset: 'LEASE_LOCK_HOLDER', meaning: 'the id of the holder' },
  }),
  operands: 'one',
  operand: { names: 'locks' },
};

export async function verify(argv: readonly string[], env: Env): Promise<number> {
  const line = readInterleaved(SHAPE, argv, env);
  const settingsOf = (read: Reader, operands: readonly string[]) => readSettings(read, operands, env);
  return await operate({ command: 'verify', line, settingsOf, env }, verifyNow);
}

function readSettings(read: Reader, operands: readonly string[], env: Env): VerifySettings {
  const lock = lockSettings(read, operands, env.LEASE_LOCK_NAME || undefined);
  const holder = read.text('holder') ?? env.LEASE_LOCK_HOLDER;
  const token = read.text('token') ?? env.LEASE_LOCK_TOKEN;
  if (!holder) throw new UsageError('--holder is required where LEASE_LOCK_HOLDER is not set: a token does not say who got it');
  if (!token) throw new UsageError('--token is required where LEASE_LOCK_TOKEN is not set');
  if (!/^\d{1,40}$/.test(token)) throw new UsageError(`invalid value "${token}" for --token: use a decimal number`);
  // Those of the environment belong to the holder that it names, and to no other.
  const inherited = holder === env.LEASE_LOCK_HOLDER ? env.LEASE_LOCK_TRANSITIONS : undefined;
  const transitions = read.integer('transitions', { from: 0, to: 2_147_483_647 }) ?? (inherited ? Number(inherited) : undefined);
  return { ...lock, namespace: lock.namespace ?? (env.LEASE_LOCK_NAMESPACE || undefined), hold: { holder, token, transitions } };
}

async function verifyNow({ hold, ...settings }: VerifySettings, context: OperateContext): Promise<number> {
  const { log } = context;
  const participant = operatorOf(settings, context);
  const { client, me } = participant;
  try {
    const result = await verifyHold(participant, hold);
    const subject = describeLease(me);
    switch (result.kind) {
      case 'held':
        log(
          'info',
          `${subject} is held by ${visible(hold.holder)} for ${formatDuration(result.leftMs)} at least, unless it releases it`,
        );
        return 0;
      case 'not-held':
        log('error', `${subject} is not held by ${visible(hold.holder)} with the token ${hold.token}: ${visible(result.why)}`);
        return EXIT.no.code;
      default:
        return reportAnswer(result, log, client.server);
    }
  } finally {
    client.close();
  }
}

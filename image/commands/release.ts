/** `k8s-lease-lock release`: releases a lock that "k8s-lease-lock acquire" has taken for the same holder. */
import { documentAt } from '../../src/documents.ts';
import { describeHolders } from '../../src/lock/describe.ts';
import { type Participant, release as releaseLock } from '../../src/lock/index.ts';
import { logOf } from '../../src/log.ts';
import { describeLease } from '../../src/names.ts';
import { parseLease } from '../../src/protocol/document.ts';
import { timings } from '../../src/protocol/timings.ts';
import type { CommandLineShape, Env, Reader } from '../command-line.ts';
import { EXIT } from '../exit-codes.ts';
import { JOINING, pick } from '../option-table.ts';
import { type JoinSettings, joinSettings, type Line, readLine, settled } from '../options.ts';
import { type CommandContext, runCommand } from '../run-command.ts';
import { NO_GRACE, sharedParticipant } from './acquire.ts';

export const SHAPE: CommandLineShape = {
  usage:
    'Usage: k8s-lease-lock release --name NAME [options]\n\nReleases a lock that "k8s-lease-lock acquire" has taken for the same holder.',
  options: pick(
    JOINING.filter((name) => name !== 'lease-duration'),
    { holder: { names: 'holders', unset: 'the Pod' } },
  ),
  operands: 'none',
};
/** For the deadlines of its requests only. */
const DURATION_MS = 60_000;

function readSettings(read: Reader): JoinSettings {
  return { ...joinSettings(read), timings: settled(timings(DURATION_MS, 0), NO_GRACE) };
}

export function readReleaseCommandLine(argv: readonly string[], env: Env): Line<JoinSettings> {
  return readLine(SHAPE, readSettings, argv, env);
}

export async function release(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  return await runCommand({ command: 'release', line: readReleaseCommandLine(argv, env), env }, releaseForOthers);
}

async function releaseForOthers(settings: JoinSettings, context: CommandContext): Promise<number> {
  const participant = sharedParticipant(settings, context);
  if (!participant) return EXIT.configuration.code;
  const log = logOf(context.log, participant.me);
  const subject = describeLease(participant.me);
  const released = await releaseLock(participant, undefined);
  switch (released.kind) {
    case 'released':
      log('info', `released ${subject}`);
      return 0;
    case 'gone':
      log('error', `${subject} was not released: ${await describeGone(participant)}`);
      return EXIT.lost.code;
    case 'failed':
      log('error', `not released: ${released.message}; the lock expires by itself`);
      return EXIT.unreachable.code;
    default:
      return released satisfies never;
  }
}

/** Others may hold it under the very id that was given: a guard, or another kind of client. */
async function describeGone({ client, clock, me, timings }: Participant): Promise<string> {
  const answer = await client.read({ timeoutMs: timings.requestTimeoutMs });
  const parsed = answer.kind === 'lease' ? parseLease(answer.lease) : undefined;
  const heldBy = parsed?.kind === 'state' ? parsed.state.holders : [];
  const same = heldBy.find(({ id }) => id === me.id);
  if (same)
    return (
      `${describeHolders([same], clock.wall())}, but was not acquired by "k8s-lease-lock acquire --holder ${me.id}". ` +
      `Only the process that acquired it can release it (${documentAt('sidecar.md#acquire-and-release')})`
    );
  return (
    `${me.id} does not hold it; ${describeHolders(heldBy, clock.wall())}. The lock has expired and was taken, ` +
    'or was never acquired with this holder'
  );
}

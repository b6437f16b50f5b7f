/** What every command needs that changes a lock of others: the lock that it is about, a participant to ask and write as, and who is asking. */
import { nameCaller } from '../../src/api/self-subject-review.ts';
import { hostInfo } from '../../src/host.ts';
import { newIdentity, newParticipant, type Participant } from '../../src/lock/index.ts';
import { problemOfName } from '../../src/names.ts';
import { timings } from '../../src/protocol/timings.ts';
import { type Reader, UsageError } from '../command-line.ts';
import { type ConnectSettings, connectSettings } from '../options.ts';
import type { OperateContext } from '../run-command.ts';

export interface LockSettings extends ConnectSettings {
  name: string;
}

/** The lock is the operand, or --name. */
export function lockSettings(read: Reader, [operand]: readonly string[], otherwise?: string): LockSettings {
  const [option] = read.texts('name');
  if (operand !== undefined && option !== undefined)
    throw new UsageError(`the lock is named twice: "${operand}" and --name ${option}`);
  const name = operand ?? read.text('name') ?? otherwise;
  if (name === undefined) throw new UsageError('the name of the lock is missing');
  const problem = problemOfName(name);
  if (problem !== undefined) throw new UsageError(problem);
  return { ...connectSettings(read), name };
}

/** For the deadlines of its requests only. */
const DURATION_MS = 60_000;

/** It never holds, and never waits: its durations are those of its requests. */
export function operatorOf({ name, namespace }: LockSettings, { cluster, clock, podToken }: OperateContext): Participant {
  const { host, user } = hostInfo();
  const derived = timings(DURATION_MS, 0);
  if (derived.kind !== 'timings') throw new Error('these durations do not fit');
  return newParticipant({
    cluster,
    clock,
    namespace,
    name,
    identity: newIdentity({ prefix: undefined, token: podToken, host }),
    about: { who: user, reason: undefined, url: undefined, host },
    priority: 0,
    timings: derived.timings,
    createIfAbsent: false,
    legacyExpiry: false,
  });
}

/** As the API server knows the caller; else the user and the host. */
export const callerOf = async ({ cluster, clock }: OperateContext, timeoutMs: number): Promise<string> =>
  await nameCaller(cluster, clock, timeoutMs, hostInfo());

/** `unlock` of the library: frees a lock from somebody else. */
import { describeUnlocked } from '../lock/describe-unlock.ts';
import { FORCES, unlock } from '../lock/unlock.ts';
import type { UnlockOptions, UnlockResult } from './create-lock-types.ts';
import type { Participants } from './participants.ts';
import { processInfo } from './process-info.ts';
import { failureOf } from './translate.ts';
import { duration, oneOf, onlyKnown, text, wrong } from './validate-options.ts';

const DEFAULT_TIMEOUT = '2m';

export async function unlockFor(participants: Participants, options: UnlockOptions): Promise<UnlockResult> {
  onlyKnown({ ...options }, ['holder', 'reason', 'timeout', 'force'], 'unlock');
  const given = { ...options } as Record<string, unknown>;
  const holder = text(given, 'holder');
  if (holder === undefined) throw wrong('holder is missing: it is the id of the holder, as status() says it');
  const timeoutMs = duration(options.timeout ?? DEFAULT_TIMEOUT, 'timeout') ?? 0;
  const [reason, force] = [text(given, 'reason'), oneOf(given, 'force', FORCES)];
  const { participant } = await participants.create(0);
  const { me, clock, client } = participant;
  const cluster = await participants.cluster();
  const unlocking = { holder, reason, force, timeoutMs, caller: processInfo() };
  const result = await unlock(cluster, participant, unlocking).finally(() => client.close());
  if (result.kind === 'refused' || result.kind === 'failed') throw failureOf(result);
  const words = { force: "force: 'silent'", forceLive: "force: 'live'", status: 'status() shows it' };
  const message = describeUnlocked(result, { me, holder, timeoutMs, now: clock.wall(), words });
  return { kind: result.kind === 'unlocked' || result.kind === 'still-held' ? result.kind : 'refused', message };
}

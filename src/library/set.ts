/** `set` of the library: changes what belongs to a lock itself, while it is used. */
import { setPermits } from '../lock/set-permits.ts';
import { PERMITS_LIMIT } from '../protocol/lock-state.ts';
import type { SetOptions } from './create-lock-types.ts';
import type { Participants } from './participants.ts';
import { failureOf } from './translate.ts';
import { integer, onlyKnown, wrong } from './validate-options.ts';

export async function setFor(participants: Participants, options: SetOptions): Promise<void> {
  onlyKnown({ ...options }, ['permits'], 'set');
  const permits = integer({ ...options }, 'permits');
  if (permits === undefined) throw wrong('permits is missing: it is how many permits the lock has from now on');
  if (permits < 1 || permits > PERMITS_LIMIT) throw wrong(`permits is ${permits}: it must be from 1 to ${PERMITS_LIMIT}`);
  const { participant } = await participants.create(0);
  const result = await setPermits(participant, permits).finally(() => participant.client.close());
  if (result.kind !== 'set') throw failureOf(result);
}

/** What the Lease of a lock says just now, for those who only look. It changes nothing. */

import type { Participant } from '../lock/index.ts';
import { unreachable } from '../lock/wait.ts';
import { describeLease } from '../names.ts';
import { parseLease } from '../protocol/document.ts';
import { observe } from '../protocol/sightings.ts';
import { whoHolds } from '../protocol/turns.ts';
import type { LockStatus } from './create-lock-types.ts';
import { LockError } from './lock-error.ts';
import { errorOf, holderOf, waiterOf } from './translate.ts';

export async function statusOf(participant: Participant): Promise<LockStatus> {
  const { client, clock, me, timings } = participant;
  const answer = await client.read({ timeoutMs: timings.requestTimeoutMs }).finally(() => client.close());
  if (answer.kind === 'absent') return { exists: false, held: false, holders: [], waiters: [], transitions: 0 };
  if (answer.kind === 'refused') throw errorOf(answer, participant, undefined);
  if (answer.kind !== 'lease') {
    const why = answer.kind === 'failed' ? answer : { message: 'it said nothing of the Lease' };
    throw errorOf(unreachable(why, client.server), participant, undefined);
  }
  const parsed = parseLease(answer.lease);
  if (parsed.kind === 'refused') throw new LockError('refused', parsed.message);
  const { state } = parsed;
  const view = observe(undefined, { state, exists: true, receivedAt: clock.steady() });
  if (state.coordinated)
    throw new LockError(
      'refused',
      `${describeLease(me)} belongs to the API server's coordinated leader election (${state.coordinated})`,
    );
  // A holder that has died counts until its lease is over: one look can't tell. My own entry, if there is one, counts like any other.
  const holders = whoHolds(view, { ...me, nonce: '' }, clock.steady());
  return {
    exists: true,
    held: holders.length > 0,
    holders: holders.map(holderOf),
    waiters: state.waiters.map(waiterOf),
    transitions: state.transitions,
  };
}

/**
 * The API server's own clock, by the stamp that it puts on a write: never by a `Date` header, which comes from whoever answered last and may be a
 * proxy's. The write is a dry run, which the right to update allows, so that nothing changes.
 */

import type { View } from '../protocol/sightings.ts';
import { managerOf, queueWrittenAt } from '../protocol/stamps.ts';
import { enqueue } from '../protocol/writes.ts';
import type { Participant } from './participant.ts';

/** In milliseconds since 1970, whole seconds; undefined if the API server refuses, does not answer, or does not track the fields of this Lease. */
export async function serverTime(
  { client, me, timings }: Participant,
  view: Pick<View, 'state' | 'exists'>,
  signal?: AbortSignal | undefined,
): Promise<number | undefined> {
  const lease = enqueue({ view, me: { ...me, policies: undefined } }, { ticket: view.state.next, came: view.state.next });
  const answer = await client.write(lease, {
    manager: managerOf('waiter'),
    dryRun: true,
    timeoutMs: timings.requestTimeoutMs,
    signal,
  });
  return answer.kind === 'lease' ? queueWrittenAt(answer.lease) : undefined;
}

/** What follows for a waiter from an answer that is not a Lease: somebody was faster, the API server refuses, or there was no answer. */
import type { Answer } from '../api/answers.ts';
import { backoffMs } from '../backoff.ts';
import { later, NEVER } from '../clock.ts';
import type { Acquisition } from './participant.ts';
import { pause, type Sent, SILENCE_MS, silenceEndsAt, unanswered, unreachable, type Wait } from './wait.ts';

/** After a failed request: doubles up to the limit. */
const RETRY = { firstMs: 200, limitMs: 5000 };
/**
 * Spread of those who collided in a write. Of all that read and write within one turn, a single one succeeds; so a turn lasts as long as that takes here, each
 * round is four times as long as the one before, and the last has turns for so many that those who hold the lock get theirs, too. Whoever has a place or
 * wants to claim comes back sooner: others wait for it.
 */
const COLLISION = {
  firstMs: 50,
  factor: 4,
  newcomers: { turns: 40, leastMs: 4000, mostMs: 60_000 },
  others: { turns: 4, leastMs: 200, mostMs: 2000 },
};

/** What follows from an answer that is not a Lease. */
export async function onSetback(
  wait: Wait,
  answer: Exclude<Answer, { kind: 'lease' }>,
  doing: 'reading' | 'queueing' | 'claiming',
  sent: Sent,
): Promise<Acquisition | undefined> {
  const { clock, random } = wait.participant;
  const { known, requests } = wait;
  known.fresh = false;
  switch (answer.kind) {
    case 'refused':
      if (answer.reason === 'not-yours' && (await rename(wait))) return undefined;
      return await onRefusal(wait, answer, doing);
    // A 409 means: read, and decide again. My own earlier attempt may be the reason.
    case 'conflict':
    // The Lease has gone between reading and writing.
    case 'absent':
      // A proxy may have carried it twice: then this is the answer to the second, and the first was done.
      known.inDoubt ||= doing !== 'reading';
      requests.silentSince = undefined;
      requests.collisions += 1;
      await pause(wait, random() * spreadMs(wait, doing, 2 * (clock.now() - sent.at)));
      return undefined;
    case 'failed':
      return await onFailure(wait, answer, doing);
    default:
      return answer satisfies never;
  }
}

function spreadMs({ known, requests }: Wait, doing: 'reading' | 'queueing' | 'claiming', turnMs: number): number {
  const { firstMs, factor, newcomers, others } = COLLISION;
  const { turns, leastMs, mostMs } = doing === 'queueing' && known.ticket === undefined ? newcomers : others;
  const limitMs = Math.min(mostMs, Math.max(leastMs, turns * turnMs));
  return Math.min(limitMs, Math.max(firstMs, turnMs) * factor ** (requests.collisions - 1));
}

/**
 * A 403 for some seconds may be an API server that has not read its RBAC yet, a 401 a token that is being rotated, a 422 a webhook: whoever has been
 * served before goes on trying, for as long as silence would be borne.
 */
async function onRefusal(
  wait: Wait,
  answer: Answer & { kind: 'refused' },
  doing: 'reading' | 'queueing' | 'claiming',
): Promise<Acquisition | undefined> {
  const { clock, random } = wait.participant;
  const { known } = wait;
  // What was refused surely was not done, and who refuses is not silent.
  wait.requests.silentSince = undefined;
  if (wait.signal?.aborted) return undefined;
  const of = doing === 'reading' ? 'reads' : 'writes';
  if (wait.refused?.of !== of) wait.refused = { of, since: clock.now(), times: 0 };
  const servedBefore = of === 'reads' ? known.view !== undefined : known.ticket !== undefined;
  if (wait.oneTry || !servedBefore || clock.now() >= later(wait.refused.since, SILENCE_MS)) return answer;
  const retryInMs = backoffMs(wait.refused.times++, RETRY, random);
  const forMs = clock.now() - wait.refused.since;
  const leftMs = Math.max(0, Math.min(SILENCE_MS - forMs, wait.giveUpAt - clock.now()));
  wait.emit({ type: 'trouble', doing, message: answer.message, retryInMs, lasting: { forMs, leftMs } });
  await pause(wait, retryInMs);
  return undefined;
}

/** Silence ends a wait after a while; an answer that asks for patience does not, until the time of the wait itself is over. */
async function onFailure(
  wait: Wait,
  answer: Answer & { kind: 'failed' },
  doing: 'reading' | 'queueing' | 'claiming',
): Promise<Acquisition | undefined> {
  const { clock, random, client } = wait.participant;
  const { known, requests } = wait;
  if (wait.signal?.aborted) {
    known.inDoubt ||= answer.applied !== 'no' && doing !== 'reading';
    return undefined;
  }
  known.inDoubt ||= answer.applied === 'unknown' && doing !== 'reading';
  requests.failures += 1;
  requests.lastFailure = answer;
  requests.silentSince = answer.comeBack ? undefined : (requests.silentSince ?? clock.now());
  requests.elsewhereSince = answer.elsewhere && (requests.elsewhereSince ?? clock.now());
  const endsAt = silenceEndsAt(wait) ?? NEVER;
  if (wait.oneTry || clock.now() >= endsAt) return unreachable(answer, client.server);
  const backoff = answer.retryAfterMs ?? backoffMs(requests.failures - 1, RETRY, random);
  // So that the last try of these few seconds is at their end.
  const retryInMs = answer.elsewhere ? Math.min(backoff, endsAt - clock.now()) : backoff;
  wait.emit({ type: 'trouble', doing, message: answer.message, retryInMs, lasting: unanswered(wait) });
  await pause(wait, retryInMs);
  return undefined;
}

/** True if I have another id from now on: only while nothing of mine can stand in the Lease under the old one. */
async function rename(wait: Wait): Promise<boolean> {
  const { me, timings, whoAmI } = wait.participant;
  const { state } = wait.known.view ?? {};
  const stands = state && [...state.holders, ...state.waiters].some(({ nonce }) => nonce === me.nonce);
  if (!whoAmI || wait.known.inDoubt || stands) return false;
  const id = await whoAmI(timings.requestTimeoutMs);
  // It always answers the same, so that a second refusal ends the wait.
  if (id === undefined || id === me.id) return false;
  wait.participant = { ...wait.participant, me: { ...me, id } };
  wait.emit({ type: 'renamed', id });
  return true;
}

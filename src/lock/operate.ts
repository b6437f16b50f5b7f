/**
 * What an administrator does to a lock that somebody else holds or waits for. Every write is a compare-and-set of the Lease as it was read, decided again
 * after each conflict, so that nobody is touched but the entry that was named. Nothing here stops a process: a holder that was asked does that itself, and
 * one that was cleared may still be running.
 */
import type { Answer } from '../api/answers.ts';
import type { Refusal } from '../api/refusals.ts';
import { later, type Monotonic, waitUntil } from '../clock.ts';
import { documentAt } from '../documents.ts';
import { standingStillMs } from '../protocol/deadlines.ts';
import { parseLease } from '../protocol/document.ts';
import { newerVersion, type RawLease } from '../protocol/lease.ts';
import type { Holder, LockState } from '../protocol/lock-state.ts';
import { findNamed, type Signed, stopRequest, withoutHolder } from '../protocol/operator-writes.ts';
import { managerOf } from '../protocol/stamps.ts';
import type { Participant } from './participant.ts';
import { serverTime } from './server-clock.ts';

export type Failed =
  | (Answer & { kind: 'failed' })
  | { kind: 'refused'; reason: Refusal | 'document' | 'absent'; status: number | undefined; message: string };

export type Unlocked =
  | { kind: 'unlocked'; holder: Holder; forced: boolean }
  /** Nobody of that name holds it. */
  | { kind: 'not-held'; heldBy: Holder[] }
  | { kind: 'several'; heldBy: Holder[] }
  /** A client that does not know the request. */
  | { kind: 'cannot-be-asked'; holder: Holder }
  /** `agoMs` undefined: the Lease does not say when it last renewed. */
  | { kind: 'renewed-lately'; holder: Holder; agoMs: number | undefined }
  /** Its work has ended: there is nobody to ask, and the lock stays taken for a minimum time. */
  | { kind: 'kept'; holder: Holder }
  | { kind: 'still-held'; holder: Holder }
  | Failed;

export interface UnlockRequest {
  /** Its id, or the key of its entry. */
  holder: string;
  by: string;
  reason: string | undefined;
}

/** How long a write is tried again for: others may keep changing the Lease. */
const PATIENCE_MS = 20_000;
const PAUSE_MS = 100;
/** Stamps are whole seconds. */
const STAMP_MS = 1000;
/** How often it is looked whether a holder has released the lock. */
const LOOK_MS = 1000;

/** Asks the holder to stop, and waits until it has released the lock. `onAsked`: the request is written. */
export async function askToUnlock(
  participant: Participant,
  request: UnlockRequest,
  { timeoutMs, onAsked }: { timeoutMs: number; onAsked(holder: Holder): void },
): Promise<Unlocked> {
  const { clock } = participant;
  const until = later(clock.now(), timeoutMs);
  const asked = await change<Unlocked>(participant, 'waiter', async (state) => {
    const holder = named(state, request);
    if ('kind' in holder) return { done: holder };
    if (holder.standing === 'foreign') return { done: { kind: 'cannot-be-asked', holder } };
    if (holder.ended) return { done: { kind: 'kept', holder } };
    // It has lost the lock already, and is stopping.
    if (holder.standing === 'ousted') return { done: { kind: 'still-held', holder } };
    return { lease: stopRequest(state, holder, signedBy(participant, request)), done: { kind: 'still-held', holder } };
  });
  if (asked.kind !== 'still-held') return asked;
  const { holder } = asked;
  onAsked(holder);
  return (await isGone(participant, holder, until)) ? { kind: 'unlocked', holder, forced: false } : asked;
}

/** Clears the holder. `living`: also one that has renewed lately. */
export async function forceUnlock(participant: Participant, request: UnlockRequest & { living: boolean }): Promise<Unlocked> {
  let cleared: Holder | undefined;
  const result = await change<Unlocked>(participant, 'holder', async (state) => {
    const holder = named(state, request);
    // Gone after a write of mine that had no answer: that write has done it, or the holder was faster.
    if ('kind' in holder) return { done: cleared ? { kind: 'unlocked', holder: cleared, forced: true } : holder };
    if (!request.living) {
      const agoMs = await silentForMs(participant, state, holder);
      if (agoMs === undefined || agoMs <= punctualMs(holder)) return { done: { kind: 'renewed-lately', holder, agoMs } };
    }
    cleared = holder;
    const lease = withoutHolder(state, holder, signedBy(participant, request));
    return { lease, done: { kind: 'unlocked', holder, forced: true } };
  });
  return result;
}

const signedBy = ({ clock }: Participant, { by, reason }: UnlockRequest): Signed => ({ by, reason, wall: clock.wall() });

function named({ holders }: LockState, { holder }: UnlockRequest): Holder | (Unlocked & { kind: 'not-held' | 'several' }) {
  const found = findNamed(holders, holder);
  if (found === 'several') return { kind: 'several', heldBy: holders };
  return found ?? { kind: 'not-held', heldBy: holders };
}

/** By the API server's stamps, both of them: undefined if it gives none. */
async function silentForMs(
  participant: Participant,
  state: LockState,
  { writtenAtServerMs }: Holder,
): Promise<number | undefined> {
  const now = await serverTime(participant, { state, exists: true });
  return now === undefined || writtenAtServerMs === undefined ? undefined : now - writtenAtServerMs;
}

/** For how long a living holder may be silent. Others renew when they like, at the latest before the end of their lease. */
function punctualMs({ standing, ended, durationMs }: Holder): number {
  if (ended) return -1;
  if (durationMs === undefined) return Number.POSITIVE_INFINITY;
  return standing === 'foreign' ? durationMs : standingStillMs(durationMs);
}

/** A Lease that is gone may be put back by its holder: only one without the entry shows that it has released the lock. */
async function isGone({ client, clock, timings }: Participant, { key }: Holder, until: Monotonic): Promise<boolean> {
  for (;;) {
    const answer = await client.read({ timeoutMs: timings.requestTimeoutMs });
    const parsed = answer.kind === 'lease' ? parseLease(answer.lease) : undefined;
    if (parsed?.kind === 'state' && !parsed.state.holders.some((holder) => holder.key === key)) return true;
    if (clock.now() >= until) return false;
    await waitUntil(clock, Math.min(later(clock.now(), LOOK_MS), until) as Monotonic);
  }
}

/** What follows from the Lease as it is: nothing to write, or a document, and what has happened once that is written. */
type Step<Result> = { lease?: RawLease | undefined; done: Result };

/** Reads, decides and writes, again after a conflict. `absent`: there is no Lease, and so nobody in it. */
export async function change<Result>(
  { client, clock, timings, random }: Participant,
  as: 'holder' | 'waiter',
  decide: (state: LockState) => Promise<Step<Result>>,
): Promise<Result | Failed> {
  const { requestTimeoutMs: timeoutMs } = timings;
  const until = later(clock.now(), PATIENCE_MS);
  for (;;) {
    let answer = await client.read({ timeoutMs });
    if (answer.kind === 'absent') return refusedBy('absent', 'there is no such Lease');
    if (answer.kind === 'lease') {
      const parsed = parseLease(answer.lease);
      if (parsed.kind === 'refused') return refusedBy('document', parsed.message);
      if (parsed.state.coordinated !== undefined)
        return refusedBy('document', `it belongs to the API server's own leader election (${parsed.state.coordinated})`);
      const { lease, done } = await decide(parsed.state);
      if (!lease) return done;
      answer = await client.write(lease, { manager: managerOf(as), timeoutMs });
      if (answer.kind === 'lease') return done;
    }
    if (answer.kind === 'refused') return answer;
    // For a waiter that is a matter of time; an administrator needs the right to break the lock.
    if (answer.kind === 'failed' && answer.notExpired)
      return {
        kind: 'refused',
        reason: 'policy',
        status: 403,
        message: `${answer.message} (${documentAt('theft.md#breaking-a-lock')})`,
      };
    if (clock.now() >= until)
      return answer.kind === 'failed' ? answer : { kind: 'failed', message: 'others kept changing the Lease', applied: 'no' };
    await waitUntil(clock, later(clock.now(), PAUSE_MS * (1 + random())));
  }
}

const refusedBy = (reason: 'document' | 'absent', message: string): Failed => ({
  kind: 'refused',
  reason,
  status: undefined,
  message,
});

export interface Hold {
  holder: string;
  token: string;
  transitions: number | undefined;
}

export type Verified = { kind: 'held'; leftMs: number } | { kind: 'not-held'; why: string } | Failed;

/**
 * Whether that hold is still what the Lease says, and not over by the API server's own stamps. True for the moment in which the API server answered: for a
 * look just before something that cannot be undone.
 */
export async function verify(participant: Participant, { holder, token, transitions }: Hold): Promise<Verified> {
  const { client, timings } = participant;
  const answer = await client.read({ timeoutMs: timings.requestTimeoutMs });
  if (answer.kind === 'absent') return { kind: 'not-held', why: 'the Lease does not exist' };
  if (answer.kind === 'conflict') return { kind: 'failed', message: 'conflict', applied: 'no' };
  if (answer.kind !== 'lease') return answer;
  const parsed = parseLease(answer.lease);
  if (parsed.kind === 'refused') return { kind: 'not-held', why: parsed.message };
  const { state } = parsed;
  const mine = state.holders.find(({ id, standing }) => id === holder && standing === 'holds');
  if (!mine) return { kind: 'not-held', why: `${holder} does not hold it` };
  if (mine.ended) return { kind: 'not-held', why: 'its work has ended' };
  // Those that share the lock come and go.
  if (mine.weight === undefined && transitions !== undefined && state.transitions !== transitions)
    return { kind: 'not-held', why: `it has changed hands since (${transitions} transitions then, ${state.transitions} now)` };
  if (newerVersion(token, state.resourceVersion)) return { kind: 'not-held', why: `the token ${token} is from another Lease` };
  const agoMs = await silentForMs(participant, state, mine);
  if (agoMs === undefined || mine.durationMs === undefined)
    return { kind: 'not-held', why: 'the API server does not say when it was last renewed, so it may have expired' };
  const leftMs = mine.durationMs - agoMs - STAMP_MS;
  return leftMs > 0 ? { kind: 'held', leftMs } : { kind: 'not-held', why: 'its lease is over' };
}

/**
 * The held lock: renewed every quarter of its duration, watched, and lost the moment that it can't be known to be mine for as long as
 * stopping the command takes. Deadlines count from before the *send* of the last write that succeeded, and are armed apart from any
 * request; an answer that comes later than its own deadline is not believed.
 */
import type { Answer, WatchEvent } from '../api/answers.ts';
import { backoffMs } from '../backoff.ts';
import { later, type Monotonic, waitUntil } from '../clock.ts';
import { parseLease } from '../protocol/document.ts';
import { newerVersion, type RawLease } from '../protocol/lease.ts';
import type { LockState } from '../protocol/lock-state.ts';
import { judgeHold } from '../protocol/rules.ts';
import { managerOf } from '../protocol/stamps.ts';
import { renewal } from '../protocol/writes.ts';
import { arm, deadlinesFor, expireIfDue, type Hold, lose, timingsOf } from './held.ts';
import { momentOf } from './participant.ts';

/** After a failed renewal: often enough for several tries before the deadline, seldom enough for an API server in trouble. */
const RETRY_MS = 100;

export async function keepRenewing(held: Hold): Promise<void> {
  const { participant, requests, ended } = held;
  while (!ended.signal.aborted) {
    // 1. Wait until the next renewal is due, or something asks for one now.
    const nudged = new AbortController();
    requests.nudge = () => nudged.abort();
    if (!requests.nudged) await waitUntil(participant.clock, requests.renewAt, nudged.signal);
    // 2. One attempt. It leaves behind when the next is due.
    if (!ended.signal.aborted) await tryRenew(held);
  }
}

async function tryRenew(held: Hold): Promise<void> {
  const { participant, key, known, requests } = held;
  const { client, me } = participant;
  const { requestTimeoutMs: timeoutMs } = timingsOf(held);
  requests.nudged = false;
  // 1. Write the Lease as I know it, with a new mark. If it was deleted, that puts it back.
  const moment = momentOf(participant);
  const sentAt = participant.clock.now();
  requests.attempts.set(moment.mark, sentAt);
  const wasAbsent = !known.exists;
  const lease = renewal({ view: known, me, moment }, key);
  const answer = await client.write(lease, { manager: managerOf('holder', me), timeoutMs, signal: held.ended.signal });
  // 2. The clock first: an answer that comes too late is not believed.
  if (expireIfDue(held)) return;
  switch (answer.kind) {
    case 'lease':
      onAnswer(held, answer.lease, sentAt);
      if (wasAbsent && !held.ended.signal.aborted) held.emit({ type: 'restored', heldBy: [] });
      return;
    // 3. Somebody else wrote in between, or deleted the Lease: read, and judge again.
    case 'conflict':
    case 'absent':
      return await readAgain(held);
    case 'refused':
    case 'failed':
      // The watch may have shown meanwhile that it landed.
      return requests.attempts.has(moment.mark) ? retryLater(held, answer) : undefined;
    default:
      return answer satisfies never;
  }
}

async function readAgain(held: Hold): Promise<void> {
  const { known, requests } = held;
  const { client, clock } = held.participant;
  const answer = await client.read({ timeoutMs: timingsOf(held).requestTimeoutMs, signal: held.ended.signal });
  if (expireIfDue(held)) return;
  switch (answer.kind) {
    case 'lease': {
      const state = applyJudgement(held, answer.lease);
      if (!state) return;
      known.exists = true;
      known.state = state;
      if (!creditLanded(held)) requests.renewAt = clock.now();
      return;
    }
    case 'absent':
      known.exists = false;
      requests.renewAt = clock.now();
      return;
    case 'refused':
    case 'failed':
      return retryLater(held, answer);
    case 'conflict':
      return;
    default:
      return answer satisfies never;
  }
}

function onAnswer(held: Hold, lease: RawLease, sentAt: Monotonic): void {
  const { known } = held;
  const state = applyJudgement(held, lease);
  if (!state) return;
  // The watch may have shown a newer one while the answer was on its way.
  if (!known.exists || !newerVersion(known.state.resourceVersion, state.resourceVersion)) known.state = state;
  known.exists = true;
  onRenewed(held, sentAt);
}

function onRenewed(held: Hold, sentAt: Monotonic): void {
  const { known, requests } = held;
  known.sentAt = sentAt;
  known.grant = undefined;
  const deadlines = deadlinesFor(held);
  requests.renewAt = deadlines.renewAt;
  requests.failures = 0;
  requests.lastFailure = undefined;
  requests.attempts.clear();
  arm(held);
  if (expireIfDue(held)) return;
  held.emit({ type: 'renewed', queue: known.state.waiters.length, deadlines });
}

/** What a Lease says of my hold; undefined if it is lost, which has then been reported. */
export function applyJudgement(held: Hold, lease: RawLease): LockState | undefined {
  const parsed = parseLease(lease);
  if (parsed.kind === 'refused') {
    lose(held, parsed.message);
    return undefined;
  }
  const judgement = judgeHold(parsed.state, held.participant.me, held.key);
  if (judgement.kind === 'lost') {
    lose(held, judgement.reason);
    return undefined;
  }
  if (judgement.stop && !held.stop.signal.aborted) {
    held.emit({ type: 'stop-requested', request: judgement.stop });
    held.stop.abort(judgement.stop);
  }
  return parsed.state;
}

/** A hint may be late, but it is never false: a newer version in which the lock is not mine means that it is lost, whatever came after. */
export function onWatchEvent(held: Hold, { lease }: WatchEvent): void {
  const { known } = held;
  if (expireIfDue(held)) return;
  if (!lease) {
    renewNow(held);
    return;
  }
  if (!newerVersion(lease.metadata.resourceVersion, known.state.resourceVersion)) return;
  const state = applyJudgement(held, lease);
  if (!state) return;
  known.state = state;
  known.exists = true;
  creditLanded(held);
}

/** One of my attempts without an answer has landed, as its mark tells: the lock is mine from before the send of *that* one. */
function creditLanded(held: Hold): boolean {
  const mine = held.known.state.holders.find((holder) => holder.key === held.key);
  const landed = mine && held.requests.attempts.get(mine.mark);
  if (landed === undefined || landed < held.known.sentAt) return false;
  onRenewed(held, landed);
  return true;
}

export function renewNow({ requests }: Hold): void {
  requests.nudged = true;
  requests.nudge();
}

/** The machine may have slept: unless the API server confirms the lock in the time of two requests, it counts as lost. */
export function confirmNow(held: Hold): void {
  const { clock, timings } = held.participant;
  const doubtedAt = clock.now();
  renewNow(held);
  const undo = clock.at(later(doubtedAt, 2 * timings.requestTimeoutMs), () => {
    if (held.known.sentAt < doubtedAt)
      lose(held, "the machine's clock has leapt ahead, and the API server does not confirm the lock");
  });
  held.ended.signal.addEventListener('abort', undo, { once: true });
}

function retryLater(held: Hold, answer: Answer & { kind: 'refused' | 'failed' }): void {
  const { requests, known } = held;
  const { clock, random } = held.participant;
  const timings = timingsOf(held);
  const backoff = backoffMs(requests.failures, { firstMs: RETRY_MS, limitMs: timings.renewEveryMs / 2 }, random);
  requests.failures += 1;
  requests.lastFailure = answer.message;
  const retryAfterMs = answer.kind === 'failed' ? (answer.retryAfterMs ?? 0) : 0;
  // A server's wish for patience ends where one last try before the deadline must begin.
  const { stopBy } = deadlinesFor(held);
  const lastTry = Math.max(0, stopBy - timings.requestTimeoutMs - clock.now());
  const retryInMs = Math.max(backoff, Math.min(retryAfterMs, lastTry));
  requests.renewAt = later(clock.now(), retryInMs);
  const lasting = { forMs: clock.now() - known.sentAt, leftMs: Math.max(0, stopBy - clock.now()) };
  held.emit({ type: 'trouble', doing: 'renewing', message: answer.message, retryInMs, lasting });
}

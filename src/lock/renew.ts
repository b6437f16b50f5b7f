/**
 * The held lock: renewed every quarter of its duration, watched, and lost the moment that it can't be known to be mine for as long as
 * stopping the command takes. Deadlines count from before the *send* of the last write that succeeded, and are armed apart from any
 * request; an answer that comes later than its own deadline is not believed.
 */

import type { Answer, WatchEvent } from '../api/lease-client.ts';
import { later, type Monotonic, waitUntil } from '../clock.ts';
import { type Key, type LockState, newerVersion, parseLease } from '../protocol/document.ts';
import { judgeHold, renewal, restored } from '../protocol/rules.ts';
import type { Timings } from '../protocol/timings.ts';
import { onWallJump } from './clock-step.ts';
import { type HeldLock, LockLostError, momentOf, type Participant, type Released } from './participant.ts';
import { withdraw } from './release.ts';

/** From when on a command must be on its way out, if the last write that succeeded was sent at `sentAt`. */
export function stopByOf(sentAt: Monotonic, { durationMs, killBudgetMs, marginMs }: Timings): Monotonic {
  return later(sentAt, durationMs - killBudgetMs - marginMs);
}

/** After a failed renewal: often enough for several tries before the deadline, seldom enough for an API server in trouble. */
const RETRY_MS = 100;

interface Hold {
  participant: Participant;
  key: Key;
  /** The Lease as last known, and whether it exists. */
  state: LockState;
  exists: boolean;
  sentAt: Monotonic;
  /** When each attempt was sent, by its mark: a read then tells which of them landed. */
  attempts: Map<string, Monotonic>;
  renewAt: Monotonic;
  failures: number;
  lastFailure: string | undefined;
  /** Wakes the renewal; `nudged` remembers one that came while a request was under way. */
  nudge: () => void;
  nudged: boolean;
  lost: AbortController;
  stop: AbortController;
  ended: AbortController;
  disarm: () => void;
}

export interface Acquired {
  state: LockState;
  key: Key;
  /** Just before the write that acquired was sent. */
  sentAt: Monotonic;
}

export function hold(participant: Participant, { state, key, sentAt }: Acquired): HeldLock {
  const { client, clock, me, timings, emit } = participant;
  const held: Hold = {
    participant,
    key,
    state,
    exists: true,
    sentAt,
    attempts: new Map(),
    renewAt: later(sentAt, timings.renewEveryMs),
    failures: 0,
    lastFailure: undefined,
    nudge: () => {},
    nudged: false,
    lost: new AbortController(),
    stop: new AbortController(),
    ended: new AbortController(),
    disarm: () => {},
  };
  arm(held);
  const unwatch = client.watch((event) => hear(held, event), state.resourceVersion);
  const unlook = onWallJump(clock, timings.renewEveryMs / 4, () => renewNow(held));
  const end = () => {
    held.ended.abort();
    held.disarm();
    unwatch();
    unlook();
  };
  held.lost.signal.addEventListener('abort', end, { once: true });
  const acquiredAt = clock.now();
  const token = state.resourceVersion ?? '0';
  const transitions = state.transitions;
  void keep(held);
  return {
    holder: me.id,
    token,
    transitions,
    lost: held.lost.signal,
    isLost: () => held.lost.signal.aborted || (isOver(held) && held.lost.signal.aborted),
    stopRequested: held.stop.signal,
    stopBy: () => stopByOf(held.sentAt, timings),
    expiresAt: () => later(held.sentAt, timings.durationMs),
    abandon: end,
    async release(): Promise<Released> {
      end();
      // After a loss nothing that I know of the Lease is certain: withdraw reads it first.
      const released = await withdraw(participant, held.exists && !held.lost.signal.aborted ? held.state : undefined);
      if (released.kind === 'released') emit({ type: 'released', heldMs: clock.now() - acquiredAt });
      if (released.kind === 'failed') emit({ type: 'trouble', doing: 'releasing', message: released.message, retryInMs: 0 });
      return released;
    },
  };
}

async function keep(held: Hold): Promise<void> {
  const { clock } = held.participant;
  while (!held.ended.signal.aborted) {
    const nudged = new AbortController();
    held.nudge = () => nudged.abort();
    if (!held.nudged) await waitUntil(clock, held.renewAt, AbortSignal.any([nudged.signal, held.ended.signal]));
    if (!held.ended.signal.aborted) await renew(held);
  }
}

/** One attempt: afterwards `renewAt` says when the next is due. */
async function renew(held: Hold): Promise<void> {
  const { participant, key, state } = held;
  const { client, me, timings } = participant;
  held.nudged = false;
  const moment = momentOf(participant);
  held.attempts.set(moment.mark, moment.now);
  const lease = held.exists ? renewal(state, me, key, moment) : restored(state, me, key, moment);
  const wasAbsent = !held.exists;
  const answer = await client.write(lease, { as: 'holder', timeoutMs: timings.requestTimeoutMs, signal: held.ended.signal });
  if (isOver(held)) return;
  switch (answer.kind) {
    case 'lease': {
      believe(held, answer, moment.now);
      if (wasAbsent && !held.ended.signal.aborted) participant.emit({ type: 'restored' });
      return;
    }
    case 'conflict':
    case 'absent':
      return await readAgain(held);
    case 'refused':
    case 'failed':
      // The watch may have shown meanwhile that it landed.
      return held.sentAt === moment.now ? undefined : retryLater(held, answer);
    default:
      return answer satisfies never;
  }
}

async function readAgain(held: Hold): Promise<void> {
  const { client, clock, timings } = held.participant;
  const answer = await client.read({ timeoutMs: timings.requestTimeoutMs, signal: held.ended.signal });
  if (isOver(held)) return;
  switch (answer.kind) {
    case 'lease': {
      const state = judged(held, answer);
      if (!state) return;
      held.exists = true;
      held.state = state;
      if (!creditLanded(held)) held.renewAt = clock.now();
      return;
    }
    case 'absent':
      held.exists = false;
      held.renewAt = clock.now();
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

function believe(held: Hold, answer: Answer & { kind: 'lease' }, sentAt: Monotonic): void {
  const state = judged(held, answer);
  if (!state) return;
  // The watch may have shown a newer one while the answer was on its way.
  if (!held.exists || !newerVersion(held.state.resourceVersion, state.resourceVersion)) held.state = state;
  held.exists = true;
  renewed(held, sentAt);
}

function renewed(held: Hold, sentAt: Monotonic): void {
  const { emit, timings } = held.participant;
  held.sentAt = sentAt;
  held.renewAt = later(sentAt, timings.renewEveryMs);
  held.failures = 0;
  held.lastFailure = undefined;
  held.attempts.clear();
  arm(held);
  if (isOver(held)) return;
  const queue = held.state.waiters.length;
  emit({ type: 'renewed', queue, stopBy: stopByOf(sentAt, timings), expiresAt: later(sentAt, timings.durationMs) });
}

/** What a read or a write says of my hold; undefined if it is lost, which has then been told. */
function judged(held: Hold, { lease }: { lease: LockState['lease'] }): LockState | undefined {
  const { me } = held.participant;
  const parsed = parseLease(lease);
  if (parsed.kind === 'refused') {
    lose(held, parsed.message);
    return undefined;
  }
  const judgement = judgeHold(parsed.state, me, held.key);
  if (judgement.kind === 'lost') {
    lose(held, judgement.reason);
    return undefined;
  }
  if (judgement.stop && !held.stop.signal.aborted) {
    held.participant.emit({ type: 'stop-requested', request: judgement.stop });
    held.stop.abort(judgement.stop);
  }
  return parsed.state;
}

/** A hint may be late, but it is never false: a newer version in which the lock is not mine means that it is lost, whatever came after. */
function hear(held: Hold, { lease }: WatchEvent): void {
  if (isOver(held)) return;
  if (!lease) {
    renewNow(held);
    return;
  }
  if (!newerVersion(lease.metadata.resourceVersion, held.state.resourceVersion)) return;
  const state = judged(held, { lease });
  if (!state) return;
  held.state = state;
  held.exists = true;
  creditLanded(held);
}

/** One of my attempts without an answer has landed, as its mark tells: the lock is mine from before the send of *that* one. */
function creditLanded(held: Hold): boolean {
  const mine = held.state.holders.find((holder) => holder.key === held.key);
  const landed = mine && held.attempts.get(mine.mark);
  if (landed === undefined || landed <= held.sentAt) return false;
  renewed(held, landed);
  return true;
}

function renewNow(held: Hold): void {
  held.nudged = true;
  held.nudge();
}

function retryLater(held: Hold, answer: Answer & { kind: 'refused' | 'failed' }): void {
  const { clock, emit, random, timings } = held.participant;
  held.failures += 1;
  held.lastFailure = answer.message;
  const backoff = Math.min(timings.renewEveryMs / 2, RETRY_MS * 2 ** Math.min(held.failures - 1, 10)) * (0.5 + random() / 2);
  const retryAfterMs = answer.kind === 'failed' ? (answer.retryAfterMs ?? 0) : 0;
  // A server's wish for patience ends where one last try before the deadline must begin.
  const lastTry = Math.max(0, stopByOf(held.sentAt, timings) - timings.requestTimeoutMs - clock.now());
  const retryInMs = Math.max(backoff, Math.min(retryAfterMs, lastTry));
  held.renewAt = later(clock.now(), retryInMs);
  emit({ type: 'trouble', doing: 'renewing', message: answer.message, retryInMs });
}

function arm(held: Hold): void {
  const { clock, timings } = held.participant;
  held.disarm();
  held.disarm = clock.at(stopByOf(held.sentAt, timings), () => isOver(held));
}

/** Looks at the clock: true if the hold has ended, by now at the latest. Asked after every reply, before the reply is believed. */
function isOver(held: Hold): boolean {
  const { clock, timings } = held.participant;
  if (held.ended.signal.aborted) return true;
  if (clock.now() < stopByOf(held.sentAt, timings)) return false;
  const since = clock.now() - held.sentAt;
  lose(held, `it could not be renewed for ${(since / 1000).toFixed(1)}s${held.lastFailure ? `: ${held.lastFailure}` : ''}`);
  return true;
}

function lose(held: Hold, reason: string): void {
  if (held.ended.signal.aborted) return;
  held.participant.emit({ type: 'lost', reason });
  held.lost.abort(new LockLostError(reason));
}

/**
 * Waiting for the lock: read, decide, write, and start again whenever something has changed. Every decision is made by rules.ts and comes
 * true only by a compare-and-set that was answered; a claim without an answer is read back and confirmed by another before it counts.
 * However it ends, it leaves no entry behind that could have been removed.
 */

import type { Answer } from '../api/lease-client.ts';
import { later, type Monotonic, NEVER, waitUntil } from '../clock.ts';
import { type Holder, newerVersion, parseLease, type RawLease } from '../protocol/document.ts';
import { absentLease, type Decision, decide, observe, type Reading, type View } from '../protocol/rules.ts';
import { NOT_YOURS } from './identity.ts';
import { type AcquireRequest, type Acquisition, momentOf, type Participant } from './participant.ts';
import { type Attention, payAttention } from './queue-watch.ts';
import { withdraw } from './release.ts';
import { hold, stopByOf } from './renew.ts';

/** How long an API server may be silent before waiting for it is given up: longer than its restart, shorter than anybody's patience. */
const SILENCE_MS = 120_000;
/** First pause after a failed request; it doubles, with jitter, up to the second figure. */
const RETRY_MS = 200;
const RETRY_LIMIT_MS = 5000;
/** Spread of those who collided in a write: large enough for ten to find their order in a few rounds. */
const COLLISION_MS = 50;

interface Wait {
  participant: Participant;
  attention: Attention;
  startedAt: Monotonic;
  giveUpAt: Monotonic;
  oneTry: boolean;
  signal: AbortSignal | undefined;
  view: View | undefined;
  /** The view is as new as what has been heard: no need to read before deciding. */
  fresh: boolean;
  /** Something of mine may stand in the Lease. */
  wrote: boolean;
  /** A write of mine had no answer. */
  inDoubt: boolean;
  answeredAt: Monotonic;
  failures: number;
  lastFailure: string | undefined;
  collisions: number;
  pollAt: Monotonic;
  told: string;
}

export async function acquire(participant: Participant, request: AcquireRequest): Promise<Acquisition> {
  const now = participant.clock.now();
  const oneTry = request.timeoutMs === 0;
  const wait: Wait = {
    participant,
    attention: payAttention(participant),
    startedAt: now,
    // One try has to end, too: two requests, and those that a collision costs.
    giveUpAt: oneTry ? later(now, 2 * participant.timings.requestTimeoutMs) : later(now, request.timeoutMs ?? NEVER),
    oneTry,
    signal: request.signal,
    view: undefined,
    fresh: false,
    wrote: false,
    inDoubt: false,
    answeredAt: now,
    failures: 0,
    lastFailure: undefined,
    collisions: 0,
    pollAt: NEVER,
    told: '',
  };
  try {
    let end: Acquisition | undefined;
    while (!end) end = await step(wait);
    if (end.kind !== 'held') await leave(wait);
    return end;
  } finally {
    wait.attention.end();
  }
}

/** One turn of the loop: the end of it, or undefined to go on. */
async function step(wait: Wait): Promise<Acquisition | undefined> {
  const { participant, signal } = wait;
  if (signal?.aborted) return { kind: 'aborted' };
  if (participant.clock.now() >= wait.giveUpAt) return gaveUp(wait, [], 0);
  hear(wait);
  if (!wait.fresh) return await read(wait);
  if (!wait.view) return undefined;
  const decision = decide(wait.view, participant.me, momentOf(participant));
  switch (decision.kind) {
    case 'refused':
      return { kind: 'refused', status: 0, message: decision.message };
    case 'claim':
    case 'confirm':
      if (decision.kind === 'claim' && !wait.view.exists && !participant.createIfAbsent) return missing(participant);
      return await take(wait, decision);
    case 'enqueue':
      if (wait.oneTry) return gaveUp(wait, decision.heldBy, decision.position);
      if (!wait.view.exists && !participant.createIfAbsent) return missing(participant);
      return await enqueue(wait, decision);
    case 'wait': {
      if (wait.oneTry) return gaveUp(wait, decision.heldBy, decision.position);
      tell(wait, decision);
      wait.attention.at(decision.position, wait.view.state.resourceVersion);
      if (wait.pollAt === NEVER) wait.pollAt = wait.attention.pollAt(decision.position);
      await wait.attention.next(Math.min(decision.until, wait.pollAt, wait.giveUpAt) as Monotonic, signal);
      if (participant.clock.now() >= wait.pollAt) wait.fresh = false;
      return undefined;
    }
    default:
      return decision satisfies never;
  }
}

async function read(wait: Wait): Promise<Acquisition | undefined> {
  const { client, timings } = wait.participant;
  const answer = await client.read({ timeoutMs: timings.requestTimeoutMs, signal: wait.signal });
  if (answer.kind === 'lease' || answer.kind === 'absent') {
    wait.pollAt = NEVER;
    return see(wait, answer);
  }
  return await setback(wait, answer, 'reading');
}

async function enqueue(wait: Wait, decision: Decision & { kind: 'enqueue' }): Promise<Acquisition | undefined> {
  const { client, me, timings } = wait.participant;
  wait.wrote = true;
  const answer = await client.write(decision.lease, { as: 'waiter', timeoutMs: timings.requestTimeoutMs, signal: wait.signal });
  if (answer.kind !== 'lease') return await setback(wait, answer, 'queueing');
  me.ticket = decision.ticket;
  return see(wait, answer);
}

/** Claims, or confirms a claim. Held only if the answer came while the deadline that counts from the *send* had not passed. */
async function take(wait: Wait, decision: Decision & { kind: 'claim' | 'confirm' }): Promise<Acquisition | undefined> {
  const { participant } = wait;
  const { client, clock, timings, emit } = participant;
  wait.wrote = true;
  const sentAt = clock.now();
  const answer = await client.write(decision.lease, { as: 'holder', timeoutMs: timings.requestTimeoutMs, signal: wait.signal });
  if (answer.kind !== 'lease') return await setback(wait, answer, 'claiming');
  const refused = see(wait, answer);
  if (refused) return refused;
  // Too late to start on: the next turn finds me as the holder, and confirms. Aborted: the next turn gives it back.
  if (!wait.view || wait.signal?.aborted || clock.now() >= stopByOf(sentAt, timings)) return undefined;
  const lock = hold(participant, { state: wait.view.state, key: decision.key, sentAt });
  emit({
    type: 'acquired',
    waitedMs: clock.now() - wait.startedAt,
    token: lock.token,
    transitions: lock.transitions,
    stopBy: lock.stopBy(),
    expiresAt: lock.expiresAt(),
  });
  return { kind: 'held', lock };
}

/** Takes in what a request has answered. */
function see(wait: Wait, answer: Answer & { kind: 'lease' | 'absent' }): Acquisition | undefined {
  // What came before the answer is looked at before it: a holder that the answer no longer tells of may still be running.
  hear(wait, answer.kind === 'lease' ? answer.lease.metadata.resourceVersion : undefined);
  const now = wait.participant.clock.now();
  wait.answeredAt = now;
  wait.failures = 0;
  wait.lastFailure = undefined;
  wait.inDoubt = false;
  wait.collisions = 0;
  wait.fresh = true;
  const exists = answer.kind === 'lease';
  const lease = exists ? answer.lease : absentLease(wait.participant.me);
  return look(wait, lease, { exists, receivedAt: now, serverMs: exists ? answer.serverMs : undefined });
}

/** Takes in what the watch has said, if it is news. */
function hear(wait: Wait, upTo?: string): void {
  for (const { event, receivedAt } of wait.attention.take(upTo)) {
    const { lease } = event;
    wait.answeredAt = receivedAt;
    if (!lease) wait.fresh = false;
    else if (newerVersion(lease.metadata.resourceVersion, wait.view?.state.resourceVersion)) {
      // Refused by its version: a read says so in full.
      if (look(wait, lease, { exists: true, receivedAt })) wait.fresh = false;
    }
  }
}

function look(wait: Wait, lease: RawLease, reading: Omit<Reading, 'state'>): Acquisition | undefined {
  const parsed = parseLease(lease);
  if (parsed.kind === 'refused') return { kind: 'refused', status: 0, message: parsed.message };
  wait.view = observe(wait.view, { state: parsed.state, ...reading });
  const { me } = wait.participant;
  const queued = parsed.state.waiters.find((waiter) => waiter.id === me.id && waiter.nonce === me.nonce);
  if (queued) me.ticket = queued.ticket;
  return undefined;
}

/** What follows from an answer that is not a Lease. */
async function setback(wait: Wait, answer: Answer, doing: 'reading' | 'queueing' | 'claiming'): Promise<Acquisition | undefined> {
  const { clock, emit, random, client } = wait.participant;
  wait.fresh = false;
  switch (answer.kind) {
    case 'refused':
      if (answer.message.includes(NOT_YOURS) && (await renamed(wait))) return undefined;
      return { kind: 'refused', status: answer.status, message: answer.message };
    case 'conflict':
    // The Lease has gone between reading and writing.
    case 'absent':
      // A proxy may have carried it twice: then this is the answer to the second, and the first was done.
      wait.inDoubt ||= doing !== 'reading';
      wait.answeredAt = clock.now();
      wait.collisions += 1;
      await pause(wait, random() * COLLISION_MS * Math.min(wait.collisions, 10));
      return undefined;
    case 'failed': {
      if (wait.signal?.aborted) {
        wait.inDoubt ||= answer.applied !== 'no' && doing !== 'reading';
        return undefined;
      }
      wait.inDoubt ||= answer.applied === 'unknown' && doing !== 'reading';
      wait.failures += 1;
      wait.lastFailure = answer.message;
      if (wait.oneTry || clock.now() >= later(wait.answeredAt, SILENCE_MS)) return unreachable(answer.message, client.server);
      const retryInMs =
        answer.retryAfterMs ?? Math.min(RETRY_LIMIT_MS, RETRY_MS * 2 ** Math.min(wait.failures - 1, 10)) * (0.5 + random() / 2);
      emit({ type: 'trouble', doing, message: answer.message, retryInMs });
      await pause(wait, retryInMs);
      return undefined;
    }
    case 'lease':
      return undefined;
    default:
      return answer satisfies never;
  }
}

/** Whether I am somebody else now: only while nothing of mine can stand in the Lease under the old id. The answer is one, so that it ends. */
async function renamed(wait: Wait): Promise<boolean> {
  const { me, timings, whoAmI } = wait.participant;
  const stands = wait.view && [...wait.view.state.holders, ...wait.view.state.waiters].some(({ nonce }) => nonce === me.nonce);
  if (!whoAmI || wait.inDoubt || stands) return false;
  const id = await whoAmI(timings.requestTimeoutMs);
  if (id === undefined || id === me.id) return false;
  me.id = id;
  return true;
}

async function pause(wait: Wait, ms: number): Promise<void> {
  const { clock } = wait.participant;
  await waitUntil(clock, Math.min(later(clock.now(), ms), wait.giveUpAt) as Monotonic, wait.signal);
}

function tell(wait: Wait, { position, heldBy }: { position: number; heldBy: Holder[] }): void {
  const now = JSON.stringify([position, heldBy.map((holder) => holder.key)]);
  // Between a release and the next claim nobody holds it: not worth a line to those who stay where they are.
  if (now === wait.told || (heldBy.length === 0 && wait.told !== '')) return;
  wait.told = now;
  wait.participant.emit({ type: 'waiting', position, queue: wait.view?.state.waiters.length ?? 0, heldBy });
}

function gaveUp(wait: Wait, heldBy: Holder[], position: number): Acquisition {
  const { clock, client, me } = wait.participant;
  if (wait.lastFailure !== undefined) return unreachable(wait.lastFailure, client.server);
  const decision = wait.view && decide(wait.view, me, momentOf(wait.participant));
  const last = decision?.kind === 'wait' || decision?.kind === 'enqueue' ? decision : { heldBy, position };
  return { kind: 'busy', heldBy: last.heldBy, position: last.position, waitedMs: clock.now() - wait.startedAt };
}

function unreachable(message: string, server: string): Acquisition {
  return { kind: 'unreachable', message: `no answer from the API server ${server}: ${message}` };
}

function missing({ me }: Participant): Acquisition {
  return {
    kind: 'refused',
    status: 404,
    message: `Lease ${me.namespace}/${me.name} does not exist, and it may not be created (no-create): create it, or allow it to be made`,
  };
}

async function leave(wait: Wait): Promise<void> {
  if (!wait.wrote) return;
  const known = wait.inDoubt || !wait.view?.exists ? undefined : wait.view.state;
  const result = await withdraw(wait.participant, known);
  if (result.kind === 'released') wait.participant.emit({ type: 'left-queue' });
  if (result.kind === 'failed')
    wait.participant.emit({ type: 'trouble', doing: 'releasing', message: result.message, retryInMs: 0 });
}

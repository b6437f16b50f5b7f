/**
 * Waiting for the lock: read, decide, write, and start again whenever something has changed. Every decision is made by rules.ts and comes
 * true only by a compare-and-set that was answered; a claim without an answer is read back and confirmed by another before it counts.
 * However it ends, it leaves no entry behind that could have been removed.
 */
import type { Answer } from '../api/answers.ts';
import { backoffMs } from '../backoff.ts';
import { later, type Monotonic, NEVER, waitUntil } from '../clock.ts';
import { describeLease } from '../names.ts';
import { deadlinesOf } from '../protocol/deadlines.ts';
import { type Holder, parseLease, queueWrittenAt } from '../protocol/document.ts';
import { newerVersion, type RawLease } from '../protocol/lease.ts';
import { findMine } from '../protocol/me.ts';
import { type Decision, decide, freeFor, mayBeDead } from '../protocol/rules.ts';
import { observe, type Reading, stamped, type View } from '../protocol/sightings.ts';
import { absentLease } from '../protocol/writes.ts';
import type { Emit } from './events.ts';
import { type AcquireRequest, type Acquisition, momentOf, type Participant } from './participant.ts';
import { type QueueWatch, watchQueue } from './queue-watch.ts';
import { release } from './release.ts';
import { hold } from './renew.ts';
import { serverTime } from './server-clock.ts';

/** How long an API server may be silent before waiting for it is given up: longer than its restart, shorter than anybody's patience. */
const SILENCE_MS = 120_000;
/** After a failed request: doubles up to the limit. */
const RETRY = { firstMs: 200, limitMs: 5000 };
/** After a write of my entry that did not show: doubles up to the limit. */
const UNSEEN = { firstMs: 1000, limitMs: 30_000 };
/** Spread of those who collided in a write: large enough for ten to find their order in a few rounds. */
const COLLISION_MS = 50;

interface Wait {
  /** Replaced where a policy wants another id. */
  participant: Participant;
  emit: Emit;
  queueWatch: QueueWatch;
  startedAt: Monotonic;
  giveUpAt: Monotonic;
  oneTry: boolean;
  /** Of one try, once it has asked for a stamp: what was in the way then. */
  tried: { since: string } | undefined;
  signal: AbortSignal | undefined;
  known: Known;
  requests: Requests;
  /** Since when the API server refuses reads, or writes, without having served one in between. */
  refused: { of: 'reads' | 'writes'; since: Monotonic; times: number } | undefined;
  /** When to read again if there is no news. */
  pollAt: Monotonic;
  /** What was last reported of the queue. */
  reported: string;
}

/** What I know of the lock, and of my place in it. */
interface Known {
  view: View | undefined;
  /** The view is as new as the last hint: no need to read before deciding. */
  fresh: boolean;
  /** My place in the queue, once I have been seen there: kept if the entry vanishes. */
  ticket: number | undefined;
  /** How often in a row my entry was written, and was then not to be seen. */
  unseen: number;
  /** Something of mine may stand in the Lease. */
  wrote: boolean;
  /** A write of mine had no answer. */
  inDoubt: boolean;
}

/** How requests go. */
interface Requests {
  answeredAt: Monotonic;
  failures: number;
  lastFailure: string | undefined;
  collisions: number;
}

export async function acquire(participant: Participant, request: AcquireRequest): Promise<Acquisition> {
  const wait = newWait(participant, request);
  try {
    let end: Acquisition | undefined;
    while (!end) end = await step(wait);
    if (end.kind !== 'held') await leaveQueue(wait);
    return end;
  } finally {
    wait.queueWatch.end();
  }
}

function newWait(participant: Participant, { timeoutMs, signal, onEvent = () => {} }: AcquireRequest): Wait {
  const now = participant.clock.now();
  const oneTry = timeoutMs === 0;
  return {
    participant,
    emit: onEvent,
    queueWatch: watchQueue(participant, (trouble) => onEvent({ type: 'trouble', doing: 'watching', ...trouble })),
    startedAt: now,
    // One try has to end, too: two requests, and those that a collision costs.
    giveUpAt: oneTry ? later(now, 2 * participant.timings.requestTimeoutMs) : later(now, timeoutMs ?? NEVER),
    oneTry,
    tried: undefined,
    signal,
    known: { view: undefined, fresh: false, ticket: undefined, unseen: 0, wrote: false, inDoubt: false },
    requests: { answeredAt: now, failures: 0, lastFailure: undefined, collisions: 0 },
    refused: undefined,
    pollAt: NEVER,
    reported: '',
  };
}

/** One turn of the loop: the end of it, or undefined to go on. */
async function step(wait: Wait): Promise<Acquisition | undefined> {
  const { participant, signal, known } = wait;
  // 1. Is the wait over?
  if (signal?.aborted) return { kind: 'aborted' };
  if (participant.clock.now() >= wait.giveUpAt) return giveUp(wait, [], 0);
  // 2. Take in what the watch has brought, and read if that is not the newest.
  onHints(wait);
  if (!known.fresh) return await read(wait);
  if (!known.view) return undefined;
  // 3. Decide by the rules, and act. A write is answered by the Lease (4. onAnswer), or is a setback (5. onSetback).
  const decision = decide(known.view, { me: participant.me, ticket: known.ticket }, momentOf(participant));
  switch (decision.kind) {
    case 'refused':
      return refusedDocument(decision.message);
    case 'claim':
    case 'confirm':
      if (decision.kind === 'claim' && !known.view.exists && !participant.createIfAbsent) return missing(participant);
      return await claim(wait, decision);
    case 'enqueue':
      if (wait.oneTry) return await tryOnce(wait, decision);
      if (!known.view.exists && !participant.createIfAbsent) return missing(participant);
      return await enqueue(wait, decision);
    case 'wait':
      if (wait.oneTry) return await tryOnce(wait, decision);
      return await waitInQueue(wait, decision, known.view.state.resourceVersion);
    default:
      return decision satisfies never;
  }
}

async function read(wait: Wait): Promise<Acquisition | undefined> {
  const { client, timings } = wait.participant;
  const answer = await client.read({ timeoutMs: timings.requestTimeoutMs, signal: wait.signal });
  if (answer.kind !== 'lease' && answer.kind !== 'absent') return await onSetback(wait, answer, 'reading');
  wait.pollAt = NEVER;
  if (wait.refused?.of === 'reads') wait.refused = undefined;
  return onAnswer(wait, answer);
}

async function enqueue(wait: Wait, decision: Decision & { kind: 'enqueue' }): Promise<Acquisition | undefined> {
  const { client, timings } = wait.participant;
  wait.known.wrote = true;
  const answer = await client.write(decision.lease, { as: 'waiter', timeoutMs: timings.requestTimeoutMs, signal: wait.signal });
  if (answer.kind !== 'lease') return await onSetback(wait, answer, 'queueing');
  wait.known.ticket = decision.ticket;
  wait.refused = undefined;
  const refused = onAnswer(wait, answer);
  takeStamp(wait, queueWrittenAt(answer.lease));
  if (!refused) await pauseIfUnseen(wait);
  return refused;
}

/** An entry of mine that was written and is not to be seen must not be written again in a tight loop. */
async function pauseIfUnseen(wait: Wait): Promise<void> {
  const { known, participant } = wait;
  const seen = known.view && findMine(known.view.state.waiters, participant.me);
  known.unseen = seen ? 0 : known.unseen + 1;
  if (known.unseen > 0) await pause(wait, backoffMs(known.unseen - 1, UNSEEN, participant.random));
}

/** Claims, or confirms a claim. Held only if the answer came while the deadline that counts from the *send* had not passed. */
async function claim(wait: Wait, decision: Decision & { kind: 'claim' | 'confirm' }): Promise<Acquisition | undefined> {
  const { participant, emit } = wait;
  const { client, clock, timings } = participant;
  wait.known.wrote = true;
  const sentAt = clock.now();
  const answer = await client.write(decision.lease, { as: 'holder', timeoutMs: timings.requestTimeoutMs, signal: wait.signal });
  if (answer.kind !== 'lease') return await onSetback(wait, answer, 'claiming');
  const refused = onAnswer(wait, answer);
  if (refused) return refused;
  const { view } = wait.known;
  const { stopBy } = deadlinesOf(sentAt, timings);
  // Too late to start on: the next turn finds me as the holder, and confirms. Aborted: the next turn releases it.
  if (!view || wait.signal?.aborted || clock.now() >= stopBy) return undefined;
  const lock = hold(participant, { state: view.state, key: decision.key, sentAt }, emit);
  const { token, transitions } = lock;
  emit({ type: 'acquired', waitedMs: clock.now() - wait.startedAt, token, transitions, deadlines: lock.deadlines() });
  return { kind: 'held', lock };
}

async function waitInQueue(wait: Wait, decision: Decision & { kind: 'wait' }, since: string | undefined): Promise<undefined> {
  const { queueWatch, participant } = wait;
  reportWaiting(wait, decision);
  queueWatch.follow(decision.position, since);
  if (wait.pollAt === NEVER) wait.pollAt = queueWatch.pollAt(decision.position);
  const { clock } = participant;
  // The scale of deadlines may run ahead of the one that others are judged on: then this turn comes early, and there is another.
  const until = later(clock.now(), decision.until - clock.steady());
  await queueWatch.waitForChange(Math.min(until, wait.pollAt, wait.giveUpAt) as Monotonic, wait.signal);
  if (participant.clock.now() >= wait.pollAt) wait.known.fresh = false;
}

/** What the API server's clock says, as it stamped a write of my own. */
function takeStamp({ known, participant: { clock, trustStamps = true } }: Wait, serverMs: number | undefined): void {
  if (known.view && trustStamps && serverMs !== undefined)
    known.view = stamped(known.view, { serverMs, receivedAt: clock.steady() });
}

/**
 * One try does not join the queue, and must all the same get a lock that is long free, or whose holder is long dead. First the API server stamps a
 * write that it does not do; then, if whoever is in the way may be dead, it is watched for as long as that takes: until it is free, or shows itself.
 */
async function tryOnce(wait: Wait, decision: Decision & { kind: 'wait' | 'enqueue' }): Promise<Acquisition | undefined> {
  const { participant, known } = wait;
  const { me, timings, clock } = participant;
  const busy = () => giveUp(wait, decision.heldBy, decision.position);
  const { view } = known;
  if (!view?.exists) return busy();
  if (!wait.tried) {
    wait.tried = { since: fingerprintOf(view) };
    takeStamp(wait, await serverTime(participant, view, wait.signal));
    return undefined;
  }
  if (!mayBeDead(view, me) || fingerprintOf(view) !== wait.tried.since) return busy();
  const until = 'until' in decision ? decision.until : freeFor(view, { me, ticket: known.ticket });
  wait.giveUpAt = later(clock.now(), until - clock.steady() + 2 * timings.requestTimeoutMs);
  await waitInQueue(wait, { ...decision, kind: 'wait', until }, view.state.resourceVersion);
  return undefined;
}

/** Changes whenever somebody who is in the way does anything. */
const fingerprintOf = ({ state }: View): string =>
  JSON.stringify([
    state.uid,
    state.transitions,
    state.holders.map((holder) => holder.fingerprint),
    state.waiters.map(({ key }) => key),
  ]);

/** Takes in what a request has answered. */
function onAnswer(wait: Wait, answer: Answer & { kind: 'lease' | 'absent' }): Acquisition | undefined {
  // What came before the answer is looked at before it: a holder that the answer no longer shows may still be running.
  onHints(wait, answer.kind === 'lease' ? answer.lease.metadata.resourceVersion : undefined);
  const { clock } = wait.participant;
  wait.requests = { answeredAt: clock.now(), failures: 0, lastFailure: undefined, collisions: 0 };
  wait.known.inDoubt = false;
  wait.known.fresh = true;
  const exists = answer.kind === 'lease';
  const lease = exists ? answer.lease : absentLease(wait.participant.me);
  return observeLease(wait, lease, { exists, receivedAt: clock.steady() });
}

/** Takes in the hints of the watch, as far as they are news. */
function onHints(wait: Wait, upTo?: string): void {
  const { known, requests } = wait;
  for (const { event, receivedAt } of wait.queueWatch.drain(upTo)) {
    const { lease } = event;
    requests.answeredAt = wait.participant.clock.now();
    if (!lease) known.fresh = false;
    else if (newerVersion(lease.metadata.resourceVersion, known.view?.state.resourceVersion)) {
      // Refused for its version: a read returns that in full.
      if (observeLease(wait, lease, { exists: true, receivedAt })) known.fresh = false;
    }
  }
}

function observeLease({ known, participant }: Wait, lease: RawLease, reading: Omit<Reading, 'state'>): Acquisition | undefined {
  const parsed = parseLease(lease);
  if (parsed.kind === 'refused') return refusedDocument(parsed.message);
  known.view = observe(known.view, { state: parsed.state, ...reading });
  known.ticket = findMine(parsed.state.waiters, participant.me)?.ticket ?? known.ticket;
  return undefined;
}

/** What follows from an answer that is not a Lease. */
async function onSetback(
  wait: Wait,
  answer: Answer,
  doing: 'reading' | 'queueing' | 'claiming',
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
      requests.answeredAt = clock.now();
      requests.collisions += 1;
      await pause(wait, random() * COLLISION_MS * Math.min(requests.collisions, 10));
      return undefined;
    case 'failed':
      return await onFailure(wait, answer, doing);
    case 'lease':
      return undefined;
    default:
      return answer satisfies never;
  }
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
  // What was refused surely was not done.
  if (wait.signal?.aborted) return undefined;
  const of = doing === 'reading' ? 'reads' : 'writes';
  if (wait.refused?.of !== of) wait.refused = { of, since: clock.now(), times: 0 };
  const servedBefore = of === 'reads' ? known.view !== undefined : known.ticket !== undefined;
  if (wait.oneTry || !servedBefore || clock.now() >= later(wait.refused.since, SILENCE_MS)) return answer;
  const retryInMs = backoffMs(wait.refused.times++, RETRY, random);
  wait.emit({ type: 'trouble', doing, message: answer.message, retryInMs });
  await pause(wait, retryInMs);
  return undefined;
}

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
  requests.lastFailure = answer.message;
  if (wait.oneTry || clock.now() >= later(requests.answeredAt, SILENCE_MS)) return unreachable(answer.message, client.server);
  const retryInMs = answer.retryAfterMs ?? backoffMs(requests.failures - 1, RETRY, random);
  wait.emit({ type: 'trouble', doing, message: answer.message, retryInMs });
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

async function pause(wait: Wait, ms: number): Promise<void> {
  const { clock } = wait.participant;
  await waitUntil(clock, Math.min(later(clock.now(), ms), wait.giveUpAt) as Monotonic, wait.signal);
}

function reportWaiting(wait: Wait, { position, heldBy }: { position: number; heldBy: Holder[] }): void {
  const now = JSON.stringify([position, heldBy.map((holder) => holder.key)]);
  // Between a release and the next claim nobody holds it: not worth a line to those who stay where they are.
  if (now === wait.reported || (heldBy.length === 0 && wait.reported !== '')) return;
  wait.reported = now;
  wait.emit({ type: 'waiting', position, queue: wait.known.view?.state.waiters.length ?? 0, heldBy });
}

function giveUp(wait: Wait, heldBy: Holder[], position: number): Acquisition {
  const { clock, client, me } = wait.participant;
  const { view, ticket } = wait.known;
  if (wait.requests.lastFailure !== undefined) return unreachable(wait.requests.lastFailure, client.server);
  const decision = view && decide(view, { me, ticket }, momentOf(wait.participant));
  const last = decision?.kind === 'wait' || decision?.kind === 'enqueue' ? decision : { heldBy, position };
  return { kind: 'busy', heldBy: last.heldBy, position: last.position, waitedMs: clock.now() - wait.startedAt };
}

const refusedDocument = (message: string): Acquisition => ({ kind: 'refused', reason: 'document', status: undefined, message });

function unreachable(message: string, server: string): Acquisition {
  return { kind: 'unreachable', message: `no answer from the API server ${server}: ${message}` };
}

function missing({ me }: Participant): Acquisition {
  const message = `${describeLease(me)} does not exist and creation is disabled: create it, or allow creation`;
  return { kind: 'refused', reason: 'absent', status: 404, message };
}

async function leaveQueue({ known, participant, emit }: Wait): Promise<void> {
  if (!known.wrote) return;
  const result = await release(participant, known.inDoubt || !known.view?.exists ? undefined : known.view.state);
  if (result.kind === 'released') emit({ type: 'left-queue' });
  if (result.kind === 'failed') emit({ type: 'release-failed', message: result.message });
}

/**
 * Waiting for the lock: read, decide, write, and start again whenever something has changed. Every decision is made by rules.ts and comes
 * true only by a compare-and-set that was answered; a claim without an answer is read back and confirmed by another before it counts.
 * However it ends, it leaves no entry behind that could have been removed.
 */
import type { Answer } from '../api/answers.ts';
import { backoffMs } from '../backoff.ts';
import { later, type Monotonic, NEVER } from '../clock.ts';
import { describeLease } from '../names.ts';
import { deadlinesOf } from '../protocol/deadlines.ts';
import { parseLease } from '../protocol/document.ts';
import { newerVersion, type RawLease } from '../protocol/lease.ts';
import type { Holder, Key } from '../protocol/lock-state.ts';
import { findMine } from '../protocol/me.ts';
import { type Decision, decide } from '../protocol/rules.ts';
import { observe, type Reading } from '../protocol/sightings.ts';
import { managerOf, queueWrittenAt } from '../protocol/stamps.ts';
import { grantTimings, type Timings } from '../protocol/timings.ts';
import { absentLease } from '../protocol/writes.ts';
import { hold } from './hold.ts';
import { tryOnce } from './one-try.ts';
import { type AcquireRequest, type Acquisition, momentOf, type Participant } from './participant.ts';
import { release } from './release.ts';
import { onSetback } from './setbacks.ts';
import { giveUp, newWait, noTrouble, pause, type Sent, takeStamp, type Wait, waitedMs, waitInQueue } from './wait.ts';

/** After a write of my entry that did not show: doubles up to the limit. */
const UNSEEN = { firstMs: 1000, limitMs: 30_000 };

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
  const moment = momentOf(participant);
  const decision = decide(known.view, { me: participant.me, ...known, waitedMs: waitedMs(wait) }, moment);
  switch (decision.kind) {
    case 'refused':
      return refusedDocument(decision.message);
    case 'stopped':
    case 'skipped':
      return decision;
    case 'confirm':
      return onGrant(wait, decision.holder) ?? (await confirm(wait, decision, moment.mark));
    case 'claim':
      if (!known.view.exists && !participant.createIfAbsent) return missing(participant);
      return await claim(wait, decision, moment.mark);
    case 'enqueue':
      if (wait.oneTry) return await tryOnce(wait, decision);
      if (!known.view.exists && !participant.createIfAbsent) return missing(participant);
      return await enqueue(wait, decision);
    case 'wait':
      if (wait.oneTry) return await tryOnce(wait, decision);
      if (decision.outside) known.arrived ??= known.view.state.next;
      return await waitInQueue(wait, decision, known.view.state.lease);
    default:
      return decision satisfies never;
  }
}

async function read(wait: Wait): Promise<Acquisition | undefined> {
  const { client, timings } = wait.participant;
  const sent = sending(wait);
  const answer = await client.read({ timeoutMs: timings.requestTimeoutMs, signal: wait.signal });
  if (answer.kind !== 'lease' && answer.kind !== 'absent') return await onSetback(wait, answer, 'reading', sent);
  wait.pollAt = NEVER;
  if (wait.refused?.of === 'reads') wait.refused = undefined;
  return onAnswer(wait, answer, sent);
}

async function enqueue(wait: Wait, decision: Decision & { kind: 'enqueue' }): Promise<Acquisition | undefined> {
  const { client, timings } = wait.participant;
  const { view } = wait.known;
  wait.known.wrote = true;
  const sent = sending(wait);
  const answer = await client.write(decision.lease, {
    manager: managerOf('waiter'),
    timeoutMs: timings.requestTimeoutMs,
    signal: wait.signal,
  });
  if (answer.kind !== 'lease') return await onSetback(wait, answer, 'queueing', sent);
  // Who has deleted it to free the lock has to learn why it is not free.
  if (view && !view.exists && decision.heldBy.length > 0) wait.emit({ type: 'restored', heldBy: decision.heldBy });
  Object.assign(wait.known, decision.place);
  wait.refused = undefined;
  wait.requests.collisions = 0;
  const refused = onAnswer(wait, answer, sent);
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

/** Held only if the answer came while the deadline that counts from the *send* had not passed. */
async function claim(wait: Wait, { lease, key }: { lease: RawLease; key: Key }, mark: string): Promise<Acquisition | undefined> {
  const { client, clock, me, timings } = wait.participant;
  wait.known.marks.add(mark);
  wait.known.wrote = true;
  const sent = sending(wait);
  const answer = await client.write(lease, {
    manager: managerOf('holder', me),
    timeoutMs: timings.requestTimeoutMs,
    signal: wait.signal,
  });
  if (answer.kind !== 'lease') return await onSetback(wait, answer, 'claiming', sent);
  const refused = onAnswer(wait, answer, sent);
  if (refused) return refused;
  // Too late to start on: the next turn finds me as the holder, and confirms. Aborted: the next turn releases it.
  if (wait.signal?.aborted || clock.now() >= deadlinesOf(sent.at, timings).stopBy) return undefined;
  return begin(wait, { key, sentAt: sent.at });
}

async function confirm(
  wait: Wait,
  { holder, lease }: Decision & { kind: 'confirm' },
  mark: string,
): Promise<Acquisition | undefined> {
  const { known, emit } = wait;
  if (!holder.granted && !known.marks.has(holder.mark)) {
    // A claim that has come true, and was never mine.
    known.marks.add(holder.mark);
    emit({ type: 'resumed', from: holder });
  }
  return await claim(wait, { lease, key: holder.key }, mark);
}

/**
 * Starts on what a predecessor has handed to me. It did so after the last request of mine was served that still showed me waiting: nobody else may have the
 * lock before the time of a grant has passed since that was sent, however old the news of the grant are. Until then my own first write has to be answered.
 */
function onGrant(wait: Wait, { key, granted, durationMs }: Holder): Acquisition | undefined {
  const { participant, known } = wait;
  const { clock, me } = participant;
  if (!granted || !me.policies?.direct || durationMs === undefined || !known.shown) return undefined;
  const grant = grantTimings(participant.timings, durationMs);
  const { at: sentAt, doubts } = known.shown;
  const lastStart = later(deadlinesOf(sentAt, grant).stopBy, -2 * grant.requestTimeoutMs);
  if (clock.now() >= lastStart || clock.doubts() > doubts) return undefined;
  known.wrote = true;
  return begin(wait, { key, sentAt, grant });
}

function begin(wait: Wait, { key, sentAt, grant }: { key: Key; sentAt: Monotonic; grant?: Timings }): Acquisition | undefined {
  const { participant, emit, known, queueWatch } = wait;
  if (!known.view) return undefined;
  const news = queueWatch.drain().map(({ event }) => event);
  const lock = hold(participant, { state: known.view.state, key, sentAt, grant, news }, emit);
  const { token, transitions } = lock;
  emit({
    type: 'acquired',
    waitedMs: waitedMs(wait),
    token,
    transitions,
    deadlines: lock.deadlines(),
  });
  return { kind: 'held', lock };
}

const sending = ({ participant: { clock } }: Wait): Sent => ({ at: clock.now(), doubts: clock.doubts() });

/** Takes in what a request has answered. */
function onAnswer(wait: Wait, answer: Answer & { kind: 'lease' | 'absent' }, sent: Sent): Acquisition | undefined {
  // What came before the answer is looked at before it: a holder that the answer no longer shows may still be running.
  onHints(wait, answer.kind === 'lease' ? answer.lease.metadata.resourceVersion : undefined);
  const { clock } = wait.participant;
  wait.requests = { ...noTrouble(), collisions: wait.requests.collisions };
  wait.known.inDoubt = false;
  wait.known.fresh = true;
  const exists = answer.kind === 'lease';
  const lease = exists ? answer.lease : absentLease(wait.participant.me);
  const refused = observeLease(wait, lease, { exists, receivedAt: clock.steady() });
  if (refused) return refused;
  if (exists && findMine(wait.known.view?.state.waiters ?? [], wait.participant.me)) wait.known.shown = sent;
  return undefined;
}

/** Takes in the hints of the watch, as far as they are news. */
function onHints(wait: Wait, upTo?: string): void {
  const { known, requests } = wait;
  for (const { event, receivedAt } of wait.queueWatch.drain(upTo)) {
    const { lease } = event;
    requests.silentSince = undefined;
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
  const mine = findMine(parsed.state.waiters, participant.me);
  known.ticket = mine?.ticket ?? known.ticket;
  known.came = mine?.came ?? known.came;
  known.stop ??= mine?.stop;
  return undefined;
}

const refusedDocument = (message: string): Acquisition => ({ kind: 'refused', reason: 'document', status: undefined, message });

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

/**
 * Waiting for the lock: read, decide, write, and start again whenever something has changed. Every decision is made by rules.ts and comes
 * true only by a compare-and-set that was answered; a claim without an answer is read back and confirmed by another before it counts.
 * However it ends, it leaves no entry behind that could have been removed.
 */
import type { Answer } from '../api/answers.ts';
import { backoffMs } from '../backoff.ts';
import { NEVER } from '../clock.ts';
import { describeLease } from '../names.ts';
import { deadlinesOf } from '../protocol/deadlines.ts';
import { parseLease } from '../protocol/document.ts';
import { newerVersion, type RawLease } from '../protocol/lease.ts';
import type { Key } from '../protocol/lock-state.ts';
import { findMine } from '../protocol/me.ts';
import { type Decision, decide } from '../protocol/rules.ts';
import { observe, type Reading } from '../protocol/sightings.ts';
import { managerOf, queueWrittenAt } from '../protocol/stamps.ts';
import { absentLease } from '../protocol/writes.ts';
import { hold } from './hold.ts';
import { tryOnce } from './one-try.ts';
import { type AcquireRequest, type Acquisition, momentOf, type Participant } from './participant.ts';
import { release } from './release.ts';
import { onSetback } from './setbacks.ts';
import { giveUp, newWait, noTrouble, pause, takeStamp, type Wait, waitInQueue } from './wait.ts';

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
  const decision = decide(known.view, { me: participant.me, ...known }, moment);
  switch (decision.kind) {
    case 'refused':
      return refusedDocument(decision.message);
    case 'stopped':
    case 'skipped':
      return decision;
    case 'full':
      return wait.oneTry ? await tryOnce(wait, decision) : refusedDocument(decision.message);
    case 'claim':
    case 'confirm':
      if (decision.kind === 'claim' && !known.view.exists && !participant.createIfAbsent) return missing(participant);
      return await claim(wait, decision, moment.mark);
    case 'enqueue':
      if (wait.oneTry) return await tryOnce(wait, decision);
      if (!known.view.exists && !participant.createIfAbsent) return missing(participant);
      return await enqueue(wait, decision);
    case 'wait':
      if (wait.oneTry) return await tryOnce(wait, decision);
      return await waitInQueue(wait, decision, known.view.state.lease);
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
  const { view } = wait.known;
  wait.known.wrote = true;
  const answer = await client.write(decision.lease, {
    manager: managerOf('waiter'),
    timeoutMs: timings.requestTimeoutMs,
    signal: wait.signal,
  });
  if (answer.kind !== 'lease') return await onSetback(wait, answer, 'queueing');
  // Who has deleted it to free the lock has to learn why it is not free.
  if (view && !view.exists && decision.heldBy.length > 0) wait.emit({ type: 'restored', heldBy: decision.heldBy });
  Object.assign(wait.known, decision.place);
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
async function claim(
  wait: Wait,
  decision: Decision & { kind: 'claim' | 'confirm' },
  mark: string,
): Promise<Acquisition | undefined> {
  const { participant, emit } = wait;
  const { client, clock, timings } = participant;
  if (decision.kind === 'confirm') noteIfResumed(wait, decision.key);
  wait.known.marks.add(mark);
  wait.known.wrote = true;
  const sentAt = clock.now();
  const answer = await client.write(decision.lease, {
    manager: managerOf('holder', participant.me),
    timeoutMs: timings.requestTimeoutMs,
    signal: wait.signal,
  });
  if (answer.kind !== 'lease') return await onSetback(wait, answer, 'claiming');
  const refused = onAnswer(wait, answer);
  if (refused) return refused;
  const { view } = wait.known;
  const { stopBy } = deadlinesOf(sentAt, timings);
  // Too late to start on: the next turn finds me as the holder, and confirms. Aborted: the next turn releases it.
  if (!view || wait.signal?.aborted || clock.now() >= stopBy) return undefined;
  const news = wait.queueWatch.drain().map(({ event }) => event);
  const lock = hold(participant, { state: view.state, key: decision.key, sentAt, news }, emit);
  const { token, transitions } = lock;
  emit({ type: 'acquired', waitedMs: clock.now() - wait.startedAt, token, transitions, deadlines: lock.deadlines() });
  return { kind: 'held', lock };
}

/** A claim that has come true, and was never mine. */
function noteIfResumed({ known, emit }: Wait, key: Key): void {
  const from = known.view?.state.holders.find((holder) => holder.key === key);
  if (!from || known.marks.has(from.mark)) return;
  known.marks.add(from.mark);
  emit({ type: 'resumed', from });
}

/** Takes in what a request has answered. */
function onAnswer(wait: Wait, answer: Answer & { kind: 'lease' | 'absent' }): Acquisition | undefined {
  // What came before the answer is looked at before it: a holder that the answer no longer shows may still be running.
  onHints(wait, answer.kind === 'lease' ? answer.lease.metadata.resourceVersion : undefined);
  const { clock } = wait.participant;
  wait.requests = noTrouble();
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

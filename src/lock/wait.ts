/** One wait for the lock: what is known, how requests go, how long it lasts, and how it is reported. */
import type { Answer } from '../api/answers.ts';
import { later, type Monotonic, NEVER, type Steady, waitUntil } from '../clock.ts';
import type { RawLease } from '../protocol/lease.ts';
import type { Holder, StopRequest } from '../protocol/lock-state.ts';
import { findMine, isMe } from '../protocol/me.ts';
import { type Decision, decide } from '../protocol/rules.ts';
import { stamped, type View } from '../protocol/sightings.ts';
import type { Emit, Lasting, Outlook } from './events.ts';
import { type AcquireRequest, type Acquisition, momentOf, type NotAcquired, type Participant } from './participant.ts';
import { type QueueWatch, watchQueue } from './queue-watch.ts';

/** How long an API server may be silent before waiting for it is given up: longer than its restart, shorter than anybody's patience. */
export const SILENCE_MS = 120_000;

/** How long something else may answer in place of an API server that has never answered: the reload of a balancer, and no hour at a wrong address. */
const ELSEWHERE_MS = 5000;

/** How long the first in line may go without having been shown as waiting, at least: a grant lasts some times as long. */
const SHOWN_MS = 2000;

export interface Wait {
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
  /** When my turn comes, if nothing changes. */
  turn: Steady | undefined;
  /** Since when I have been the first in line. */
  firstSince: Monotonic | undefined;
  /** What was last reported of the queue. */
  reported: string;
}

/** What I know of the lock, and of my place in it. */
export interface Known {
  view: View | undefined;
  /** The view is as new as the last hint: no need to read before deciding. */
  fresh: boolean;
  /** My place in the queue, once I have been seen there: kept if the entry vanishes. */
  ticket: number | undefined;
  /** When I came, counted as tickets are. */
  came: number | undefined;
  /** The ticket that I would have got, had there been room in the queue when I came. */
  arrived: number | undefined;
  /** Asked once, I leave, even if the entry that said so is gone with the request: whoever passed me over has removed it. */
  stop: StopRequest | undefined;
  /** How often in a row my entry was written, and was then not to be seen. */
  unseen: number;
  /** Something of mine may stand in the Lease. */
  wrote: boolean;
  /** The marks of my claims. */
  marks: Set<string>;
  /** A write of mine had no answer. */
  inDoubt: boolean;
  /** Of my last request that showed me waiting: until it was served, nobody had handed me the lock. */
  shown: Sent | undefined;
}

/** When a request was sent, and how often the clock had been doubted by then. */
export interface Sent {
  at: Monotonic;
  doubts: number;
}

/** How requests go. */
export interface Requests {
  /** Since when requests get no answer: from the first that got none. */
  silentSince: Monotonic | undefined;
  /** Since when something else answers in its place. */
  elsewhereSince: Monotonic | undefined;
  failures: number;
  /** Of those that no answer has followed yet. */
  lastFailure: (Answer & { kind: 'failed' }) | undefined;
  /** In a row, of writes. */
  collisions: number;
}

export function newWait(given: Participant, request: AcquireRequest): Wait {
  const { timeoutMs, signal, onEvent = () => {} } = request;
  const participant = request.killable ? withDirect(given) : given;
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
    known: {
      ...{ view: undefined, fresh: false, ticket: undefined, came: undefined, arrived: undefined },
      ...{ stop: undefined, unseen: 0, wrote: false, marks: new Set<string>(), inDoubt: false, shown: undefined },
    },
    requests: noTrouble(),
    refused: undefined,
    pollAt: NEVER,
    turn: undefined,
    firstSince: undefined,
    reported: '',
  };
}

/** Of several that share a lock, and of those that may have no need of it, a grant does not know enough; nor does it promise 0.2.5 of K8SLock a time. */
function withDirect(participant: Participant): Participant {
  const { me } = participant;
  const { weight, once } = me.policies ?? {};
  if (weight !== undefined || once !== undefined || me.legacyExpiry) return participant;
  return { ...participant, me: { ...me, policies: { ...me.policies, direct: true } } };
}

export const noTrouble = (): Requests => ({
  ...{ silentSince: undefined, elsewhereSince: undefined, failures: 0 },
  ...{ lastFailure: undefined, collisions: 0 },
});

export const waitedMs = ({ participant, startedAt }: Wait): number => participant.clock.now() - startedAt;

export async function waitInQueue(wait: Wait, decision: Decision & { kind: 'wait' }, lease: RawLease): Promise<undefined> {
  const { queueWatch, participant } = wait;
  wait.turn = decision.until;
  reportWaiting(wait, decision);
  queueWatch.follow(decision.position, lease);
  if (wait.pollAt === NEVER) wait.pollAt = queueWatch.pollAt(decision.position, lease);
  const { clock } = participant;
  const readAt = Math.min(wait.pollAt, showMeAt(wait, decision.position)) as Monotonic;
  // The scale of deadlines may run ahead of the one that others are judged on: then this turn comes early, and there is another.
  const until = later(clock.now(), decision.until - clock.steady());
  await queueWatch.waitForChange(Math.min(until, readAt, wait.giveUpAt) as Monotonic, wait.signal);
  if (participant.clock.now() >= readAt) wait.known.fresh = false;
}

/**
 * When the first in line has itself shown as waiting again, so that it can start on a grant: where holds are short always, and seldom where the wait is long,
 * since another few milliseconds do not matter then.
 */
function showMeAt(wait: Wait, position: number): Monotonic {
  const { known, participant } = wait;
  const { clock, me, timings } = participant;
  const { state, exists } = known.view ?? {};
  const [holder, other] = state?.holders ?? [];
  const waits = exists && findMine(state?.waiters ?? [], me) !== undefined;
  const mayBeGranted = waits && me.policies?.direct && holder?.standing === 'holds' && !holder.ended && !other;
  wait.firstSince = position === 0 && mayBeGranted ? (wait.firstSince ?? clock.now()) : undefined;
  if (wait.firstSince === undefined) return NEVER;
  if (!known.shown) return clock.now();
  const everyMs = Math.min(Math.max(SHOWN_MS, (clock.now() - wait.firstSince) / 10), timings.durationMs / 4);
  return later(known.shown.at, everyMs);
}

export async function pause(wait: Wait, ms: number): Promise<void> {
  const { clock } = wait.participant;
  await waitUntil(clock, Math.min(later(clock.now(), ms), wait.giveUpAt) as Monotonic, wait.signal);
}

function reportWaiting(wait: Wait, { position, heldBy, outside = false }: Decision & { kind: 'wait' }): void {
  const now = JSON.stringify([position, outside, heldBy.map(({ key, standing }) => [key, standing])]);
  // Between a release and the next claim nobody holds it: not worth a line to those who stay where they are.
  if (now === wait.reported || (heldBy.length === 0 && wait.reported !== '')) return;
  wait.reported = now;
  const queue = wait.known.view?.state.waiters.length ?? 0;
  wait.emit({ type: 'waiting', position, outside, queue, heldBy, outlook: () => outlook(wait) });
}

function outlook(wait: Wait): Outlook {
  const { turn, participant } = wait;
  const { clock, me } = participant;
  const now = clock.steady();
  const others = [...(wait.known.view?.holders.values() ?? [])].filter(({ holder }) => !isMe(holder, me));
  const forMs = now - Math.max(...others.map(({ at }) => at));
  const overdue = others.every(({ at, holder }) => now - at > (holder.durationMs ?? me.durationMs) / 2);
  return {
    waitedMs: waitedMs(wait),
    silent: turn !== undefined && others.length > 0 && overdue ? { forMs, leftMs: Math.max(0, turn - now) } : undefined,
    unanswered: unanswered(wait),
  };
}

/** Until when an API server that does not answer is waited for; undefined while it does. */
export function silenceEndsAt({ requests, known, participant: { clock } }: Wait): Monotonic | undefined {
  const { silentSince, elsewhereSince, lastFailure } = requests;
  if (silentSince === undefined) return undefined;
  // What could never work ends a wait of which nothing was ever answered; else it may be a file that is being replaced.
  if (known.view !== undefined || !lastFailure?.unusable) return later(silentSince, SILENCE_MS);
  return elsewhereSince === undefined ? clock.now() : later(elsewhereSince, ELSEWHERE_MS);
}

/** For how long the API server has been silent, and is still waited for. */
export function unanswered(wait: Wait): Lasting | undefined {
  const { requests, giveUpAt, participant } = wait;
  const until = silenceEndsAt(wait);
  if (until === undefined || requests.silentSince === undefined) return undefined;
  const now = participant.clock.now();
  return { forMs: now - requests.silentSince, leftMs: Math.max(0, Math.min(until, giveUpAt) - now) };
}

export function giveUp(wait: Wait, heldBy: Holder[], position: number): Acquisition {
  const { client, me } = wait.participant;
  const { view } = wait.known;
  const { lastFailure } = wait.requests;
  // Who is asked to come back later still knows what it was shown before.
  if (lastFailure && !(lastFailure.comeBack && view)) {
    return unreachable(view ? { message: lastFailure.message } : lastFailure, client.server);
  }

  const decision = view && decide(view, { me, ...wait.known }, momentOf(wait.participant));
  const last = decision && 'heldBy' in decision ? decision : { heldBy, position };
  return { kind: 'busy', heldBy: last.heldBy, position: last.position, waitedMs: waitedMs(wait) };
}

export function unreachable({ message, unusable }: { message: string; unusable?: true }, server: string): NotAcquired {
  if (unusable) return { kind: 'unreachable', message, unusable };
  return { kind: 'unreachable', message: `no answer from the API server ${server}: ${message}` };
}

/** What the API server's clock says, as it stamped a write of my own. */
export function takeStamp({ known, participant: { clock, trustStamps = true } }: Wait, serverMs: number | undefined): void {
  if (known.view && trustStamps && serverMs !== undefined)
    known.view = stamped(known.view, { serverMs, receivedAt: clock.steady() });
}

/** What is said of a lock to people: holders, queues, requests to stop, and why there is no lock. Every entry takes its words from here. */
import type { Steady } from '../clock.ts';
import { documentAt } from '../documents.ts';
import { formatDuration } from '../durations.ts';
import { describeLease } from '../names.ts';
import { othersMayTakeAt } from '../protocol/deadlines.ts';
import type { Holder, StopRequest } from '../protocol/lock-state.ts';
import type { Me } from '../protocol/me.ts';
import type { Skip } from '../protocol/policies.ts';
import type { TimingsResult } from '../protocol/timings.ts';
import { visible } from '../visible.ts';
import type { Outlook } from './events.ts';
import type { NotAcquired } from './participant.ts';

/** `held by ... and ...`, each with who, since when and why; `nobody holds it`. */
export function describeHolders(heldBy: readonly Holder[], now: Date): string {
  if (heldBy.length === 0) return 'nobody holds it';
  return `held by ${heldBy.map((holder) => describeHolder(holder, now)).join(' and ')}`;
}

function describeHolder({ id, since, about, standing, ended, durationMs }: Holder, now: Date): string {
  const started = Date.parse(since);
  // The holder's own wall clock: good enough for people, and for nothing else.
  const time = Number.isNaN(started)
    ? ''
    : ` since ${since.slice(0, 19)}Z, for ${formatDuration(Math.max(0, now.getTime() - started))}`;
  const why = [about.reason, about.url].filter(Boolean).join(', ');
  const told = `${visible(id)}${about.who ? ` (${about.who})` : ''}${time}${why ? `: ${why}` : ''}`;
  if (ended) return `${told} (its work has ended; the lock stays taken for a minimum time)`;
  return standing === 'ousted' ? `${told} (${describeOusted(durationMs)})` : told;
}

/** `kubectl` shows nobody, or somebody else, and the lock is not free all the same. */
function describeOusted(durationMs: number | undefined): string {
  const atMost = durationMs === undefined ? '' : `, for at most ${formatDuration(othersMayTakeAt(0 as Steady, durationMs))}`;
  return (
    `another client has cleared or replaced it in the Lease; its command may still be running, so it is waited for${atMost}: ` +
    documentAt('troubleshooting.md#everybody-waits-nobody-holds')
  );
}

/** Two that name one holder are one to the lock: it cannot keep them apart, and cannot know whether they are meant to be. */
export function describeResumed(subject: string, from: Holder, now: Date): string {
  return (
    `${subject} was held already by this same holder, ${describeHolder(from, now)}: its time starts again. If the process that acquired it ` +
    `is still at work, BOTH HAVE THE LOCK: give each a holder of its own (${documentAt('troubleshooting.md#two-with-the-same-holder')})`
  );
}

/** The Lease was deleted, and is there again. */
export function describeRestored(subject: string, heldBy: readonly Holder[]): string {
  if (heldBy.length === 0) return `${subject} was deleted while held, and has been restored`;
  const whom = heldBy.map(({ id }) => visible(id)).join(' and ');
  return `${subject} was deleted while held by ${whom}, which may still be running: it has been restored (${documentAt('troubleshooting.md#the-lease-was-deleted')})`;
}

/** The same in one line without the time that has passed, for outputs and tables that are kept. */
export function summariseHolder({ id, since, about: { reason, url } }: Holder): string {
  const time = /^[\d-]{10}T[\d:]{8}/.exec(since)?.[0];
  return [`${visible(id)}${time ? ` since ${time}Z` : ''}`, reason, url].filter(Boolean).join(', ').replace(/\s+/g, ' ');
}

export function describePosition(position: number, outside = false): string {
  if (outside) return `the queue is full, ${position} ahead: waiting to join`;
  return position === 0 ? 'next in queue' : `${position} ahead in queue`;
}

/** What is known of a wait in which nothing happens, put behind what it waits for: `; silent for 17s, free in 49s at the latest`, or nothing. */
export function describeOutlook({ silent, unanswered }: Outlook, position: number): string {
  const parts: string[] = [];
  if (silent) {
    const free = position === 0 ? `, free in ${inSeconds(silent.leftMs)} at the latest` : '';
    parts.push(`; silent for ${inSeconds(silent.forMs)}${free}`);
  }
  if (unanswered)
    parts.push(
      `; the API server has not answered for ${inSeconds(unanswered.forMs)}, and is asked for another ${inSeconds(unanswered.leftMs)}`,
    );
  return parts.join('');
}

/** Whole ones: what is shown every second should not flicker. */
export const inSeconds = (ms: number): string => formatDuration(Math.round(ms / 1000) * 1000);

/** `asked to stop by ...: reason`. */
export function describeStop({ by, kind, reason }: StopRequest, to = 'stop'): string {
  const what = kind === 'replace' ? 'replaced' : `asked to ${to}`;
  return `${what} by ${by || 'an unnamed client'}${reason ? `: ${reason}` : ''}`;
}

/** Why the lock is not needed any more. */
export function describeSkip(skip: Skip): string {
  if (skip.kind === 'done') return `the work has succeeded already for the key "${visible(skip.key)}"`;
  const { by, group } = skip;
  return `superseded by ${visible(by) || 'a newer one that has come and gone'} (group "${visible(group)}")`;
}

/** Why there is no lock. */
export function describeNotAcquired(acquisition: NotAcquired, me: Me, now: Date): string {
  switch (acquisition.kind) {
    case 'busy': {
      const { heldBy, position, waitedMs } = acquisition;
      const why = heldBy.length > 0 ? `it is ${describeHolders(heldBy, now)}` : describePosition(position);
      return `${describeLease(me)} was not acquired after ${formatDuration(waitedMs)}: ${why}`;
    }
    case 'aborted':
      return `${describeLease(me)} was not acquired: waiting was ended`;
    case 'stopped':
      return `${describeLease(me)} was not acquired: ${describeStop(acquisition.request, 'leave the queue')}`;
    case 'skipped':
      return `${describeLease(me)} was not acquired: ${describeSkip(acquisition.why)}`;
    case 'refused':
    case 'unreachable':
      return acquisition.message;
    default:
      return acquisition satisfies never;
  }
}

/** What an entry calls the durations of a lock. */
export interface TimingNames {
  /** Such as "lease duration". */
  duration: string;
  /** What the grace is made of, with its length: "a kill grace of 10s". */
  grace: string;
  /** What there can be less of: "kill grace"; undefined where it is not simply given. */
  shorterGrace: string | undefined;
  /** What it is that takes the grace: "stopping the command". */
  stopping: string;
}

/** Why these durations are refused, with the sum shown and what would fit. */
export function describeTimings(
  refused: Exclude<TimingsResult, { kind: 'timings' }>,
  { duration, grace, shorterGrace, stopping }: TimingNames,
): string {
  if (refused.kind === 'not-whole-seconds')
    return `invalid ${duration} ${formatDuration(refused.durationMs)}: use a whole number of seconds, at least 1s`;
  const { derived, neededMs, shortestMs, longestGraceMs } = refused;
  const { durationMs, renewEveryMs, requestTimeoutMs, killBudgetMs, marginMs } = derived;
  const orGrace =
    longestGraceMs !== undefined && shorterGrace !== undefined
      ? ` or a ${shorterGrace} of at most ${formatDuration(longestGraceMs)}`
      : '';
  return (
    `a ${duration} of ${formatDuration(durationMs)} is too short for ${grace}: renewing every ${formatDuration(renewEveryMs)} + ` +
    `two requests of ${formatDuration(requestTimeoutMs)} each + ${stopping} ${formatDuration(killBudgetMs)} + ` +
    `margin ${formatDuration(marginMs)} = ${formatDuration(neededMs)}. Use a ${duration} of at least ${formatDuration(shortestMs)}${orGrace} ` +
    `(${documentAt('protocol.md#durations')})`
  );
}

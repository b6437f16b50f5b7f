/** What happens to a lock as log lines: one for each thing worth knowing, and nothing twice. */
import { later } from '../clock.ts';
import { documentAt } from '../documents.ts';
import { formatDuration } from '../durations.ts';
import {
  describeHolders,
  describeOutlook,
  describePosition,
  describeRestored,
  describeResumed,
  describeStop,
  inSeconds,
} from '../lock/describe.ts';
import type { Emit, LockEvent, Participant } from '../lock/index.ts';
import type { Log } from '../log.ts';
import { describeLease } from '../names.ts';

/** A wait in which nothing happens, and trouble that goes on, are said again after these; on a terminal a wait is one line that lives. */
const WAITING_AGAIN_MS = 60_000;
const TROUBLE_AGAIN_MS = 30_000;
const LIVE_MS = 1000;

export interface EventLog {
  onEvent: Emit;
  /** However it ended: nothing more is said. */
  close(): void;
}

/** `onLoss`: what follows from a loss, in words. */
export function eventLog(participant: Participant, log: Log, onLoss: () => string): EventLog {
  const subject = describeLease(participant.me);
  const waiting = waitingLog(participant, log, subject);
  const trouble = troubleLog(participant, log);
  const onEvent: Emit = (event) => {
    switch (event.type) {
      case 'waiting':
        return waiting.onEvent(event);
      case 'acquired':
        trouble.over();
        waiting.close();
        return log('info', `acquired ${subject} after ${formatDuration(event.waitedMs)} (token ${event.token})`, {
          event: event.type,
          waitedMs: event.waitedMs,
          token: event.token,
          transitions: event.transitions,
        });
      case 'resumed':
        return log('error', describeResumed(subject, event.from, participant.clock.wall()), {
          event: event.type,
          from: { id: event.from.id, since: event.from.since, ...event.from.about },
        });
      case 'renewed':
        if (trouble.over()) return log('info', `renewed ${subject} again`, { event: event.type });
        return log('debug', `renewed ${subject}`, { event: event.type });
      case 'trouble':
        return trouble.onEvent(event);
      case 'restored':
        return log('info', describeRestored(subject, event.heldBy), {
          event: event.type,
          heldBy: event.heldBy.map(({ id }) => id),
        });
      case 'stop-requested':
        return log('info', describeStop(event.request), { event: event.type, request: event.request });
      case 'lost':
        return log('error', describeLoss(subject, event.reason, onLoss()), { event: event.type, reason: event.reason });
      case 'released':
        return log('info', describeReleased(subject, event), { event: event.type, heldMs: event.heldMs, keptMs: event.keptMs });
      case 'release-failed':
        return log('error', `not released: ${event.message}; the lock expires by itself`, { event: event.type });
      case 'renamed':
        return log('debug', `the holder is ${event.id} from now on`, { event: event.type });
      case 'left-queue':
        return log('info', `left the queue of ${subject}`, { event: event.type });
      default:
        return event satisfies never;
    }
  };
  return { onEvent, close: waiting.close };
}

function describeReleased(subject: string, { heldMs, keptMs }: LockEvent & { type: 'released' }): string {
  if (keptMs === 0) return `released ${subject} after ${formatDuration(heldMs)}`;
  return `done with ${subject} after ${formatDuration(heldMs)}: it stays taken for another ${inSeconds(keptMs)}, and is then free`;
}

const describeLoss = (subject: string, reason: string, onLoss: string): string =>
  `lost ${subject}: ${reason}; ${onLoss} (${documentAt('troubleshooting.md#the-lock-was-lost')})`;

type Waiting = LockEvent & { type: 'waiting' };

function waitingLog({ clock }: Participant, log: Log, subject: string) {
  let disarm = () => {};
  const told = ({ position, outside, heldBy }: Waiting) =>
    `${describePosition(position, outside)}; ${describeHolders(heldBy, clock.wall())}`;
  const say = (event: Waiting, message: string) => {
    const { position, heldBy } = event;
    log('info', message, {
      event: event.type,
      position,
      heldBy: heldBy.map(({ id, since, about }) => ({ id, since, ...about })),
    });
    disarm = clock.at(later(clock.now(), WAITING_AGAIN_MS), () => {
      const outlook = event.outlook();
      say(
        event,
        `still waiting for ${subject} after ${inSeconds(outlook.waitedMs)}: ${told(event)}${describeOutlook(outlook, event.position)}`,
      );
    });
  };
  const live = (show: NonNullable<Log['live']>, event: Waiting) => {
    const outlook = event.outlook();
    const who = event.heldBy.map(({ id }) => id).join(' and ');
    const what = `${describePosition(event.position, event.outside)}${who && `; held by ${who}`}${describeOutlook(outlook, event.position)}`;
    show(`waiting for ${subject}, ${inSeconds(outlook.waitedMs)}: ${what}`);
    disarm = clock.at(later(clock.now(), LIVE_MS), () => live(show, event));
  };
  return {
    onEvent(event: Waiting): void {
      disarm();
      if (log.live) live(log.live, event);
      else say(event, `waiting for ${subject}: ${told(event)}`);
    },
    close(): void {
      disarm();
      log.live?.(undefined);
    },
  };
}

type Trouble = LockEvent & { type: 'trouble' };

function troubleLog({ clock, client: { server } }: Participant, log: Log) {
  let last = { message: '', sayAgainAt: clock.now() };
  return {
    onEvent({ type, doing, message, retryInMs, lasting }: Trouble): void {
      // A watch is a courtesy: the lock works without. And an outage repeats the same message many times over.
      const again = doing !== 'watching' && message === last.message && clock.now() < last.sayAgainAt;
      const level = doing === 'watching' || again ? 'debug' : 'info';
      if (level === 'info') last = { message, sayAgainAt: later(clock.now(), TROUBLE_AGAIN_MS) };
      const where = message.includes(server) ? '' : ` (API server ${server})`;
      const { forMs = 0, leftMs = 0 } = lasting ?? {};
      const since = forMs >= TROUBLE_AGAIN_MS ? `, for ${inSeconds(forMs)} now` : '';
      const until = lasting ? `, and for another ${inSeconds(leftMs)}` : '';
      const fields = { event: type, doing, server, ...(lasting && { forMs, leftMs }) };
      log(level, `${message}${where}${since}; trying again in ${formatDuration(retryInMs)}${until}`, fields);
    },
    /** True if there was any. */
    over(): boolean {
      const was = last.message !== '';
      last = { message: '', sayAgainAt: clock.now() };
      return was;
    },
  };
}

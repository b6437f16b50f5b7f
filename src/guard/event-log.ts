/** What is said of a lock to the person who started the guard: one line for each thing worth knowing, and nothing twice. */
import type { LockEvent } from '../lock/events.ts';
import type { Participant } from '../lock/index.ts';
import type { Log } from '../log.ts';
import type { Holder } from '../protocol/document.ts';
import { formatDuration } from '../protocol/timings.ts';

export function tellOf(
  { me, clock }: Pick<Participant, 'me' | 'clock'>,
  log: Log,
  /** What follows from a loss, in words. */
  onLoss: string,
): (event: LockEvent) => void {
  const subject = `Lease ${me.namespace}/${me.name}`;
  let lastTrouble = '';
  return (event) => {
    switch (event.type) {
      case 'waiting':
        return log('info', `waiting for ${subject}: ${places(event.position)}; ${holders(event.heldBy, clock.wall())}`, {
          event: event.type,
          position: event.position,
          heldBy: event.heldBy.map(({ id, since, about }) => ({ id, since, ...about })),
        });
      case 'acquired':
        lastTrouble = '';
        return log('info', `acquired ${subject} after ${formatDuration(event.waitedMs)} (token ${event.token})`, {
          event: event.type,
          waitedMs: event.waitedMs,
          token: event.token,
          transitions: event.transitions,
        });
      case 'renewed':
        if (lastTrouble) log('info', `renewed ${subject} again`, { event: event.type });
        lastTrouble = '';
        return log('debug', `renewed ${subject}`, { event: event.type });
      case 'trouble': {
        // An outage says the same thing many times over.
        const level = event.message === lastTrouble ? 'debug' : 'info';
        lastTrouble = event.message;
        const next =
          event.doing === 'releasing' ? 'the entry expires by itself' : `trying again in ${formatDuration(event.retryInMs)}`;
        return log(level, `${event.message}; ${next}`, { event: event.type, doing: event.doing });
      }
      case 'restored':
        return log('info', `${subject} was deleted while held, and was put back`, { event: event.type });
      case 'stop-requested':
        return log('info', `asked to stop by ${event.request.by || 'somebody'}`, { event: event.type, request: event.request });
      case 'lost':
        return log('error', `lost ${subject}: ${event.reason}; ${onLoss}`, { event: event.type, reason: event.reason });
      case 'released':
        return log('info', `released ${subject} after ${formatDuration(event.heldMs)}`, {
          event: event.type,
          heldMs: event.heldMs,
        });
      case 'left-queue':
        return log('info', `left the queue of ${subject}`, { event: event.type });
      default:
        return event satisfies never;
    }
  };
}

function places(position: number): string {
  return position === 0 ? 'I am next' : `${position} before me`;
}

/** Each with who, since when and why. */
export function holders(heldBy: readonly Holder[], now: Date): string {
  if (heldBy.length === 0) return 'nobody holds it';
  return `held by ${heldBy.map((holder) => describe(holder, now)).join(' and ')}`;
}

function describe({ id, since, about }: Holder, now: Date): string {
  const started = Date.parse(since);
  // The holder's own wall clock: good enough to tell people, and for nothing else.
  const time = Number.isNaN(started)
    ? ''
    : ` since ${since.slice(0, 19)}Z, for ${formatDuration(Math.max(0, now.getTime() - started))}`;
  const why = [about.reason, about.url].filter(Boolean).join(', ');
  return `${id}${about.who ? ` (${about.who})` : ''}${time}${why ? `: ${why}` : ''}`;
}

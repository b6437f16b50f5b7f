/** What happens to a lock as log lines: one for each thing worth knowing, and nothing twice. */
import { formatDuration } from '../durations.ts';
import { describeHolders, describePosition, describeRestored, describeStop } from '../lock/describe.ts';
import type { Emit, Participant } from '../lock/index.ts';
import type { Log } from '../log.ts';
import { describeLease } from '../names.ts';

/** `onLoss`: what follows from a loss, in words. */
export function logEvents({ me, clock }: Participant, log: Log, onLoss: string): Emit {
  const subject = describeLease(me);
  let lastTrouble = '';
  return (event) => {
    switch (event.type) {
      case 'waiting':
        return log(
          'info',
          `waiting for ${subject}: ${describePosition(event.position)}; ${describeHolders(event.heldBy, clock.wall())}`,
          {
            event: event.type,
            position: event.position,
            heldBy: event.heldBy.map(({ id, since, about }) => ({ id, since, ...about })),
          },
        );
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
        // A watch is a courtesy: the lock works without. And an outage repeats the same message many times over.
        const level = event.doing === 'watching' || event.message === lastTrouble ? 'debug' : 'info';
        if (event.doing !== 'watching') lastTrouble = event.message;
        return log(level, `${event.message}; trying again in ${formatDuration(event.retryInMs)}`, {
          event: event.type,
          doing: event.doing,
        });
      }
      case 'restored':
        return log('info', describeRestored(subject, event.heldBy), {
          event: event.type,
          heldBy: event.heldBy.map(({ id }) => id),
        });
      case 'stop-requested':
        return log('info', describeStop(event.request), { event: event.type, request: event.request });
      case 'lost':
        return log('error', `lost ${subject}: ${event.reason}; ${onLoss}`, { event: event.type, reason: event.reason });
      case 'released':
        return log('info', `released ${subject} after ${formatDuration(event.heldMs)}`, {
          event: event.type,
          heldMs: event.heldMs,
        });
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
}

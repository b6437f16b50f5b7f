/** What happens to each of the locks of one command, as log lines and as Events of its Pod. */
import { type EventLog, eventLog } from '../../src/guard/event-log.ts';
import type { LockEvent, Participant } from '../../src/lock/index.ts';
import { logOf } from '../../src/log.ts';
import type { CommandContext } from '../run-command.ts';
import { podEvents } from './pod-events.ts';

interface Told {
  onEvent(event: LockEvent, of: Participant): void;
  close(): void;
  /** Resolves when all Events are, or have failed to be. */
  sent(): Promise<unknown>;
}

/** `onLoss`: what follows from the loss of one, once all are held. */
export function tellOf(participants: readonly Participant[], context: CommandContext, onLoss: string): Told {
  const acquired = new Set<Participant>();
  const inWords = () => (acquired.size === participants.length ? onLoss : 'waiting for all of the locks again');
  const all = new Map(
    participants.map((one) => {
      const log = logOf(context.log, one.me);
      const lines: EventLog = eventLog(one, log, inWords);
      return [one, { lines, events: podEvents(one.me, { ...context, log }) }];
    }),
  );
  return {
    onEvent(event, of) {
      if (event.type === 'acquired') acquired.add(of);
      all.get(of)?.lines.onEvent(event);
      all.get(of)?.events.onEvent(event);
      if (event.type === 'released') acquired.delete(of);
    },
    close() {
      for (const { lines } of all.values()) lines.close();
    },
    sent: () => Promise.all([...all.values()].map(({ events }) => events.sent())),
  };
}

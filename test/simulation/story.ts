/** The last events of a run in words: kept as they come, told only when something went wrong. */
import type { Acquisition, LockEvent } from '../../src/lock/index.ts';
import type { Violation } from './checker/index.ts';
import { kindOf } from './checker/writes.ts';
import { docOf, type Entry } from './document.ts';
import type { Listener, Occurrence } from './history.ts';

export interface Story {
  take: Listener;
  tell(violation: Violation | undefined): string;
}

export interface StoryOptions {
  /** Whose every sight of the Lease is told, too. */
  shown?: string | undefined;
  /** How much is told. */
  lines?: number | undefined;
}

/** How much is remembered. */
const MEMORY = 4000;
const LINES = 120;

export function newStory({ shown, lines: told = LINES }: StoryOptions = {}): Story {
  let events: { at: number; occurrence: Occurrence }[] = [];
  return {
    take(at, occurrence) {
      if (occurrence.type === 'asked') return;
      if (occurrence.type === 'shown' && occurrence.author.name !== shown) return;
      events.push({ at, occurrence });
      if (events.length > 2 * MEMORY) events = events.slice(-MEMORY);
    },
    tell(violation) {
      if (!violation) return '';
      const lines = events.map(
        ({ at, occurrence }) => `${seconds(at)}  ${occurrence.author.name.padEnd(9)} ${words(occurrence)}`,
      );
      return [...lines.slice(-told), `${seconds(violation.at)}  BROKEN: ${violation.invariant}: ${violation.what}`].join('\n');
    },
  };
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(3).padStart(11)}s`;

function words(event: Occurrence): string {
  switch (event.type) {
    case 'commit': {
      const before = event.before && docOf(event.before);
      if (!event.after) return `deleted version ${before?.version}`;
      const after = docOf(event.after);
      const kind = event.author.kind === 'ours' ? kindOf(event.author, before, after) : (event.deed ?? 'write');
      const sent = event.sent ? `, sent at ${seconds(event.sent.time).trim()}` : '';
      const holders = after.holders.map(shown).join(', ');
      const waiters = after.waiters.map(shown).join(', ');
      return `${kind} came true as version ${after.version}${before ? '' : ' (created)'}${sent}: "${after.named}" [${holders}] queue [${waiters}]`;
    }
    case 'queued':
      return `wants the lock for ${event.author.durationMs / 1000}s at a time (nonce ${event.author.nonce})`;
    case 'unqueued':
      return `acquire: ${event.outcome}`;
    case 'started':
      return `STARTED, token ${event.token}`;
    case 'ended':
      return `ENDED: ${event.how}`;
    case 'stopping':
      return `is asked to stop (${event.kind})`;
    case 'succeeded':
      return `has succeeded (key ${event.author.policies?.once})`;
    case 'lost':
      return `lost: ${event.reason}`;
    case 'troubled':
      return `(${event.by})`;
    case 'said':
      return event.what;
    case 'told':
      return event.text;
    case 'asked':
      return 'asks';
    case 'shown': {
      const doc = event.lease && docOf(event.lease);
      return `(is shown ${doc ? `version ${doc.version}: "${doc.named}"` : 'no Lease'} by ${event.byAnswer ? 'an answer' : 'its watch'})`;
    }
    default:
      return event satisfies never;
  }
}

/** What a participant says of itself. */
export function wordsOf(event: LockEvent): string {
  switch (event.type) {
    case 'waiting':
      return `waits at place ${event.position} behind ${event.heldBy.map((holder) => `${holder.id} (${holder.standing})`).join(', ') || 'nobody'}`;
    case 'trouble':
      return `had trouble ${event.doing}: ${event.message}, tries again in ${event.retryInMs.toFixed(0)} ms`;
    default:
      return event.type;
  }
}

/** `*2` where it shares the lock, and takes two permits. */
const shown = ({ key, weight }: Entry): string => (weight === undefined ? key : `${key}*${weight}`);

/** How a wait has ended, for the checker and for people. */
export function outcomeOf(acquisition: Acquisition): string {
  if (acquisition.kind === 'refused' || acquisition.kind === 'unreachable') return `${acquisition.kind}: ${acquisition.message}`;
  return acquisition.kind === 'skipped' ? `skipped: ${acquisition.why.kind}` : acquisition.kind;
}

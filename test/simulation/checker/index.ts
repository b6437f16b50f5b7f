/**
 * The invariants of docs/protocol.md, held against a history. It knows true time and everything that came true, so it needs nobody's
 * word; what the protocol says it does not promise is excused by name, each where it is judged, and nothing else is. One subject, one file.
 */
import { docOf } from '../document.ts';
import type { Occurrence } from '../history.ts';
import { judgeAges } from './ageing.ts';
import { judgeChanges } from './changes.ts';
import { newDismissals } from './dismissals.ts';
import { newExits } from './exits.ts';
import { type CheckerOptions, date, type Facts, type Landed, newFacts, type Violation } from './facts.ts';
import { judgeGrant } from './grants.ts';
import { newGroups } from './groups.ts';
import { judgeClaim, recordHolds } from './holds.ts';
import { newIntervals } from './intervals.ts';
import { newKept } from './kept.ts';
import { judgeFailure, judgeLoss } from './losses.ts';
import { newOnce } from './once.ts';
import { newOneTry } from './one-try.ts';
import { follow, judgeQueue } from './queue.ts';
import { newRequests } from './requests.ts';
import { newRestores } from './restores.ts';
import { newSkips } from './skips.ts';
import { newStops } from './stops.ts';
import { sweep } from './sweep.ts';
import { handedIn, kindOf } from './writes.ts';

export type { CheckerOptions, Violation } from './facts.ts';

export interface Checker {
  take(at: number, occurrence: Occurrence): void;
  /** Looks at what has not happened. `calmSince`: the last time that anything but a participant went wrong. */
  sweep(at: number, calmSince: number): void;
  readonly violation: Violation | undefined;
  readonly starts: number;
}

/** An etcd that comes from a backup has forgotten who holds the lock: for as long as those may live, only this is promised. */
const AFTER_RESTORE_MS = 300_000;
const SURVIVES_RESTORE = [
  'nothing throws',
  'nobody is lost',
  'requests are bounded',
  'no command outlives its lock',
  'an answer is not silence',
];

export function newChecker(options: CheckerOptions): Checker {
  let violation: Violation | undefined;
  const facts = newFacts(options, (at, invariant, what) => {
    if (at < facts.restoredAt + AFTER_RESTORE_MS && !SURVIVES_RESTORE.includes(invariant)) return;
    violation ??= { at, invariant, what };
  });
  const rooms = newRooms(facts);
  return {
    take: (at, event) => take(rooms, at, event),
    sweep(at, calmSince) {
      sweep(facts, at, calmSince);
      rooms.stops.sweep(at);
      rooms.dismissals.sweep(at);
      rooms.skips.sweep(at);
      rooms.restores.sweep(at);
      rooms.requests.sweep(at);
    },
    get violation() {
      return violation;
    },
    get starts() {
      return rooms.intervals.starts;
    },
  };
}

function newRooms(facts: Facts) {
  const groups = newGroups(facts);
  return { ...newPlainRooms(facts), groups, skips: newSkips(facts, groups) };
}

const newPlainRooms = (facts: Facts) => ({
  facts,
  exits: newExits(facts),
  intervals: newIntervals(facts),
  stops: newStops(facts),
  dismissals: newDismissals(facts),
  kept: newKept(facts),
  once: newOnce(facts),
  restores: newRestores(facts),
  oneTry: newOneTry(facts),
  requests: newRequests(facts),
});
type Rooms = ReturnType<typeof newRooms>;

function lose({ facts, stops }: Rooms, at: number, event: Extract<Occurrence, { type: 'lost' }>): void {
  judgeLoss(facts, at, event);
  stops.lost(event.author);
  facts.lost.add(event.author.nonce);
}

function take(rooms: Rooms, at: number, event: Occurrence): void {
  const { facts, exits, intervals, stops, kept, once, oneTry, requests } = rooms;
  switch (event.type) {
    case 'commit':
      commit(rooms, at, landedOf(event));
      break;
    case 'shown':
      show(rooms, at, event);
      break;
    case 'unqueued':
      unqueue(rooms, at, event);
      break;
    case 'queued':
      for (const room of [oneTry, kept]) room.queued(at, event);
      follow(facts, at, event);
      break;
    case 'troubled':
      facts.conditions.take(at, event);
      follow(facts, at, event);
      break;
    case 'asked':
      requests.asked(at, event);
      break;
    case 'started':
      for (const room of [intervals, stops, kept]) room.started(at, event);
      break;
    case 'ended':
      stops.ended(at, event.author);
      intervals.ended(at, event);
      break;
    case 'stopping':
      for (const room of [stops, kept]) room.stopping(at, event);
      break;
    case 'succeeded':
      once.succeeded(event.author);
      break;
    case 'lost':
      lose(rooms, at, event);
      break;
    case 'said':
      exits.said(at, event);
      break;
    case 'told':
      if (event.text.startsWith('threw')) facts.violate(at, 'nothing throws', `${event.author.name} ${event.text}`);
      break;
    default:
      event satisfies never;
  }
}

function unqueue(rooms: Rooms, at: number, event: Extract<Occurrence, { type: 'unqueued' }>): void {
  const { facts, exits, dismissals, skips, kept, oneTry } = rooms;
  judgeFailure(facts, at, event);
  dismissals.unqueued(at, event);
  skips.unqueued(at, event);
  exits.gaveUp(at, event);
  oneTry.unqueued(at, event);
  kept.unqueued(at, event);
  follow(facts, at, event);
}

function show({ facts, stops, dismissals, skips }: Rooms, at: number, event: Extract<Occurrence, { type: 'shown' }>): void {
  facts.ghosts.shown(at, event);
  if (!facts.sights.show(at, event, facts.holds.values())) return;
  follow(facts, at, event);
  stops.shown(at, event);
  dismissals.shown(at, event);
  skips.shown(at, event);
}

/** It is judged by what was so before it, and taken in afterwards. */
function commit(
  { facts, exits, intervals, stops, groups, kept, once, restores, oneTry, requests }: Rooms,
  at: number,
  landed: Landed,
): void {
  const { after } = landed;
  if (after) {
    judgeChanges(facts, at, { ...landed, after });
    exits.landed(at, { ...landed, after });
    judgeClaim(facts, at, { ...landed, after });
    judgeQueue(facts, at, { ...landed, after });
    judgeAges(facts, at, { ...landed, after });
    judgeGrant(facts, at, { ...landed, after });
  }
  if (landed.deed === 'restore') {
    facts.restoredAt = at;
    facts.sights.reset();
    facts.ghosts.reset();
    intervals.reset();
  }
  date(facts, at, landed);
  recordHolds(facts, at, landed);
  stops.landed(at, landed);
  groups.landed(at, landed);
  kept.landed(at, landed);
  once.landed(at, landed);
  restores.landed(at, landed);
  oneTry.landed(at);
  requests.landed(at);
}

function landedOf({ author, before, after, sent, deed, to }: Occurrence & { type: 'commit' }): Landed {
  const was = before && docOf(before);
  const is = after && docOf(after);
  const kind = is && author.kind === 'ours' ? kindOf(author, was, is) : undefined;
  return { author, before: was, after: is, sent, deed, kind, handed: kind === 'release' && is ? handedIn(was, is) : [], to };
}

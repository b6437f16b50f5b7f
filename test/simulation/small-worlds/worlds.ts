/** The small worlds: who takes part, for how long, with how many faults. The smallest are part of `npm test`, all of them of `npm run explore`. */
import type { Cast } from './actor.ts';

export interface SmallWorld {
  name: string;
  cast: readonly Cast[];
  /** Requests that may be late or lost, and watches that may. */
  faults: number;
  /** What an administrator does, once each, at any time. */
  deeds?: readonly ('delete' | 'clear')[];
  /** Where it ends. */
  untilMs: number;
  /** Small enough for every test run. */
  small?: boolean;
}

const actor = (name: string): Cast => ({ name, durationMs: 6000, graceMs: 300, worksMs: 400 });
const [alice, bob, carol] = [actor('alice'), actor('bob'), actor('carol')];
/** It renews once before it ends. */
const long = (cast: Cast): Cast => ({ ...cast, worksMs: 2000 });
/** It renews until it is stopped. */
const endless = ({ worksMs: _, ...cast }: Cast): Cast => cast;
const mortal = (cast: Cast): Cast => ({ ...cast, mortal: true });
/** The lock may be handed to it. */
const direct = (cast: Cast): Cast => ({ ...cast, watches: true, direct: true });
const watching = (cast: Cast): Cast => ({ ...cast, watches: true });

export const WORLDS: readonly SmallWorld[] = [
  { name: 'two', cast: [watching(alice), watching(bob)], faults: 0, untilMs: 14_000, small: true },
  { name: 'two, a fault', cast: [alice, bob], faults: 1, untilMs: 14_000, small: true },
  { name: 'three', cast: [alice, bob, carol], faults: 0, untilMs: 10_000, small: true },
  { name: 'alone, a fault, may crash', cast: [mortal(endless(alice))], faults: 1, untilMs: 9500, small: true },
  { name: 'three, a waiter may crash', cast: [alice, mortal(bob), carol], faults: 0, untilMs: 12_000, small: true },
  { name: 'two, one may crash', cast: [mortal(endless(alice)), bob], faults: 0, untilMs: 9000, small: true },
  { name: 'a deletion', cast: [watching(long(alice)), bob], faults: 0, deeds: ['delete'], untilMs: 12_000, small: true },
  {
    name: 'a deletion that a waiter sees',
    cast: [long(alice), watching(bob)],
    faults: 0,
    deeds: ['delete'],
    untilMs: 12_000,
    small: true,
  },
  {
    name: 'a holder that is cleared',
    cast: [watching(long(alice)), bob],
    faults: 0,
    deeds: ['clear'],
    untilMs: 12_000,
    small: true,
  },
  { name: 'a hand-over', cast: [alice, direct(long(bob))], faults: 0, untilMs: 9000, small: true },
  { name: 'a hand-over, a fault', cast: [alice, direct(long(bob))], faults: 1, untilMs: 9000 },
  { name: 'a hand-over to one that may crash', cast: [alice, mortal(direct(bob)), carol], faults: 0, untilMs: 16_000 },
  { name: 'a hand-over and a deletion', cast: [alice, direct(bob)], faults: 0, deeds: ['delete'], untilMs: 9000 },
  { name: 'two, two faults', cast: [alice, bob], faults: 2, untilMs: 14_000 },
  { name: 'two that watch, two faults', cast: [watching(alice), watching(bob)], faults: 2, untilMs: 14_000 },
  { name: 'two long ones, two faults', cast: [long(alice), long(bob)], faults: 2, untilMs: 14_000 },
  { name: 'alone, two faults, may crash', cast: [mortal(watching(endless(alice)))], faults: 2, untilMs: 9500 },
  { name: 'two, a fault, one may crash', cast: [mortal(long(alice)), bob], faults: 1, untilMs: 9000 },
  { name: 'two, two faults, one may crash', cast: [mortal(long(alice)), bob], faults: 2, untilMs: 9000 },
  { name: 'two, a fault and a deletion', cast: [watching(long(alice)), bob], faults: 1, deeds: ['delete'], untilMs: 12_000 },
  {
    name: 'two, a deletion and a clearing',
    cast: [watching(long(alice)), bob],
    faults: 0,
    deeds: ['delete', 'clear'],
    untilMs: 12_000,
  },
  { name: 'three, a fault', cast: [alice, bob, carol], faults: 1, untilMs: 10_000 },
  { name: 'three, two faults', cast: [alice, bob, carol], faults: 2, untilMs: 10_000 },
  { name: 'three and a deletion', cast: [watching(long(alice)), bob, carol], faults: 0, deeds: ['delete'], untilMs: 12_000 },
  { name: 'three, one may crash', cast: [mortal(long(alice)), bob, carol], faults: 0, untilMs: 12_000 },
];

/** Mutants that a small world shows, and which. */
export const SHOWN_IN: Record<string, string> = {
  'claim-dated-by-reply': 'alone, a fault, may crash',
  'watch-event-trusted': 'alone, a fault, may crash',
  'ambiguous-claim-taken-as-done': 'two, a fault',
  'token-from-transitions': 'a deletion',
  'transition-not-counted': 'two',
  'deadline-from-reply': 'alone, a fault, may crash',
  'no-kill-budget': 'alone, a fault, may crash',
  'release-without-reading-again': 'two, a fault',
  'release-clears-whoever-holds': 'a holder that is cleared',
  'ambiguous-renewal-taken-as-done': 'alone, a fault, may crash',
  'mark-used-twice': 'alone, a fault, may crash',
  'landed-mark-dated-now': 'alone, a fault, may crash',
  'renew-time-within-one-second': 'a deletion',
  'conflict-taken-as-loss': 'alone, a fault, may crash',
  'take-back-when-cleared': 'a holder that is cleared',
  'queue-entry-kept': 'two',
  'stale-annotation-trusted': 'a holder that is cleared',
  'unknown-fields-dropped': 'two',
  'waiter-writes-spec': 'a deletion',
  'deletion-forgets': 'a deletion',
  'deleted-is-lost': 'a deletion',
  'put-back-without-queue': 'a deletion',
};

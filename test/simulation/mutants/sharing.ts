/** What may be got wrong about those that hold the lock together. */
import type { Mutant } from './index.ts';

export const SHARING: readonly Mutant[] = [
  {
    name: 'permits-not-counted',
    breaks: 'everybody that shares the lock is let in',
    edits: [['protocol/room.ts', 'if (left < 0) {', 'if (left < Number.NEGATIVE_INFINITY) {']],
    profile: 'permits',
    seed: 1,
  },
  {
    name: 'weight-ignored',
    breaks: 'each that shares the lock takes one permit, whatever it needs',
    edits: [['protocol/room.ts', 'left -= taken(holder.weight ?? permits, permits);', 'left -= 1;']],
    profile: 'permits',
    seed: 1,
  },
  {
    name: 'reader-beside-writer',
    breaks: 'who shares the lock stands beside one that needs it alone',
    edits: [['protocol/room.ts', 'weight === undefined || !isShared(holder)', 'weight === undefined']],
    profile: 'shared',
    seed: 1,
  },
  {
    name: 'writer-beside-readers',
    breaks: 'who needs the lock alone takes it beside those that share it',
    edits: [['protocol/room.ts', 'weight === undefined || !isShared(holder)', '!isShared(holder)']],
    profile: 'shared',
    seed: 1,
  },
  {
    name: 'permits-of-ones-own',
    breaks: 'each goes by the number of permits that it expects, not by that of the lock',
    edits: [
      ['protocol/turns.ts', 'state.permits ?? me.policies?.permits', 'me.policies?.permits ?? state.permits'],
      ['protocol/rules.ts', 'if (misfit) return', 'if (misfit && !room) return'],
    ],
    profile: 'permits',
    seed: 1,
  },
  {
    name: 'shared-claim-clears-the-others',
    breaks: 'who comes to share the lock removes those that have it',
    edits: [
      [
        'protocol/writes.ts',
        'const staying = state.holders.filter(isBeside);\n  const over = state.holders.filter((holder) => !isBeside(holder));',
        'const staying = state.holders.filter(isBeside);\n  const over = state.holders;',
      ],
    ],
    profile: 'shared',
    seed: 1,
  },
  {
    name: 'shared-release-clears-the-lock',
    breaks: 'the first that leaves clears the lock for all that share it',
    edits: [['protocol/writes.ts', 'leftSpec(others, state.lease.spec, wall)', 'leftSpec([], state.lease.spec, wall)']],
    profile: 'shared',
    seed: 1,
  },
  {
    name: 'shared-spec-of-one',
    breaks: 'clients of other kinds see the lease of the holder that renewed last, which may be the shortest',
    edits: [
      ['protocol/writes.ts', 'const durationMs = Math.max(me.durationMs, longestOf(others));', 'const { durationMs } = me;'],
    ],
    profile: 'shared',
    seed: 1,
  },
  {
    name: 'ghost-in-the-spec',
    breaks: 'one that a deletion has removed is written into the spec of the new Lease',
    edits: [['protocol/writes.ts', 'const staying = state.holders.filter(isBeside);', 'const staying = beside;']],
    profile: 'shared-deeds',
    seed: 2,
  },
  {
    name: 'stop-request-cleared-by-another',
    breaks: 'who comes to share the lock removes the request that another has to heed',
    edits: [
      [
        'protocol/writes.ts',
        '...((staying.length === 0 || state.stop?.holder === me.id) && { stop: undefined })',
        'stop: undefined',
      ],
    ],
    profile: 'shared-deeds',
    seed: 3,
  },
  {
    name: 'waiting-writer-passed',
    breaks: 'who could share the lock passes over one that waits for having it alone',
    edits: [
      [
        'protocol/turns.ts',
        'passed = itsRoom > room ? (Math.min(Math.max(window(passed), windows), silent(passed)) as Steady) : window(passed);',
        'passed = itsRoom > room ? passed : window(passed);',
      ],
    ],
    profile: 'shared',
    seed: 2,
  },
  {
    name: 'waiting-writer-never-shows-itself',
    breaks: 'who waits before others does not show that it is alive, and is passed over',
    edits: [['protocol/turns.ts', 'if (!shown || stays.length === 0 ||', 'if (shown || stays.length === 0 ||']],
    profile: 'shared',
    seed: 2,
  },
  {
    name: 'dead-writer-waited-for',
    breaks: 'a dead waiter blocks those that could share the lock for as long as others do',
    edits: [['protocol/turns.ts', '(Math.min(Math.max(window(passed), windows), silent(passed)) as Steady)', 'window(passed)']],
    profile: 'readers',
    seed: 47,
  },
  {
    name: 'more-permits-unnoticed',
    breaks: 'windows do not begin anew where the lock has got more permits',
    edits: [['protocol/sightings.ts', '&& !hasRoom ?', '?']],
    profile: 'permits',
    seed: 46,
  },
];

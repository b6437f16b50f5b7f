/** What may be got wrong about several locks for one command. */
import type { Mutant } from './index.ts';

export const SEVERAL: readonly Mutant[] = [
  {
    name: 'several-in-any-order',
    breaks: 'each acquires its locks in the order in which it names them',
    edits: [['lock/several.ts', 'participants.toSorted(byName)', 'participants.toSorted(() => 0)']],
    profile: 'several-gentle',
    seed: 2,
  },
  {
    name: 'several-kept-on-failure',
    breaks: 'who does not get all of its locks keeps those that it has',
    edits: [['lock/several.ts', '    await releaseAll(held);\n    held = [];', '    held = [];']],
    profile: 'several-gentle',
    seed: 2,
  },
  {
    name: 'several-latest-deadline',
    breaks: 'the command may run until the last of its locks has run out',
    edits: [
      [
        'lock/several.ts',
        ' => Math.min(...all.map((deadlines) => deadlines[of]))',
        ' => Math.max(...all.map((deadlines) => deadlines[of]))',
      ],
    ],
    profile: 'several',
    seed: 228,
  },
  {
    name: 'several-loss-unnoticed',
    breaks: 'a lock that was lost while the next was waited for counts as held',
    edits: [
      ['lock/several.ts', 'held.some(({ lock }) => lock.isLost());', 'false;'],
      [
        'lock/several.ts',
        'flatMap(({ lock }) => [lock.lost, lock.stopRequested])',
        'flatMap(({ lock }) => [lock.stopRequested])',
      ],
    ],
    profile: 'several',
    seed: 2,
  },
  {
    name: 'several-time-for-each',
    breaks: 'each of the locks is waited for as long as all may take',
    edits: [['lock/several.ts', ': Math.max(1, giveUpAt - clock.now()));', ': timeoutMs + 0 * giveUpAt);']],
    profile: 'several-gentle',
    seed: 14,
  },
  {
    name: 'several-all-but-the-last',
    breaks: 'the work begins before the last of the locks is acquired',
    edits: [
      ['lock/several.ts', 'if (!next) return', 'if (!next || (held.length > 0 && held.length === ordered.length - 1)) return'],
    ],
    profile: 'several-gentle',
    seed: 1,
  },
  {
    name: 'several-loss-forgotten',
    breaks: 'after a loss the wait goes on with the locks that are left',
    edits: [
      [
        'lock/several.ts',
        '    await releaseAll(held);\n    held = [];',
        '    held = held.filter(({ lock }) => !lock.isLost());\n    if (!lost) await releaseAll(held);\n    if (!lost) held = [];',
      ],
    ],
    profile: 'several',
    seed: 17,
  },
];

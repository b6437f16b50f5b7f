/** What may be got wrong about a Lease that is deleted and comes back. */
import type { Mutant } from './index.ts';

export const DELETIONS: readonly Mutant[] = [
  {
    name: 'no-uid',
    breaks: 'a write carries a version but no uid, so that a deleted Lease is created anew',
    conduct: {
      twist: {
        put: (server, { metadata: { uid: _, ...metadata }, ...lease }, write) => server.put({ ...lease, metadata }, write),
      },
    },
    profile: 'deletions',
    seed: 1,
  },
  {
    name: 'deletion-forgets',
    breaks: 'with the Lease, its holder is forgotten by those who saw it',
    edits: [
      [
        'protocol/sightings.ts',
        'const state = reading.exists ? reading.state : (before?.state ?? reading.state);',
        'const state = reading.state;',
      ],
    ],
    profile: 'deletions',
    seed: 1,
  },
  {
    name: 'incarnation-forgets',
    breaks: 'who is not in a Lease that was created anew is forgotten',
    edits: [
      [
        'protocol/sightings.ts',
        'if (!holders.has(key) && state.uid !== undefined && (wiped || setBack || sighting.uid !== state.uid)) {',
        'if (key === "" && sighting) {',
      ],
    ],
    profile: 'deletions',
    seed: 9,
  },
  {
    name: 'stale-sighting-over-deletion',
    breaks: 'after a deletion, a holder is still dated by when I last saw it',
    edits: [
      ['protocol/sightings.ts', 'sight(broken ? undefined : before, holder', 'sight(before, holder'],
      [
        'protocol/sightings.ts',
        'broken ? { ...sighting, uid, at: reading.receivedAt, witnessed: false } : sighting',
        'broken ? { ...sighting, uid } : sighting',
      ],
    ],
    profile: 'deletions',
    seed: 9,
  },
  {
    name: 'late-claim-confirmed-blindly',
    breaks: 'a claim that landed late is confirmed although a holder of the deleted Lease may still run',
    edits: [['protocol/rules.ts', 'if (heldBy.length > 0) return', 'if (heldBy.length < 0) return']],
    profile: 'deletions',
    seed: 397,
  },
  {
    name: 'only-the-newest-hint',
    breaks: 'of several watch events that come together, only the newest is looked at',
    edits: [
      [
        'lock/queue-watch.ts',
        'hints.push({ event, receivedAt: clock.steady() });',
        'hints.splice(0, hints.length, { event, receivedAt: clock.steady() });',
      ],
    ],
    profile: 'deletions',
    seed: 2,
  },
  {
    name: 'deleted-is-lost',
    breaks: 'a holder whose Lease is deleted gives up, and does not put it back',
    edits: [
      [
        'lock/renew.ts',
        "    case 'absent':\n      known.exists = false;\n",
        "    case 'absent':\n      lose(held, 'the Lease was deleted');\n      known.exists = false;\n",
      ],
    ],
    profile: 'deaf',
    seed: 1,
  },
  {
    name: 'deleted-is-not-put-back',
    breaks: 'a holder whose Lease is deleted holds on, and does not put it back',
    edits: [
      [
        'lock/renew.ts',
        '      known.exists = false;\n      requests.renewAt = clock.now();\n',
        '      known.exists = false;\n      requests.renewAt = later(clock.now(), 1e9);\n',
      ],
    ],
    profile: 'deaf',
    seed: 3,
  },
  {
    name: 'put-back-without-queue',
    breaks: 'a holder puts a deleted Lease back with itself alone',
    edits: [
      [
        'protocol/writes.ts',
        'waiters: removed(keysOfMine(state.waiters, me)),\n    spec: heldSpec',
        'waiters: removed(exists ? keysOfMine(state.waiters, me) : state.waiters.map(({ key }) => key)),\n    spec: heldSpec',
      ],
    ],
    profile: 'deaf',
    seed: 3,
  },
  {
    name: 'loss-asked-for-again',
    breaks: 'a holder that is shown its loss asks once more, and may find the Lease deleted meanwhile',
    edits: [
      [
        'lock/renew.ts',
        '  const state = applyJudgement(held, lease);\n  if (!state) return;\n  known.state = state;',
        '  if (lease.spec?.holderIdentity !== held.participant.me.id) return renewNow(held);\n  const state = applyJudgement(held, lease);\n  if (!state) return;\n  known.state = state;',
      ],
    ],
    profile: 'deletions',
    seed: 195,
  },
];

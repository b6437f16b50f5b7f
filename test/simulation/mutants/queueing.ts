/** What a waiter may get wrong: its place, its turn, its entry. */
import type { Mutant } from './index.ts';

export const QUEUEING: readonly Mutant[] = [
  {
    name: 'claim-without-window',
    breaks: 'whoever sees the lock free claims it, whatever his place',
    edits: [['protocol/rules.ts', 'if (turn.at <= moment.now ||', 'if (room <= moment.now ||']],
    profile: 'gentle',
    seed: 2,
  },
  {
    name: 'queue-entry-kept',
    breaks: 'a claim leaves its own entry in the queue',
    edits: [
      [
        'protocol/writes.ts',
        '...passedOver.map(({ key }) => key), ...state.unreadable, ...keysOfMine(state.waiters, me)',
        '...passedOver.map(({ key }) => key), ...state.unreadable',
      ],
    ],
    profile: 'gentle',
    seed: 1,
  },
  {
    name: 'dead-waiters-kept',
    breaks: 'a claim leaves those in the queue whom it passed over',
    edits: [
      [
        'protocol/writes.ts',
        '...passedOver.map(({ key }) => key), ...state.unreadable, ',
        '...passedOver.slice(0, 0).map(({ key }) => key), ...state.unreadable, ',
      ],
    ],
    profile: 'gentle',
    seed: 2,
  },
  {
    name: 'ambiguous-write-taken-as-failed',
    breaks: 'a waiter that gives up after a write without an answer does not look whether it was done',
    edits: [
      ['lock/setbacks.ts', "known.inDoubt ||= answer.applied === 'unknown' && doing !== 'reading';", ''],
      ['lock/setbacks.ts', "known.inDoubt ||= answer.applied !== 'no' && doing !== 'reading';", ''],
    ],
    profile: 'network',
    seed: 1,
  },
  {
    name: 'unseen-hold',
    breaks: 'a whole hold that passed unseen does not start the claim windows anew',
    edits: [
      [
        'protocol/sightings.ts',
        'before !== undefined && (broken || hasChangedHands(before.state, state));',
        'broken && before !== undefined && !hasChangedHands(before.state, before.state);',
      ],
    ],
    profile: 'network',
    seed: 31,
  },
  {
    name: 'new-ticket-after-removal',
    breaks: 'a waiter that was passed over goes to the end of the queue',
    edits: [['protocol/rules.ts', 'waiting?.ticket ?? mine?.ticket ?? known;', 'waiting?.ticket ?? mine?.ticket;']],
    profile: 'network',
    seed: 2,
  },
  {
    name: 'no-poll',
    breaks: 'nothing is read as long as the watch says nothing',
    edits: [['lock/wait.ts', 'if (wait.pollAt === NEVER) wait.pollAt = queueWatch.pollAt(decision.position, lease);', '']],
    profile: 'network',
    seed: 2,
  },
  {
    name: 'holder-keeps-queue-entry',
    breaks: 'who confirms a claim that came true late keeps the entry that he has put back into the queue',
    edits: [
      ['protocol/writes.ts', '    waiters: removed(keysOfMine(state.waiters, me)),\n    spec: heldSpec', '    spec: heldSpec'],
    ],
    profile: 'deletions',
    seed: 33,
  },
  {
    name: 'came-back-without-window',
    breaks: 'whoever puts himself back into the queue is given no window of his own',
    edits: [
      [
        'protocol/turns.ts',
        'Math.max(view.vacatedAt, ...seen.map(({ firstAt }) => firstAt))',
        'Math.max(view.vacatedAt, 0 * seen.length)',
      ],
    ],
    profile: 'melee',
    seed: 34,
  },
  {
    name: 'priority-ignored',
    breaks: 'who came first is served first, whatever his priority',
    edits: [['protocol/lock-state.ts', 'return b.priority - a.priority || a.ticket', 'return a.ticket']],
    profile: 'gentle',
    seed: 1,
  },
  {
    name: 'full-queue-turns-away',
    breaks: 'who finds no room in the queue is refused',
    edits: [
      [
        'lock/acquire.ts',
        'if (decision.outside) known.arrived ??= known.view.state.next;',
        "if (decision.outside) return refusedDocument('no room');",
      ],
    ],
    profile: 'numbers',
    seed: 3,
  },
  {
    name: 'never-backs-off',
    breaks: 'a request that failed is sent again immediately, for as long as it fails',
    edits: [
      [
        'lock/setbacks.ts',
        'const backoff = answer.retryAfterMs ?? backoffMs(requests.failures - 1, RETRY, random);',
        'const backoff = (answer.retryAfterMs ?? 0) + 0 * backoffMs(requests.failures - 1, RETRY, random);',
      ],
    ],
    profile: 'outages',
    seed: 35,
  },
  {
    name: 'unlimited-retry-after',
    breaks: 'a waiter waits for as many hours as a maintenance page asks',
    edits: [['api/answers.ts', 'Math.min(seconds * 1000, PATIENCE_MS)', 'Math.min(seconds * 1000, 1000 * PATIENCE_MS)']],
    profile: 'refusals',
    seed: 1,
  },
  {
    name: 'come-back-taken-for-silence',
    breaks: 'an API server that asks to come back later counts as silent',
    edits: [
      [
        'lock/setbacks.ts',
        'requests.silentSince = answer.comeBack ? undefined : (requests.silentSince ?? clock.now());',
        'requests.silentSince = requests.silentSince ?? clock.now();',
      ],
    ],
    profile: 'refusals',
    seed: 1,
  },
  {
    name: 'conflict-taken-as-certain',
    breaks: 'a conflict proves that nothing of mine was written, though it may answer the second of two arrivals',
    edits: [['lock/setbacks.ts', "      known.inDoubt ||= doing !== 'reading';\n      requests", '      requests']],
    profile: 'network',
    seed: 287,
  },
  {
    name: 'unseen-entry-written-again',
    breaks: 'an entry that was written and cannot be seen is written again without a pause and without end',
    edits: [
      ['lock/acquire.ts', 'if (known.unseen > 0) await pause', 'if (known.unseen > 1e9) await pause'],
      ['protocol/document.ts', 'next) => next < NUMBER_LIMIT', 'next) => next < 1e30'],
    ],
    profile: 'numbers',
    seed: 9,
  },
  {
    name: 'leave-request-ignored',
    breaks: 'a waiter that is asked to leave the queue stays',
    edits: [['protocol/rules.ts', "if (request) return { kind: 'stopped', request };", '']],
    profile: 'operated',
    seed: 1,
  },
  {
    name: 'leave-request-forgotten',
    breaks: 'who was asked to leave comes back when somebody else has removed its entry',
    edits: [['lock/acquire.ts', '  known.stop ??= mine?.stop;', '']],
    profile: 'operated',
    seed: 135,
  },
  {
    name: 'leaves-without-being-asked',
    breaks: 'a waiter takes the request to another for its own',
    edits: [['lock/acquire.ts', 'mine?.stop;', 'parsed.state.waiters.find(({ stop }) => stop)?.stop;']],
    profile: 'operated',
    seed: 1,
  },
];

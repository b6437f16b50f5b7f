/** What a holder may get wrong: its deadlines, its renewals, its release. */
import type { Mutant } from './index.ts';

export const HOLDING: readonly Mutant[] = [
  {
    name: 'deadline-from-reply',
    breaks: 'a renewal counts from its answer, not from its send',
    edits: [['lock/renew.ts', 'onAnswer(held, answer.lease, sentAt);', 'onAnswer(held, answer.lease, participant.clock.now());']],
    profile: 'outages',
    seed: 12,
  },
  {
    name: 'no-own-margin',
    breaks: 'a holder keeps nothing in hand for clocks that run at other rates',
    edits: [['protocol/timings.ts', 'marginMs: Math.max(500, durationMs / 20)', 'marginMs: 0']],
    profile: 'outages',
    seed: 4,
  },
  {
    name: 'no-kill-budget',
    breaks: 'stopping the command begins when it should have ended',
    edits: [
      ['protocol/deadlines.ts', 'durationMs - killBudgetMs - marginMs', 'durationMs - marginMs + 0 * killBudgetMs'],
      ['protocol/deadlines.ts', 'durationMs - reapMs - marginMs', 'durationMs + 0 * reapMs'],
    ],
    profile: 'network',
    seed: 11,
  },
  {
    name: 'release-before-reaping',
    breaks: 'the lock is let go when the command is told to end, not when it has ended',
    conduct: { releaseBeforeReaping: true },
    profile: 'gentle',
    seed: 1,
  },
  {
    name: 'release-without-reading-again',
    breaks: 'a release that collides is taken as done',
    edits: [
      [
        'lock/release.ts',
        "if (answer.kind === 'lease') return",
        "if (answer.kind === 'lease' || answer.kind === 'conflict') return",
      ],
    ],
    profile: 'gentle',
    seed: 2,
  },
  {
    name: 'release-clears-whoever-holds',
    breaks: 'who leaves clears the holder, whoever that is',
    edits: [['protocol/writes.ts', "const asHolder = mine?.standing === 'holds';", 'const asHolder = state.holders.length > 0;']],
    profile: 'gentle',
    seed: 1,
  },
  {
    name: 'ambiguous-renewal-taken-as-done',
    breaks: 'a renewal without an answer counts',
    edits: [
      [
        'lock/renew.ts',
        'return requests.attempts.has(moment.mark) ? retryLater(held, answer) : undefined;',
        'return onRenewed(held, sentAt);',
      ],
    ],
    profile: 'network',
    seed: 4,
  },
  {
    name: 'mark-used-twice',
    breaks: 'all attempts bear one mark, so that what landed early is dated by a later retry',
    edits: [
      [
        'lock/renew.ts',
        '  const moment = momentOf(participant);\n',
        '  const moment = { ...momentOf(participant), mark: key };\n',
      ],
    ],
    profile: 'network',
    seed: 1,
  },
  {
    name: 'renew-time-within-one-second',
    breaks: 'two renewals within one second look like none to client-go',
    edits: [['protocol/writes.ts', 'Math.max(written, last + 1000)', 'written']],
    profile: 'gentle',
    seed: 5,
  },
  {
    name: 'conflict-taken-as-loss',
    breaks: 'a renewal that collides with a waiter is a lost lock',
    edits: [
      [
        'lock/renew.ts',
        "    case 'conflict':\n    case 'absent':\n      return await readAgain(held);",
        "    case 'conflict':\n    case 'absent':\n      return lose(held, 'conflict');",
      ],
    ],
    profile: 'gentle',
    seed: 10,
  },
  {
    name: 'take-back-when-cleared',
    breaks: 'a holder whose name was cleared writes it again',
    edits: [
      [
        'protocol/rules.ts',
        "const intact = mine?.standing === 'holds' ?",
        "const intact = mine?.standing === 'holds' || (named === '' && mine !== undefined) ?",
      ],
    ],
    profile: 'electors',
    seed: 1,
  },
  {
    name: 'landed-mark-dated-now',
    breaks: 'an attempt that is seen to have landed is dated by when that is seen',
    edits: [['lock/renew.ts', '  onRenewed(held, landed);', '  onRenewed(held, held.participant.clock.now());']],
    profile: 'network',
    seed: 4,
  },
  {
    name: 'stop-request-ignored',
    breaks: 'a holder that is asked to stop goes on',
    edits: [
      [
        'lock/renew.ts',
        'if (judgement.stop && !held.stop.signal.aborted) {',
        'if (judgement.stop && held.stop.signal.aborted) {',
      ],
    ],
    profile: 'deaf',
    seed: 1,
  },
  {
    name: 'coordinated-holder-goes-on',
    breaks: 'a holder whose Lease the API server now elects for is not told to stop',
    edits: [
      [
        'protocol/rules.ts',
        "  if (state.coordinated)\n    return {\n      kind: 'mine',",
        "  if (state.coordinated && named === '')\n    return {\n      kind: 'mine',",
      ],
    ],
    profile: 'deeds',
    seed: 3,
  },
  {
    name: 'renewal-not-retried',
    breaks: 'a renewal that failed is not tried again',
    edits: [
      [
        'lock/renew.ts',
        'requests.renewAt = later(clock.now(), retryInMs);',
        'requests.renewAt = later(clock.now(), retryInMs + 1e9);',
      ],
    ],
    profile: 'network',
    seed: 6,
  },
  {
    name: 'renewed-once-per-half',
    breaks: 'a hold is renewed every half of its duration, not every quarter',
    edits: [['protocol/deadlines.ts', 'renewAt: later(sentAt, renewEveryMs),', 'renewAt: later(sentAt, 2 * renewEveryMs),']],
    profile: 'gentle',
    seed: 7,
  },
  {
    name: 'renewal-never-backs-off',
    breaks: 'a renewal that failed is tried again immediately, for as long as it fails',
    edits: [
      [
        'lock/renew.ts',
        'const retryInMs = Math.max(backoff, Math.min(retryAfterMs, lastTry));',
        'const retryInMs = 0 * Math.max(backoff, Math.min(retryAfterMs, lastTry));',
      ],
    ],
    profile: 'refusals',
    seed: 3,
  },
  {
    name: 'patience-beyond-the-deadline',
    breaks: 'a holder waits for as long as the API server asks, past its own deadline',
    edits: [
      ['lock/renew.ts', 'Math.max(backoff, Math.min(retryAfterMs, lastTry))', 'Math.max(backoff, retryAfterMs + 0 * lastTry)'],
    ],
    profile: 'refusals',
    seed: 120,
  },
  {
    name: 'doubted-clock-believed',
    breaks: 'after a leap of boot time that nothing confirms, the lock is given up without asking',
    edits: [['lock/renew.ts', '    if (held.known.sentAt < doubtedAt)\n', '    if (doubtedAt > 0)\n']],
    profile: 'clocks',
    seed: 3,
  },
];

/** What may be got wrong by whoever takes the lock: whom it takes for dead, and what it starts on. */
import type { Mutant } from './index.ts';

export const CLAIMING: readonly Mutant[] = [
  {
    name: 'claim-dated-by-reply',
    breaks: 'a claim counts from its answer, not from its send',
    edits: [['lock/acquire.ts', '{ key, sentAt: sent.at }', '{ key, sentAt: clock.now() }']],
    profile: 'outages',
    seed: 87,
  },
  {
    name: 'no-expiry-margin',
    breaks: 'a holder is taken over after just its duration',
    edits: [['protocol/deadlines.ts', 'Math.max(2000, durationMs / 10)', '0']],
    profile: 'pauses',
    seed: 5,
  },
  {
    name: 'wall-clock',
    breaks: 'a holder is dead when its renewTime is past by my wall clock',
    edits: [
      [
        'protocol/rules.ts',
        '  const stays = staysOf(view, me);\n  const room',
        "  const stays = staysOf(view, me).filter(({ holder }) => Date.parse(state.lease.spec?.renewTime ?? '') + (holder.durationMs ?? 0) >= moment.wall.getTime());\n  const room",
      ],
    ],
    profile: 'pauses',
    seed: 1,
  },
  {
    name: 'server-date-without-margin',
    breaks: "a holder is dead as soon as a server's clock says so",
    edits: [['protocol/deadlines.ts', 'durationMs + Math.max(CLOCKS_AGREE_MS, durationMs)', 'durationMs']],
    profile: 'network',
    seed: 1,
  },
  {
    name: 'foreign-duration-ignored',
    breaks: "everybody's duration is taken to be mine",
    edits: [
      [
        'protocol/turns.ts',
        'const statedMs = holder.durationMs ?? me.durationMs;',
        'const statedMs = holder ? me.durationMs : 0;',
      ],
    ],
    profile: 'electors',
    seed: 1,
  },
  {
    name: 'ambiguous-claim-taken-as-done',
    breaks: 'a claim without an answer is started on',
    edits: [
      [
        'lock/acquire.ts',
        "if (answer.kind !== 'lease') return await onSetback(wait, answer, 'claiming', sent);\n  const refused = onAnswer(wait, answer, sent);",
        "if (answer.kind !== 'lease' && answer.kind !== 'failed') return await onSetback(wait, answer, 'claiming', sent);\n  const refused = answer.kind === 'lease' ? onAnswer(wait, answer, sent) : undefined;",
      ],
    ],
    profile: 'network',
    seed: 1,
  },
  {
    name: 'watch-event-trusted',
    breaks: 'who is shown as the holder by a watch event starts, without another write',
    edits: [
      [
        'lock/acquire.ts',
        '?? (await confirm(wait, decision, moment.mark))',
        '?? begin(wait, { key: decision.holder.key, sentAt: participant.clock.now() })',
      ],
    ],
    profile: 'network',
    seed: 2,
  },
  {
    name: 'token-from-transitions',
    breaks: 'the fencing token is the count of transitions, which a deletion sets back',
    edits: [['lock/hold.ts', "token: state.resourceVersion ?? '0',", 'token: String(state.transitions),']],
    profile: 'deletions',
    seed: 1,
  },
  {
    name: 'late-reply-believed',
    breaks: 'a claim is started on however late its answer comes',
    edits: [
      [
        'lock/acquire.ts',
        ' || clock.now() >= deadlinesOf(sent.at, timings).stopBy) return',
        ' || timings.durationMs < 0) return',
      ],
    ],
    profile: 'stalls',
    seed: 2,
  },
  {
    name: 'long-dead-not-foretold',
    breaks: 'a waiter does not foresee when a dead holder will be dead by the server clock, a newcomer sees it at once',
    edits: [
      [
        'protocol/sightings.ts',
        '  const silentMs = stamp.serverMs - writtenAtServerMs;\n',
        '  const silentMs = stamp.serverMs - writtenAtServerMs;\n  if (silentMs < longDeadAfterMs(durationMs)) return undefined;\n',
      ],
    ],
    profile: 'idle',
    seed: 157,
  },
  {
    name: 'coordinated-claimed',
    breaks: 'a Lease that the API server itself elects for is taken like any other',
    edits: [
      ['protocol/rules.ts', 'if (state.coordinated) return coordinated(', 'if (state.coordinated === "") return coordinated('],
    ],
    profile: 'deeds',
    seed: 2,
  },
  {
    name: 'nameless-not-seen',
    breaks: 'a holder that writes no name is not seen',
    edits: [['protocol/document.ts', "named === '' && isHeldWithoutName(", "named === '-' && isHeldWithoutName("]],
    profile: 'nameless',
    seed: 1,
  },
  {
    name: 'one-try-needs-an-empty-queue',
    breaks: 'one try never gets a lock behind a waiter, however long that is dead',
    edits: [['protocol/turns.ts', 'return position > 0 && idleMs >', 'return position < 0 && idleMs >']],
    profile: 'lonely',
    seed: 365,
  },
  {
    name: 'long-free-by-my-clock',
    breaks: "the API server's stamp of my entry is carried forward on my own clock, with no minute in hand",
    edits: [
      ['protocol/turns.ts', 'CLAIM_WINDOW_MS + CLOCKS_AGREE_MS', 'CLAIM_WINDOW_MS'],
      ['protocol/sightings.ts', 'broken ? undefined : stampAfter(before, reading)', 'before?.stamp'],
      ['protocol/rules.ts', 'isLongFree(view, ahead.length)', 'isLongFree(view, ahead.length, moment.now)'],
      [
        'protocol/turns.ts',
        'clockRunsBack }: View, position: number): boolean {',
        'clockRunsBack }: View, position: number, now: Steady): boolean {',
      ],
      [
        'protocol/turns.ts',
        'const idleMs = stamp.serverMs - Math.max(',
        'const idleMs = stamp.serverMs + (now - stamp.receivedAt) - Math.max(',
      ],
    ],
    profile: 'stalls',
    seed: 2,
  },
  {
    name: 'stamps-believed-at-once',
    breaks: 'whom the stamps call dead need not be seen standing still',
    edits: [['protocol/deadlines.ts', 'durationMs / 4 + 2 * requestTimeoutOf(durationMs)', '0 * requestTimeoutOf(durationMs)']],
    profile: 'clocks',
    seed: 2,
  },
  {
    name: 'others-judged-by-boot-time',
    breaks: 'others are judged by whichever clock is further ahead',
    edits: [
      ['lock/participant.ts', 'now: clock.steady(), wall', 'now: clock.now() as never, wall'],
      ['lock/acquire.ts', 'receivedAt: clock.steady() });', 'receivedAt: clock.now() as never });'],
      [
        'lock/queue-watch.ts',
        'hints.push({ event, receivedAt: clock.steady() });',
        'hints.push({ event, receivedAt: clock.now() as never });',
      ],
    ],
    profile: 'clocks',
    seed: 2,
  },
  {
    name: 'transition-not-counted',
    breaks: 'a claim does not count the transition',
    edits: [
      ['protocol/writes.ts', 'leaseTransitions: state.transitions + 1,\n    },', 'leaseTransitions: state.transitions,\n    },'],
    ],
    profile: 'gentle',
    seed: 1,
  },
];

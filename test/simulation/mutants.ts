/**
 * Named ways to break the protocol. Each must be caught by the simulation: one that survives is an invariant that nobody checks. A mutant is
 * the source with a few texts replaced, each of which must occur exactly once, or a guard or an API client that misbehaves.
 */
import type { Conduct } from './ours.ts';

export interface Mutant {
  name: string;
  /** What it gets wrong, in words. */
  breaks: string;
  /** File of src/, the text that is replaced, and what by. */
  edits?: readonly (readonly [file: string, from: string, to: string])[];
  conduct?: Conduct;
  profile: string;
  /** A seed with which it is caught soon. */
  seed: number;
}

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'deadline-from-reply',
    breaks: 'a renewal counts from its answer, not from its send',
    edits: [['lock/renew.ts', 'onAnswer(held, answer.lease, sentAt);', 'onAnswer(held, answer.lease, participant.clock.now());']],
    profile: 'outages',
    seed: 156,
  },
  {
    name: 'claim-dated-by-reply',
    breaks: 'a claim counts from its answer, not from its send',
    edits: [['lock/acquire.ts', 'key: decision.key, sentAt }', 'key: decision.key, sentAt: clock.now() }']],
    profile: 'outages',
    seed: 65,
  },
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
    name: 'no-resource-version',
    breaks: 'a write replaces whatever version is there',
    conduct: {
      twist: {
        put(server, lease, write) {
          const present = server.get().lease;
          return present ? server.force(lease, write) : server.put(lease, write);
        },
      },
    },
    profile: 'gentle',
    seed: 2,
  },
  {
    name: 'no-expiry-margin',
    breaks: 'a holder is taken over after just its duration',
    edits: [['protocol/deadlines.ts', 'Math.max(2000, durationMs / 10)', '0']],
    profile: 'pauses',
    seed: 3,
  },
  {
    name: 'no-own-margin',
    breaks: 'a holder keeps nothing in hand for clocks that run at other rates',
    edits: [['protocol/timings.ts', 'marginMs: Math.max(500, durationMs / 20)', 'marginMs: 0']],
    profile: 'outages',
    seed: 2,
  },
  {
    name: 'no-kill-budget',
    breaks: 'stopping the command begins when it should have ended',
    edits: [['protocol/deadlines.ts', 'durationMs - killBudgetMs - marginMs', 'durationMs - marginMs + 0 * killBudgetMs']],
    profile: 'network',
    seed: 11,
  },
  {
    name: 'wall-clock',
    breaks: 'a holder is dead when its renewTime is past by my wall clock',
    edits: [
      [
        'protocol/rules.ts',
        '  const blockers = blockersOf(view, me);\n  const heldBy = whoHolds(view, me, moment.now);',
        '  const wallDead = (holder: Holder) => Date.parse(state.lease.spec?.renewTime ?? "") + (holder.durationMs ?? 0) < moment.wall.getTime();\n  const blockers = blockersOf(view, me).filter(({ holder }) => !wallDead(holder));\n  const heldBy = whoHolds(view, me, moment.now).filter((holder) => !wallDead(holder));',
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
    seed: 5,
  },
  {
    name: 'release-clears-whoever-holds',
    breaks: 'who leaves clears the holder, whoever that is',
    edits: [['protocol/writes.ts', "const asHolder = mine?.standing === 'holds';", 'const asHolder = state.holders.length > 0;']],
    profile: 'gentle',
    seed: 1,
  },
  {
    name: 'claim-without-window',
    breaks: 'whoever sees the lock free claims it, whatever his place',
    edits: [['protocol/rules.ts', 'ahead, me), position * CLAIM_WINDOW_MS)', 'ahead, me), 0 * position * CLAIM_WINDOW_MS)']],
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
    name: 'foreign-duration-ignored',
    breaks: "everybody's duration is taken to be mine",
    edits: [
      [
        'protocol/rules.ts',
        'const durationMs = holder.durationMs ?? me.durationMs;',
        'const durationMs = holder ? me.durationMs : 0;',
      ],
    ],
    profile: 'electors',
    seed: 1,
  },
  {
    name: 'ambiguous-write-taken-as-failed',
    breaks: 'a waiter that gives up after a write without an answer does not look whether it was done',
    edits: [
      ['lock/setbacks.ts', "known.inDoubt ||= answer.applied === 'unknown' && doing !== 'reading';", ''],
      ['lock/setbacks.ts', "known.inDoubt ||= answer.applied !== 'no' && doing !== 'reading';", ''],
    ],
    profile: 'network',
    seed: 2,
  },
  {
    name: 'ambiguous-claim-taken-as-done',
    breaks: 'a claim without an answer is started on',
    edits: [
      [
        'lock/acquire.ts',
        "if (answer.kind !== 'lease') return await onSetback(wait, answer, 'claiming');\n  const refused = onAnswer(wait, answer);",
        "if (answer.kind !== 'lease' && answer.kind !== 'failed') return await onSetback(wait, answer, 'claiming');\n  const refused = answer.kind === 'lease' ? onAnswer(wait, answer) : undefined;",
      ],
    ],
    profile: 'network',
    seed: 1,
  },
  {
    name: 'ambiguous-renewal-taken-as-done',
    breaks: 'a renewal without an answer counts',
    edits: [
      [
        'lock/renew.ts',
        'return known.sentAt === sentAt ? undefined : retryLater(held, answer);',
        'return onRenewed(held, sentAt);',
      ],
    ],
    profile: 'network',
    seed: 9,
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
    name: 'watch-event-trusted',
    breaks: 'who is shown as the holder by a watch event starts, without another write',
    edits: [
      [
        'lock/acquire.ts',
        '      return await claim(wait, decision);',
        "      if (decision.kind === 'confirm') return { kind: 'held', lock: hold(participant, { state: known.view.state, key: decision.key, sentAt: participant.clock.now() }, wait.emit) };\n      return await claim(wait, decision);",
      ],
    ],
    profile: 'network',
    seed: 6,
  },
  {
    name: 'stale-annotation-trusted',
    breaks: 'a holder annotation counts although the spec says otherwise',
    edits: [
      [
        'protocol/document.ts',
        "const agreed = named !== '' && annotated.some((holder) => holder.id === named);",
        'const agreed = annotated.length > 0;',
      ],
    ],
    profile: 'electors',
    seed: 1,
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
    edits: [['lock/acquire.ts', ' || clock.now() >= stopBy) return undefined;', ' || stopBy < 0) return undefined;']],
    profile: 'stalls',
    seed: 2,
  },
  {
    name: 'versions-compared-as-text',
    breaks: 'version 100000 is older than version 99999',
    edits: [['protocol/lease.ts', 'return a.length !== b.length ? a.length > b.length : a > b;', 'return a > b;']],
    profile: 'gentle',
    seed: 2,
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
        'if (!holders.has(key) && state.uid !== undefined && sighting.uid !== state.uid) {',
        'if (key === "") {',
      ],
    ],
    profile: 'deletions',
    seed: 12,
  },
  {
    name: 'stale-sighting-over-deletion',
    breaks: 'after a deletion, a holder is still dated by when I last saw it',
    edits: [
      ['protocol/sightings.ts', 'broken ? undefined : before?.holders.get(holder.key)', 'before?.holders.get(holder.key)'],
      ['protocol/sightings.ts', 'broken ? { ...sighting, at: reading.receivedAt, deadAt: undefined } : sighting', 'sighting'],
    ],
    profile: 'deletions',
    seed: 93,
  },
  {
    name: 'late-claim-confirmed-blindly',
    breaks: 'a claim that landed late is confirmed although a holder of the deleted Lease may still run',
    edits: [['protocol/rules.ts', 'if (heldBy.length > 0) return', 'if (heldBy.length < 0) return']],
    profile: 'deletions',
    seed: 14,
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
    seed: 201,
  },
  {
    name: 'unseen-hold',
    breaks: 'a whole hold that passed unseen does not start the claim windows anew',
    edits: [['protocol/sightings.ts', '(broken || before.state.transitions !== state.transitions)', 'broken']],
    profile: 'network',
    seed: 2,
  },
  {
    name: 'new-ticket-after-removal',
    breaks: 'a waiter that was passed over goes to the end of the queue',
    edits: [['protocol/rules.ts', 'waiting?.ticket ?? mine?.ticket ?? known;', 'waiting?.ticket ?? mine?.ticket;']],
    profile: 'network',
    seed: 2,
  },
  {
    name: 'unknown-fields-dropped',
    breaks: 'fields of the spec that this code does not know are not written back',
    edits: [['protocol/edit.ts', 'spec: { ...lease.spec, ...change.spec } };', 'spec: { ...change.spec } };']],
    profile: 'deeds',
    seed: 1,
  },
  {
    name: 'waiter-writes-spec',
    breaks: 'joining the queue touches renewTime',
    edits: [
      [
        'protocol/writes.ts',
        '    lock: { next: Math.max(state.next, ticket + 1) },\n',
        "    lock: { next: Math.max(state.next, ticket + 1) },\n    spec: { renewTime: me.since.replace('Z', '000Z') },\n",
      ],
    ],
    profile: 'gentle',
    seed: 1,
  },
  {
    name: 'renew-time-within-one-second',
    breaks: 'two renewals within one second look like none to client-go',
    edits: [['protocol/writes.ts', 'Math.max(written, last + 1000)', 'written']],
    profile: 'gentle',
    seed: 4,
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
    seed: 18,
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
    name: 'no-poll',
    breaks: 'nothing is read as long as the watch says nothing',
    edits: [['lock/wait.ts', 'if (wait.pollAt === NEVER) wait.pollAt = queueWatch.pollAt(decision.position);', '']],
    profile: 'network',
    seed: 8,
  },
  {
    name: 'only-the-newest-hint',
    breaks: 'of several watch events at once, only the newest is looked at',
    edits: [
      [
        'lock/queue-watch.ts',
        'hints.push({ event, receivedAt: clock.steady() });',
        'hints = [{ event, receivedAt: clock.steady() }];',
      ],
    ],
    profile: 'deletions',
    seed: 83,
  },
  {
    name: 'landed-mark-dated-now',
    breaks: 'an attempt that is seen to have landed is dated by when that is seen',
    edits: [['lock/renew.ts', '  onRenewed(held, landed);', '  onRenewed(held, held.participant.clock.now());']],
    profile: 'network',
    seed: 196,
  },
  {
    name: 'holder-keeps-queue-entry',
    breaks: 'who confirms a claim that came true late keeps the entry that he has put back into the queue',
    edits: [
      ['protocol/writes.ts', '    waiters: removed(keysOfMine(state.waiters, me)),\n    spec: heldSpec', '    spec: heldSpec'],
    ],
    profile: 'deletions',
    seed: 37,
  },
];

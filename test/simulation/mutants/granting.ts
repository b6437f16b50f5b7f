/** What may go wrong where a lock is handed to the next in line by whoever releases it. */
import type { Mutant } from './index.ts';

const EXPIRY = 'holder.granted && witnessed ? grantMsOf(statedMs) : statedMs';

export const GRANTING: readonly Mutant[] = [
  {
    name: 'grant-dated-by-its-arrival',
    breaks: 'a grant counts from when the news of it has come',
    edits: [['lock/acquire.ts', '} = known.shown;', '} = sending(wait);']],
    profile: 'direct',
    seed: 39,
  },
  {
    name: 'grant-dated-by-the-last-event',
    breaks: 'a grant counts from the last watch event that still showed its author waiting',
    edits: [
      [
        'lock/acquire.ts',
        'known.stop ??= mine?.stop;',
        'known.stop ??= mine?.stop; if (mine) known.shown = { at: participant.clock.now(), doubts: 0 };',
      ],
    ],
    profile: 'direct',
    seed: 20,
  },
  {
    name: 'grant-started-too-late',
    breaks: 'who is handed the lock starts, however old that may be',
    edits: [['lock/acquire.ts', 'clock.now() >= lastStart || ', 'lastStart < 0 || ']],
    profile: 'direct',
    seed: 1,
  },
  {
    name: 'grant-held-as-a-lease',
    breaks: 'who is handed the lock believes that it has it for its whole lease',
    edits: [['protocol/timings.ts', 'const durationMs = grantMsOf(leaseDurationMs);', 'const durationMs = leaseDurationMs;']],
    profile: 'direct',
    seed: 10,
  },
  {
    name: 'grant-cut-short',
    breaks: 'the others give less time to whom the lock was handed than it may take',
    edits: [['protocol/turns.ts', EXPIRY, EXPIRY.replace('grantMsOf(statedMs)', '(grantMsOf(statedMs) / 4)')]],
    profile: 'direct',
    seed: 2,
  },
  {
    name: 'grant-waited-out-as-a-lease',
    breaks: 'one that is dead when the lock is handed to it costs the others its whole lease',
    edits: [['protocol/turns.ts', EXPIRY, 'witnessed || true ? Math.max(statedMs, grantMsOf(statedMs)) : statedMs']],
    profile: 'direct-gentle',
    seed: 1,
  },
  {
    name: 'grace-on-a-grant',
    breaks: 'what was started on a grant gets its grace, although no write of its own has been answered',
    conduct: { graceOnGrant: true },
    profile: 'direct',
    seed: 110,
  },
  {
    name: 'grant-not-confirmed',
    breaks: 'who is handed the lock renews it when a lease would be due',
    edits: [['lock/hold.ts', 'const renewAt = grant ? participant.clock.now() : ', 'const renewAt = ']],
    profile: 'direct-gentle',
    seed: 1,
  },
  {
    name: 'grant-unseen-believed',
    breaks: 'who has not seen the lock being handed over takes a grant for new',
    edits: [['protocol/turns.ts', 'holder.granted && witnessed ?', '(holder.granted || witnessed) && holder.granted ?']],
    profile: 'direct-deleted',
    seed: 16,
  },
  {
    name: 'grant-to-two',
    breaks: 'a lock is handed to the first two in line',
    edits: [
      [
        'protocol/writes.ts',
        '...(successor && { [successor.key]: grantText(successor, { wall, mark }) }),',
        `...(successor && Object.fromEntries(state.waiters.filter((one) => one.key !== mine?.key).slice(0, 2)
          .map((one) => [one.key, grantText(one, { wall, mark })]))),`,
      ],
    ],
    profile: 'direct-gentle',
    seed: 1,
  },
  {
    name: 'grant-to-the-last',
    breaks: 'a lock is handed to the last in line',
    edits: [
      [
        'protocol/policies.ts',
        'const [first] = waiters.filter((waiter) => !isMe(waiter, me));',
        'const [first] = waiters.filter((waiter) => !isMe(waiter, me)).toReversed();',
      ],
    ],
    profile: 'direct-gentle',
    seed: 1,
  },
  {
    name: 'grant-to-one-who-leaves',
    breaks: 'a lock is handed to one that was asked to leave the queue',
    edits: [['protocol/policies.ts', '|| first.stop || coordinated', '|| coordinated']],
    profile: 'direct-deeds',
    seed: 2,
  },
  {
    name: 'grant-beside-others',
    breaks: 'one of several that share a lock hands it over as if it were free',
    edits: [['protocol/writes.ts', 'asHolder && !kept && others.length === 0 ? successorOf', 'asHolder && !kept ? successorOf']],
    profile: 'direct-policies',
    seed: 2,
  },
  {
    name: 'grant-kept-by-one-who-leaves',
    breaks: 'who leaves, and finds that the lock was handed to it, leaves it so',
    edits: [['protocol/writes.ts', 'if ((!mine || mine.ended) &&', 'if ((!mine || mine.ended || mine.granted) &&']],
    profile: 'direct',
    seed: 3,
  },
];

/** What may be got wrong about what participants do for each other: superseding, replacing, what stays of a hold. */
import type { Mutant } from './index.ts';

export const POLICIES: readonly Mutant[] = [
  {
    name: 'supersede-ignored',
    breaks: 'a waiter stays, whoever of its group has come',
    edits: [['protocol/rules.ts', "if (why) return { kind: 'skipped', why };\n  const misfit", 'const misfit']],
    profile: 'replaced',
    seed: 2,
  },
  {
    name: 'superseded-not-recorded',
    breaks: 'who slept while a newer one of its group had the lock comes back and runs',
    edits: [
      ['protocol/policies.ts', 'if (!newer && (superseded.get(group) ?? 0) <= came) return', 'if (!newer && superseded) return'],
    ],
    profile: 'replaced',
    seed: 3,
  },
  {
    name: 'superseded-by-the-older',
    breaks: 'a waiter gives up for any of its group, also for an older one',
    edits: [['protocol/policies.ts', 'entry.group === group && entry.came > came && !isMe', 'entry.group === group && !isMe']],
    profile: 'replaced',
    seed: 1,
  },
  {
    name: 'superseded-by-place',
    breaks: 'who is newer is judged by the places in the queue, and the newest has taken the place of the oldest',
    edits: [
      ['protocol/policies.ts', 'entry.group === group && entry.came > came', 'entry.group === group && entry.ticket > came'],
    ],
    profile: 'replaced',
    seed: 2,
  },
  {
    name: 'arrival-forgotten',
    breaks: 'who was removed comes back as if it had come when those came whose place it has taken',
    edits: [['protocol/rules.ts', 'mine?.came ?? knownCame ?? ticket;', 'mine?.came ?? (knownCame, ticket);']],
    profile: 'replaced',
    seed: 443,
  },
  {
    name: 'place-of-the-lesser',
    breaks: 'a newcomer of high priority takes the place of one of low priority, before others of its own',
    edits: [
      [
        'protocol/rules.ts',
        'filter(({ priority }) => priority >= me.priority)',
        'filter(({ priority }) => priority >= -me.priority)',
      ],
    ],
    profile: 'replaced',
    seed: 2,
  },
  {
    name: 'place-not-taken',
    breaks: 'each newer one of a group begins to wait anew',
    edits: [
      [
        'protocol/rules.ts',
        'Math.min(state.next, arrived, ...places.map(({ ticket }) => ticket))',
        'state.next + 0 * places.length',
      ],
    ],
    profile: 'replaced',
    seed: 2,
  },
  {
    name: 'replacement-ignored',
    breaks: 'a holder goes on, whoever wants to replace it',
    edits: [
      ['protocol/rules.ts', 'asked ?? (mine && replacementOf(state, mine, me))', 'asked ?? (mine && (replacementOf, undefined))'],
    ],
    profile: 'replaced',
    seed: 2,
  },
  {
    name: 'replacement-not-looked-for',
    breaks: 'a new holder does not look whether somebody who wants to replace it is waiting already',
    edits: [['lock/hold.ts', ' && judged.stop !== undefined', ' && judged.stop === null']],
    profile: 'replaced',
    seed: 2,
  },
  {
    name: 'replaced-by-the-older',
    breaks: 'a holder stops for one that came before it',
    edits: [
      [
        'protocol/policies.ts',
        'waiter.replaces && waiter.came > came && !isMe',
        'waiter.replaces && waiter.came !== came && !isMe',
      ],
    ],
    profile: 'replaced',
    seed: 2,
  },
  {
    name: 'refusal-to-be-replaced-ignored',
    breaks: 'a holder that may finish is stopped',
    edits: [['protocol/policies.ts', 'if (me.policies?.declines) return undefined;', '']],
    profile: 'replaced',
    seed: 2,
  },
  {
    name: 'renewal-forgets-when-it-came',
    breaks: 'a holder that stands where others stood writes that it came when they came',
    edits: [
      ['protocol/writes.ts', '{ since, came: cameOf(Number.parseInt(key, 10), came) }', '{ since, came: cameOf(came, 0) }'],
    ],
    profile: 'replaced',
    seed: 2,
  },
  {
    name: 'kept-not-at-all',
    breaks: 'a lock that should stay taken for a while is released',
    edits: [['protocol/writes.ts', 'asHolder && keepMs > 0 ?', 'asHolder && keepMs > 1e9 ?']],
    profile: 'spared',
    seed: 1,
  },
  {
    name: 'kept-and-free-at-once',
    breaks: 'a lock that was left taken is free for whoever sees that nothing runs any more',
    edits: [['protocol/turns.ts', 'holder.ended ? keptUntil(at, durationMs)', 'holder.ended ? at']],
    profile: 'spared',
    seed: 1,
  },
  {
    name: 'kept-cut-short-by-stamps',
    breaks: "by the API server's stamps, a lock that was left taken is free in half of the time",
    edits: [
      [
        'protocol/sightings.ts',
        'keptUntil(0 as Steady, durationMs) - silentMs',
        'keptUntil(0 as Steady, durationMs / 2) - silentMs',
      ],
    ],
    profile: 'sparse',
    seed: 1,
  },
  {
    name: 'kept-as-long-as-the-dead',
    breaks: 'who comes when the time is over waits as long as for a holder that has died',
    edits: [['protocol/sightings.ts', '  if (ended) return later(', '  if (ended && silentMs < 0) return later(']],
    profile: 'sparse',
    seed: 5,
  },
  {
    name: 'kept-from-its-end',
    breaks: 'the time for which the lock stays taken begins when the work ends',
    edits: [['lock/hold.ts', 'later(acquiredAt, keeps', 'later(clock.now(), keeps']],
    profile: 'spared',
    seed: 1,
  },
  {
    name: 'kept-from-who-asked',
    breaks: 'who has asked the holder to stop waits until the lock has been taken for its time',
    edits: [['lock/hold.ts', "work !== 'not-begun' && !stop.signal.aborted", "work !== 'not-begun' && stop !== undefined"]],
    profile: 'sparse',
    seed: 2,
  },
  {
    name: 'once-ignored',
    breaks: 'work that has succeeded for a key is done again',
    edits: [
      [
        'protocol/policies.ts',
        'once !== undefined && done.includes(once)',
        'once !== undefined && done.includes(once, KEYS_MOST)',
      ],
    ],
    profile: 'spared',
    seed: 1,
  },
  {
    name: 'once-of-a-failure',
    breaks: 'a key is remembered although the work has failed',
    edits: [['protocol/writes.ts', 'succeeded && once !== undefined &&', 'once !== undefined &&']],
    profile: 'spared',
    seed: 1,
  },
  {
    name: 'once-the-last-alone',
    breaks: 'one key drives out those before it',
    edits: [['protocol/policies.ts', 'key].slice(-KEYS_MOST)', 'key].slice(-1)']],
    profile: 'spared',
    seed: 1,
  },
];

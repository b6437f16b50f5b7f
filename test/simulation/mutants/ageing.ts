/** What may be got wrong about a priority that grows with the wait. */
import type { Mutant } from './index.ts';

export const AGEING: readonly Mutant[] = [
  {
    name: 'never-ages',
    breaks: 'a priority does not grow, however long the wait',
    edits: [['protocol/policies.ts', 'if (stepMs === 0 ||', 'if (stepMs !== 0 ||']],
    profile: 'ageing',
    seed: 2,
  },
  {
    name: 'age-not-written',
    breaks: 'each goes by its own age, of which the others do not know',
    edits: [['protocol/rules.ts', 'waiting?.priority ?? agedPriority(me, waitedMs)', 'agedPriority(me, waitedMs)']],
    profile: 'ageing',
    seed: 1,
  },
  {
    name: 'age-added-to-age',
    breaks: 'at each step the whole wait is added to what is written',
    edits: [
      [
        'protocol/rules.ts',
        ': agedPriority(me, waitedMs);\n  const lease',
        ': agedPriority({ ...me, priority: waiting?.priority ?? 0 }, waitedMs);\n  const lease',
      ],
    ],
    profile: 'ageing',
    seed: 1,
  },
  {
    name: 'ages-for-nothing',
    breaks: 'a step is written even where it changes no place',
    edits: [['protocol/policies.ts', '|| !overtaken)', '|| !ahead)']],
    profile: 'ageing',
    seed: 1,
  },
  {
    name: 'ages-too-early',
    breaks: 'a step is taken at its beginning',
    edits: [['protocol/policies.ts', 'Math.floor(waitedMs / stepMs)', 'Math.ceil(waitedMs / stepMs)']],
    profile: 'ageing',
    seed: 1,
  },
];

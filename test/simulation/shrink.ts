/**
 * Makes a failing run smaller: fewer participants, fewer kinds of trouble, less time, as long as the same invariant is broken. Each kind
 * of trouble draws from a stream of its own, so that the rest of the run often stays what it was.
 */

import type { Source } from './ours.ts';
import type { Plan } from './plan.ts';
import { type Outcome, type RunOptions, run } from './run.ts';

export interface Failing {
  plan: Plan;
  outcome: Outcome;
}

export async function shrink(failing: Failing, source: Source, options?: RunOptions): Promise<Failing> {
  let best = failing;
  const attempt = async (change: Partial<Plan>): Promise<boolean> => {
    const plan = { ...best.plan, ...change };
    const outcome = await run(plan, source, options);
    if (outcome.violation?.invariant !== best.outcome.violation?.invariant) return false;
    best = { plan, outcome };
    return true;
  };
  let before: Failing | undefined;
  while (before !== best) {
    before = best;
    for (const fault of best.plan.faults) await attempt({ faults: best.plan.faults.filter((other) => other !== fault) });
    for (let less = best.plan.participants - 1; less >= 1 && (await attempt({ participants: less })); less -= 1);
  }
  const minutes = Math.ceil((best.outcome.violation?.at ?? 0) / 60_000);
  if (minutes < best.plan.minutes) await attempt({ minutes });
  return best;
}

export const commandFor = ({ seed, minutes, participants, faults }: Plan): string =>
  `npm run simulate -- --seed ${seed} --minutes ${minutes} --participants ${participants} --faults ${faults.join(',') || 'none'}`;

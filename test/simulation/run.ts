/**
 * One run: machines, what lives on them, and the troubles of the plan, until the time is over or an invariant is broken; then a quiet end in
 * which everybody who still waits must be served. The same plan and the same code give the same run.
 */
import type { Violation } from './checker/index.ts';
import type { Conduct, Source } from './ours.ts';
import type { Plan } from './plan.ts';
import { populate } from './population.ts';
import { populateWithSeveral } from './several.ts';
import { fail, newStage, type Stage } from './stage.ts';
import type { StoryOptions } from './story.ts';
import { startTroubles } from './troubles.ts';

export interface Outcome {
  violation: Violation | undefined;
  steps: number;
  simulatedMs: number;
  starts: number;
  story: string;
}

/** How long the quiet end may take: everybody in a long queue works, and the dead have to expire. */
const QUIET_MS = 4 * 3_600_000;
const SWEEP_MS = 5000;

export interface RunOptions {
  conduct?: Conduct | undefined;
  story?: StoryOptions | undefined;
}

export async function run(plan: Plan, source: Source, { conduct = {}, story: telling }: RunOptions = {}): Promise<Outcome> {
  const stage = newStage(plan, telling);
  const { world, checker, story } = stage;
  const onRejection = (error: unknown) => fail(stage, error);
  process.on('unhandledRejection', onRejection);
  if (stage.given('several')) populateWithSeveral(stage, plan.participants, source);
  else populate(stage, plan.participants, { source, conduct });
  startTroubles(stage);
  startSweeping(stage);
  let steps = 0;
  try {
    steps += await world.run(plan.minutes * 60_000, () => checker.violation !== undefined);
    stage.end();
    const end = world.now() + QUIET_MS;
    steps += await world.run(end, () => checker.violation !== undefined || isQuiet(stage));
    if (world.now() >= end) fail(stage, new Error('somebody still waits after the quiet end'));
  } catch (error) {
    fail(stage, error);
  } finally {
    process.removeListener('unhandledRejection', onRejection);
  }
  for (const life of stage.alive) life.process.crash();
  const { violation, starts } = checker;
  return { violation, steps, simulatedMs: world.now(), starts, story: story.tell(violation) };
}

const isQuiet = ({ alive }: Stage): boolean => [...alive].every(({ ours }) => !ours || ours.state() === 'over');

function startSweeping(stage: Stage): void {
  const { world, network, checker } = stage;
  const sweep = () => {
    if (network.isRough()) stage.disturbedAt = world.now();
    checker.sweep(world.now(), stage.disturbedAt);
    world.at(world.now() + SWEEP_MS, sweep);
    return false;
  };
  world.at(SWEEP_MS, sweep);
}

/** All that one run has in common: true time, the server, the network, who listens, and which troubles there are. */
import { type Checker, newChecker } from './checker/index.ts';
import { newSeveralChecker } from './checker/several.ts';
import type { Surroundings } from './client.ts';
import type { Author, Listener } from './history.ts';
import { newNetwork } from './network.ts';
import type { Ours } from './ours.ts';
import type { Plan } from './plan.ts';
import type { Process } from './process.ts';
import { randomOf } from './random.ts';
import { newServer, type Server } from './server.ts';
import { newStory, type Story, type StoryOptions } from './story.ts';
import { newWorld } from './world.ts';

export interface Stage extends Surroundings {
  seed: number;
  checker: Checker;
  story: Story;
  /** Whether the plan has this trouble. */
  given(fault: string): boolean;
  /** Whether it still may strike: not in the quiet end. */
  has(fault: string): boolean;
  /** From now on nothing goes wrong any more. */
  end(): void;
  readonly ending: boolean;
  /** Until when something has gone on that may hinder everybody. */
  disturbedAt: number;
  readonly alive: Set<Life>;
}

/** One run of one participant. */
export interface Life {
  process: Process;
  ours?: Ours;
}

/** Nothing of these can keep anybody else from being punctual. */
const HARMLESS = ['direct', 'crash', 'impatience', 'priority', 'idle'];

export function newStage({ seed, faults }: Plan, telling: StoryOptions | undefined): Stage {
  const world = newWorld();
  let ending = false;
  const all = new Set(faults);
  const given = (fault: string) => all.has(fault);
  const has = (fault: string) => !ending && given(fault);
  const checker = given('several')
    ? newSeveralChecker()
    : newChecker({
        drift: given('drift') || given('leap') || given('suspend'),
        skew: given('skew') || given('step'),
        stampsLie: given('step'),
        gentle: faults.every((fault) => HARMLESS.includes(fault)),
      });
  const story = newStory(telling);
  const listen: Listener = (at, occurrence) => {
    story.take(at, occurrence);
    checker.take(at, occurrence);
  };
  const server = newServer(world, {
    random: randomOf(seed, 'server'),
    skewsMs: skewsOf(seed, given('skew')),
    tracks: !given('untracked'),
  });
  const network = newNetwork(world, { random: randomOf(seed, 'network'), has });
  hear({ world, listen }, server);
  return {
    ...{ seed, world, server, network, checker, story, listen, given, has },
    random: randomOf(seed, 'client'),
    end() {
      ending = true;
    },
    get ending() {
      return ending;
    },
    disturbedAt: 0,
    alive: new Set(),
  };
}

/** What comes true on an API server, in true time. */
export function hear({ world, listen }: Pick<Stage, 'world' | 'listen'>, server: Server): void {
  server.onCommit(({ write: { author, sent, deed }, before, after }) => {
    listen(world.now(), { type: 'commit', author, before, after, ...(sent && { sent }), ...(deed && { deed }) });
  });
}

/** How far the clocks of the API servers are from true time. */
function skewsOf(seed: number, skewed: boolean): [number, ...number[]] {
  if (!skewed) return [0];
  const random = randomOf(seed, 'skew');
  return [random.between(-25_000, 25_000), random.between(-25_000, 25_000), 0];
}

const SOMEBODY: Author = { name: 'somebody', kind: 'ours', id: '', nonce: '', durationMs: 0 };

/** Something that must not happen to code under test, whatever the run. */
export function fail({ world, listen }: Stage, error: unknown): void {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  listen(world.now(), { type: 'told', author: SOMEBODY, text: `threw ${text}` });
}

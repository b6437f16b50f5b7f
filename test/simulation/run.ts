/**
 * One run: machines, what lives on them, and the troubles of the plan, until the time is over or an invariant is broken; then a quiet end in
 * which everybody who still waits must be served. The same plan and the same code give the same run.
 */
import { doDeed } from './admin.ts';
import { newChecker, type Violation } from './checker.ts';
import type { Surroundings } from './client.ts';
import { docOf } from './document.ts';
import { newElector } from './elector.ts';
import type { Listener } from './history.ts';
import { newLegacy } from './legacy.ts';
import { newNetwork } from './network.ts';
import { type Conduct, newOurs, type Ours, type Source } from './ours.ts';
import { type Machine, machineOf, type Plan } from './plan.ts';
import { newProcess, type Process } from './process.ts';
import { randomOf } from './random.ts';
import { newServer } from './server.ts';
import { newStory, type StoryOptions } from './story.ts';
import { newWorld } from './world.ts';
import { kindOf } from './writes.ts';

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
  const { seed } = plan;
  const world = newWorld();
  let ending = false;
  const given = new Set(plan.faults);
  const has = (fault: string) => !ending && given.has(fault);
  const gentle = plan.faults.every((fault) => ['crash', 'impatience', 'priority', 'idle'].includes(fault));
  const checker = newChecker({ drift: given.has('drift'), skew: given.has('skew'), gentle });
  const story = newStory(telling);
  const listen: Listener = (at, occurrence) => {
    story.take(at, occurrence);
    checker.take(at, occurrence);
  };
  const skews = randomOf(seed, 'skew');
  const skewsMs: [number, ...number[]] = given.has('skew')
    ? [skews.between(-25_000, 25_000), skews.between(-25_000, 25_000), 0]
    : [0];
  const server = newServer(world, { random: randomOf(seed, 'server'), skewsMs });
  const network = newNetwork(world, { random: randomOf(seed, 'network'), has });
  const around: Surroundings = { world, server, network, random: randomOf(seed, 'client'), listen };
  server.onCommit(({ write, before, after }) => {
    listen(world.now(), {
      type: 'commit',
      author: write.author,
      before,
      after,
      ...(write.sent && { sent: write.sent }),
      ...(write.deed && { deed: write.deed }),
    });
  });
  let disturbedAt = 0;
  const alive = new Set<{ process: Process; ours?: Ours }>();

  const fail = (error: unknown) => {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    listen(world.now(), {
      type: 'told',
      author: { name: 'somebody', kind: 'ours', id: '', nonce: '', durationMs: 0 },
      text: `threw ${text}`,
    });
  };
  process.on('unhandledRejection', fail);

  function populate(name: string, kind: 'ours' | 'elector' | 'legacy'): void {
    const random = randomOf(seed, name);
    const machine: Machine = machineOf(random, has);
    let lives = 0;
    const idleMs = given.has('idle') ? 150_000 : 20_000;
    const live = () => {
      if (ending) return false;
      lives += 1;
      const nonce = `${name}${lives}`;
      const theirs = newProcess(world, { ...machine, latenessMs: random.chance(0.1) ? 40 : 2, random });
      const options = { process: theirs, random, name, nonce };
      const again = (afterMs: number) => world.at(world.now() + afterMs, live);
      const entry: { process: Process; ours?: Ours } = { process: theirs };
      alive.add(entry);
      const over = (afterMs: number) => {
        if (!alive.delete(entry)) return;
        again(afterMs);
      };
      const crashAt = has('crash') && random.chance(0.15) ? random.about(20_000) : undefined;
      if (kind === 'ours') {
        const id = has('same-id') && random.chance(0.3) ? 'shared' : random.chance(0.5) ? name : nonce;
        entry.ours = newOurs(around, { ...options, id, source, conduct, has });
        entry.ours.done.then(
          () => over(random.about(idleMs)),
          () => over(random.about(idleMs)),
        );
      } else {
        const foreign = kind === 'elector' ? newElector(around, options) : newLegacy(around, options);
        const done = () => over(random.about(60_000));
        foreign.done.then(done, done);
        if (crashAt !== undefined) {
          world.at(world.now() + crashAt, () => {
            foreign.crash();
            over(random.about(idleMs * 1.5));
            return false;
          });
        }
      }
      const { ours } = entry;
      if (ours && crashAt !== undefined) {
        world.at(world.now() + crashAt, () => {
          if (!alive.has(entry)) return false;
          ours.crash();
          over(random.about(idleMs * 1.5));
          return true;
        });
      }
      return true;
    };
    world.at(random.between(0, 10_000), live);
  }

  function trouble(fault: string, everyMs: number, cause: (random: ReturnType<typeof randomOf>) => boolean): void {
    const random = randomOf(seed, `trouble/${fault}`);
    if (!given.has(fault)) return;
    const strike = () => {
      if (!has(fault)) return false;
      const ran = cause(random);
      world.at(world.now() + random.about(everyMs), strike);
      return ran;
    };
    world.at(random.about(everyMs), strike);
  }

  function suspend(theirs: Process, ours: Ours | undefined, ms: number): void {
    theirs.pause(ms);
    if (!ours) return;
    const { author } = ours;
    listen(world.now(), {
      type: 'troubled',
      author,
      source: 'process',
      by: `paused for ${(ms / 1000).toFixed(1)}s`,
      lasting: true,
    });
    world.at(world.now() + ms + 1, () => {
      if (!theirs.paused) listen(world.now(), { type: 'troubled', author, source: 'process', by: 'resumed' });
      return false;
    });
  }

  for (let i = 0; i < plan.participants; i += 1) populate(NAMES[i] ?? `p${i}`, 'ours');
  if (given.has('elector')) for (const name of ['elector-a', 'elector-b']) populate(name, 'elector');
  if (given.has('legacy')) for (const name of ['legacy-a', 'legacy-b']) populate(name, 'legacy');

  trouble('pause', 40_000, (random) => {
    for (const { process: theirs, ours } of alive) {
      if (!random.chance(0.2)) continue;
      suspend(theirs, ours, random.about(20_000));
    }
    return false;
  });
  // A pause just as a claim comes true: its answer is there when the process wakes, and the lock is no longer its own.
  const stalls = randomOf(seed, 'stalls');
  server.onCommit(({ write: { author }, before, after }) => {
    if (author.kind !== 'ours' || !after || kindOf(author, before && docOf(before), docOf(after)) !== 'claim') return;
    // Or its answer is the last that it ever gets: what it believes of its deadline must be right from the first write on.
    if (has('cut') && stalls.chance(0.2)) network.cutOff(author.name, author.durationMs * stalls.between(0.5, 1.5));
    if (!has('stall') || !stalls.chance(0.1)) return;
    for (const { process: theirs, ours } of alive) {
      if (ours?.author === author) suspend(theirs, ours, author.durationMs * stalls.between(0.2, 1.5));
    }
  });
  trouble('wall', 60_000, (random) => {
    for (const { process: theirs } of alive) if (random.chance(0.2)) theirs.jumpWall(random.between(-7_200_000, 7_200_000));
    return false;
  });
  const told = (author: Parameters<Listener>[1]['author'], text: string) => listen(world.now(), { type: 'told', author, text });
  for (const deed of ['delete', 'unlock', 'clear', 'spoil', 'stop', 'adorn', 'tracking', 'version', 'coordinate']) {
    trouble(deed, deed === 'delete' ? 80_000 : 200_000, (random) => {
      if (doDeed({ world, server, random, has: (fault) => fault === deed, told })) disturbedAt = world.now() + 10_000;
      return false;
    });
  }
  const sweep = () => {
    if (network.isRough()) disturbedAt = world.now();
    checker.sweep(world.now(), disturbedAt);
    world.at(world.now() + SWEEP_MS, sweep);
    return false;
  };
  world.at(SWEEP_MS, sweep);

  let steps = 0;
  try {
    steps += await world.run(plan.minutes * 60_000, () => checker.violation !== undefined);
    ending = true;
    const end = world.now() + QUIET_MS;
    steps += await world.run(
      end,
      () => checker.violation !== undefined || [...alive].every(({ ours }) => !ours || ours.state() === 'over'),
    );
    if (world.now() >= end) fail(new Error('somebody still waits after the quiet end'));
  } catch (error) {
    fail(error);
  } finally {
    process.removeListener('unhandledRejection', fail);
  }
  for (const { process: theirs } of alive) theirs.crash();
  return {
    violation: checker.violation,
    steps,
    simulatedMs: world.now(),
    starts: checker.starts,
    story: story.tell(checker.violation),
  };
}

const NAMES = [
  'alice',
  'bob',
  'carol',
  'dave',
  'erin',
  'frank',
  'grace',
  'heidi',
  'ivan',
  'judy',
  'kim',
  'leo',
  'mia',
  'nina',
  'oscar',
  'pia',
  'quinn',
  'rosa',
  'sam',
  'tina',
];

/** What goes wrong beside the network: machines that pause, wall clocks that jump, and an administrator. Each draws from a stream of its own. */
import { doDeed } from './admin.ts';
import { kindOf } from './checker/writes.ts';
import { docOf } from './document.ts';
import { DEEDS } from './plan.ts';
import { type Random, randomOf } from './random.ts';
import type { Life, Stage } from './stage.ts';

export function startTroubles(stage: Stage): void {
  pauses(stage);
  stalls(stage);
  const wall = (random: Random) => {
    for (const { process } of stage.alive) if (random.chance(0.2)) process.jumpWall(random.between(-7_200_000, 7_200_000));
    return false;
  };
  recur(stage, 'wall', 60_000, wall);
  clocks(stage);
  exile(stage);
  for (const deed of DEEDS) administrate(stage, deed);
}

/** Clocks of one machine that go apart, and those of API servers that step. */
function clocks(stage: Stage): void {
  const { server, world, listen } = stage;
  recur(stage, 'step', 100_000, (random) => {
    server.step(random.between(-600_000, 600_000));
    return false;
  });
  recur(stage, 'leap', 60_000, (random) => {
    for (const { process, ours } of stage.alive) {
      if (!ours || !random.chance(0.2)) continue;
      listen(world.now(), {
        type: 'troubled',
        author: ours.author,
        source: 'clock',
        by: 'its clock leaps',
      });
      process.leap(random.about(60_000), random.chance(0.5));
    }
    return false;
  });
  // Whoever holds the lock is not suspended: what its command does in the moment in which it wakes, nobody can promise.
  recur(stage, 'suspend', 60_000, (random) => {
    for (const life of stage.alive) {
      if (life.ours?.state() === 'waiting' && random.chance(0.3))
        suspend(stage, life, { ms: random.about(60_000), steadyToo: true });
    }
    return false;
  });
}

/** One participant reaches no API server for hours. */
function exile(stage: Stage): void {
  recur(stage, 'exile', 200_000, (random) => {
    const names = [...stage.alive].flatMap(({ ours }) => (ours ? [ours.author.name] : []));
    const name = names[Math.floor(random.next() * names.length)];
    if (name) stage.network.cutOff(name, random.between(600_000, 3 * 3_600_000));
    // What is on its way to it is lost with the connection, and nobody tells it.
    for (const { ours } of stage.alive) {
      if (!ours || ours.author.name !== name) continue;
      stage.listen(stage.world.now(), { type: 'troubled', author: ours.author, source: 'watch', by: 'exiled', lasting: true });
    }
    return false;
  });
}

function recur(stage: Stage, fault: string, everyMs: number, cause: (random: Random) => boolean): void {
  const { world } = stage;
  const random = randomOf(stage.seed, `trouble/${fault}`);
  if (!stage.given(fault)) return;
  const strike = () => {
    if (!stage.has(fault)) return false;
    const ran = cause(random);
    world.at(world.now() + random.about(everyMs), strike);
    return ran;
  };
  world.at(random.about(everyMs), strike);
}

function pauses(stage: Stage): void {
  recur(stage, 'pause', 40_000, (random) => {
    for (const life of stage.alive) if (random.chance(0.2)) suspend(stage, life, { ms: random.about(20_000) });
    return false;
  });
}

/** A pause just as a claim comes true: its answer is there when the process wakes, and the lock is no longer its own. */
function stalls(stage: Stage): void {
  const { server, network, has } = stage;
  const random = randomOf(stage.seed, 'stalls');
  server.onCommit(({ write: { author }, before, after }) => {
    if (author.kind !== 'ours' || !after || kindOf(author, before && docOf(before), docOf(after)) !== 'claim') return;
    // Or its answer is the last that it ever gets: what it believes of its deadline must be right from the first write on.
    if (has('cut') && random.chance(0.2)) network.cutOff(author.name, author.durationMs * random.between(0.5, 1.5));
    if (!has('stall') || !random.chance(0.1)) return;
    for (const life of stage.alive) {
      if (life.ours?.author === author) suspend(stage, life, { ms: author.durationMs * random.between(0.2, 1.5) });
    }
  });
}

function suspend(
  { world, listen }: Stage,
  { process, ours }: Life,
  { ms, steadyToo = false }: { ms: number; steadyToo?: boolean },
): void {
  if (steadyToo) process.suspend(ms);
  else process.pause(ms);
  if (!ours) return;
  const { author } = ours;
  const by = `paused for ${(ms / 1000).toFixed(1)}s`;
  listen(world.now(), { type: 'troubled', author, source: 'process', by, lasting: true });
  world.at(world.now() + ms + 1, () => {
    if (process.alive && !process.paused) listen(world.now(), { type: 'troubled', author, source: 'process', by: 'resumed' });
    return false;
  });
}

/** Its traces may hinder everybody for so long. */
const AFTER_DEED_MS = 10_000;

function administrate(stage: Stage, deed: string): void {
  const { world, server, listen } = stage;
  // Often: before a holder's duration is over, and again before its waiters have come back.
  const everyMs = deed !== 'delete' ? 200_000 : stage.given('delete-often') ? 8000 : 80_000;
  recur(stage, deed, everyMs, (random) => {
    const done = doDeed({
      world,
      server,
      random,
      has: (fault) => fault === deed,
      told: (author, text) => listen(world.now(), { type: 'told', author, text }),
    });
    // What follows from a deletion is judged by what each knows of it.
    if (done && deed !== 'delete') stage.disturbedAt = world.now() + AFTER_DEED_MS;
    return false;
  });
}

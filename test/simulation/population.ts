/** Who takes part: each name lives again and again, on one machine, from its arrival until it is done, gives up or crashes. */
import { newElector } from './elector.ts';
import { newLegacy } from './legacy.ts';
import { type Conduct, newOurs, type Source } from './ours.ts';
import { machineOf } from './plan.ts';
import { newProcess } from './process.ts';
import { type Random, randomOf } from './random.ts';
import type { Life, Stage } from './stage.ts';

/** What all of ours are made of. */
export interface Making {
  source: Source;
  conduct: Conduct;
}

export function populate(stage: Stage, participants: number, making: Making): void {
  const settle = (name: string, kind: Kind) => inhabit(stage, { name, kind, making });
  if (stage.given('flood')) flood(stage, participants, making);
  else for (let i = 0; i < participants; i += 1) settle(NAMES[i] ?? `p${i}`, 'ours');
  if (stage.given('elector')) for (const name of ['elector-a', 'elector-b']) settle(name, 'elector');
  if (stage.given('nameless')) settle('nameless', 'nameless');
  if (stage.given('legacy')) for (const name of ['legacy-a', 'legacy-b']) settle(name, 'legacy');
}

type Kind = 'ours' | 'elector' | 'legacy' | 'nameless';

interface Inhabitant {
  name: string;
  kind: Kind;
  making: Making;
}

function inhabit(stage: Stage, { name, kind, making }: Inhabitant): void {
  const { world, has, given } = stage;
  const random = randomOf(stage.seed, name);
  const machine = machineOf(random, has);
  const idleMs = given('idle') ? 150_000 : 20_000;
  let lives = 0;
  const live = (): boolean => {
    if (stage.ending) return false;
    lives += 1;
    const nonce = `${name}${lives}`;
    const process = newProcess(world, { ...machine, latenessMs: random.chance(0.1) ? 40 : 2, random });
    const life: Life = { process };
    stage.alive.add(life);
    const over = (afterMs: number) => {
      if (stage.alive.delete(life)) world.at(world.now() + afterMs, live);
    };
    const crashAt = has('crash') && random.chance(0.15) ? random.about(20_000) : undefined;
    const options = { process, random, name, nonce };
    const one = kind === 'ours' ? ours(stage, life, { ...options, making }) : foreign(stage, kind, options);
    const done = () => over(random.about(kind === 'ours' ? idleMs : 60_000));
    one.done.then(done, done);
    if (crashAt !== undefined) {
      world.at(world.now() + crashAt, () => {
        if (kind === 'ours' && !stage.alive.has(life)) return false;
        one.crash();
        over(random.about(idleMs * 1.5));
        return kind === 'ours';
      });
    }
    return true;
  };
  world.at(random.between(0, 10_000), live);
}

interface LifeOptions {
  process: Life['process'];
  random: Random;
  name: string;
  nonce: string;
}

function ours(stage: Stage, life: Life, { making, ...options }: LifeOptions & { making: Making }) {
  const { random, name, nonce } = options;
  const id = stage.has('same-id') && random.chance(0.3) ? 'shared' : random.chance(0.5) ? name : nonce;
  life.ours = newOurs(stage, { ...options, ...making, id, has: stage.has });
  return life.ours;
}

const foreign = (stage: Stage, kind: Exclude<Kind, 'ours'>, options: LifeOptions) =>
  kind === 'elector' ? newElector(stage, options) : newLegacy(stage, { ...options, nameless: kind === 'nameless' });

/** A crowd that comes within a second, each once: as when a deploy starts three hundred Jobs. */
function flood(stage: Stage, crowd: number, making: Making): void {
  const { world, seed } = stage;
  const random = randomOf(seed, 'flood');
  const from = random.between(10_000, 60_000);
  for (let i = 0; i < crowd; i += 1) {
    const name = `f${i}`;
    const machine = machineOf(random, stage.has);
    world.at(from + random.between(0, 1000), () => {
      const life: Life = { process: newProcess(world, { ...machine, latenessMs: 2, random }) };
      stage.alive.add(life);
      const over = () => void stage.alive.delete(life);
      ours(stage, life, { process: life.process, random, name, nonce: name, making }).done.then(over, over);
      return true;
    });
  }
}

const NAMES = [
  ...['alice', 'bob', 'carol', 'dave', 'erin', 'frank', 'grace', 'heidi', 'ivan', 'judy'],
  ...['kim', 'leo', 'mia', 'nina', 'oscar', 'pia', 'quinn', 'rosa', 'sam', 'tina'],
];

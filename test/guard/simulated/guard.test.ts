/**
 * The real guard and the real lock, on an API server in memory and a simulated supervisor, through what random seeds make happen to them. Whatever that
 * is: nobody else has the lock while the command runs, the command starts at most once, and the guard ends.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Clock, Monotonic } from '../../../src/clock.ts';
import { type GuardOutcome, guard } from '../../../src/guard/guard.ts';
import type { HeldLock } from '../../../src/lock/index.ts';
import { always, type Contender } from '../../harness/contender.ts';
import { type World, world } from '../../harness/contenders.ts';
import { type ManualClock, SECOND } from '../../harness/manual-clock.ts';
import { type Random, randomOf } from '../../simulation/random.ts';
import { type Behaviour, simulate } from './supervisor.ts';

const NEVER = Number.POSITIVE_INFINITY;
const LIMIT_MS = 3600 * SECOND;
const STEP_MS = 250;
/** The grace, and what a request may take. */
const STOPPING_MS = 10_000 + 12_000;

function behaviourOf(random: Random): Behaviour {
  const rarely = (mean: number) => (random.chance(0.3) ? random.about(mean) : NEVER);
  return {
    delayMs: random.pick([0, 5, 200, 2000]),
    livesMs: random.pick([0, 10, 5000, 100_000, 400_000]),
    orphansLiveMs: random.pick([0, 0, 1000, 60_000]),
    endsInMs: random.pick([0, 1000, 8000, NEVER]),
    missing: random.chance(0.03),
    stoppedAt: rarely(60_000),
    stoppedForMs: random.pick([1000, 20_000, 300_000]),
    strays: random.chance(0.5),
    underFirst: random.chance(0.5),
    killedAt: random.chance(0.15) ? random.about(60_000) : NEVER,
  };
}

interface Run {
  outcome: GuardOutcome;
  starts: number;
  /** How the run is told if it went wrong. */
  story: string[];
}

/** Another contender, who takes the lock whenever it can, for a moment. */
async function compete({ contender, clock }: World, held: (by: HeldLock | undefined) => void, over: AbortSignal): Promise<void> {
  const bob = contender('bob', { nonce: 'bobnonce00' });
  while (!over.aborted) {
    const acquisition = await bob.acquire({ signal: over });
    if (acquisition.kind !== 'held') return;
    held(acquisition.lock);
    await new Promise<void>((resolve) => after(clock, 3000, resolve));
    held(undefined);
    await acquisition.lock.release();
    await new Promise<void>((resolve) => after(clock, 5000, resolve));
  }
}

/** As the command line's unlock does. */
function askToStop({ annotate }: World): void {
  const stop = JSON.stringify({ v: 1, next: 1000, stop: { holder: 'alice', by: 'ops', kind: 'unlock', reason: 'test' } });
  annotate((annotations) => ({ ...annotations, 'lease-lock.nullplatform.com/lock': stop }));
}

/** Alice's process: while it is frozen nothing of it happens, and everything that should have does afterwards. */
function freezer(clock: ManualClock) {
  let frozen = false;
  let kept: (() => void)[] = [];
  const deliver = (happen: () => void) => (frozen ? void kept.push(happen) : happen());
  const own: Clock = { ...clock, at: (when, fire) => clock.at(when, () => deliver(fire)) };
  let total = 0;
  return {
    frozenMs: () => total,
    clock: own,
    deliver,
    freeze(ms: number) {
      frozen = true;
      total += ms;
      after(clock, ms, () => {
        frozen = false;
        for (const happen of kept.splice(0)) happen();
        kept = [];
      });
    },
  };
}

const after = (clock: ManualClock, ms: number, happen: () => void) => clock.at((clock.now() + ms) as Monotonic, happen);

/** What happens to alice. (Deletions of the Lease are simulated with the lock alone: there a newcomer may be first.) */
function disturb(around: World, alice: Contender, { random, freeze }: { random: Random; freeze(ms: number): void }): void {
  const later = (happen: () => void) => after(around.clock, random.about(90_000), happen);
  if (random.chance(0.3)) later(() => freeze(random.pick([1000, 30_000, 200_000])));
  if (random.chance(0.2)) later(() => askToStop(around));
  if (random.chance(0.5))
    later(() =>
      alice.disturb(
        'PUT',
        ...Array.from({ length: 1 + Math.floor(random.between(0, 6)) }, () => random.pick(['request', 'answer'] as const)),
      ),
    );
  if (random.chance(0.2))
    later(() => {
      alice.disturb('PUT', ...always('request' as const));
      alice.disturb('GET', ...always('request' as const));
      alice.deafen();
    });
  if (random.chance(0.2)) after(around.clock, random.about(random.pick([2000, 90_000])), hangUp);
}

/** Not SIGTERM, which the runner of these tests would take for itself. */
const hangUp = () => void process.emit('SIGHUP');

async function play(seed: number): Promise<Run> {
  const random = randomOf(seed, 'guard');
  const around = world();
  const { clock } = around;
  const alice = around.contender('alice', { durationMs: 60_000, killGraceMs: 10_000, nonce: 'alicenonce' });
  const is = behaviourOf(random);
  const process = freezer(clock);
  const { opened, command } = simulate({ clock, random: randomOf(seed, 'supervisor'), deliver: process.deliver }, is);
  const story = [JSON.stringify(is)];
  const over = new AbortController();
  let bob: HeldLock | undefined;
  void compete(
    around,
    (by) => {
      bob = by;
    },
    over.signal,
  );
  await clock.advance(random.between(0, 4000));
  const calm = random.chance(0.3);
  if (!calm) disturb(around, alice, { random, freeze: process.freeze });
  let outcome: GuardOutcome | undefined;
  let stopAskedAt = NEVER;
  const running = guard({
    participant: { ...alice.participant, clock: process.clock },
    argv: ['/bin/true'],
    env: {},
    timeoutMs: random.chance(0.2) ? random.about(30_000) : undefined,
    onBusy: 'wait',
    whenLost: 'stop',
    orphans: random.pick(['stop', 'wait'] as const),
    endWithinMs: random.chance(0.3) ? 3000 : undefined,
    openSupervisor: async () => opened,
    log: Object.assign((_level: string, message: string) => void story.push(`${clock.now()} ${message}`), {
      flush: async () => {},
    }),
    logFormat: 'text',
    onEvent({ type }) {
      story.push(`${clock.now()} ${type}`);
      if (type === 'stop-requested') stopAskedAt = clock.now();
      if (type === 'released') assert.ok(!command.runs(), `seed ${seed}: released while the command runs\n${story.join('\n')}`);
    },
  }).then((ended) => {
    outcome = ended;
  });
  while (!outcome && clock.now() < LIMIT_MS) {
    await clock.advance(STEP_MS);
    if (bob && !bob.isLost())
      assert.ok(!command.runs(), `seed ${seed}: bob has the lock while alice's command runs\n${story.join('\n')}`);
  }
  assert.ok(outcome, `seed ${seed}: the guard does not end\n${story.join('\n')}`);
  await running;
  if (calm) {
    assert.equal(command.deadlines, 0, `seed ${seed}: a command whose lock was renewed met its deadline\n${story.join('\n')}`);
    assert.ok(command.longestStopMs < 60_000, `seed ${seed}: its supervisor was stopped for ${command.longestStopMs} ms`);
  }
  if (outcome.kind === 'stopped')
    assert.ok(
      clock.now() - stopAskedAt < STOPPING_MS + is.delayMs * 8 + process.frozenMs(),
      `seed ${seed}: stopped after ${clock.now() - stopAskedAt} ms\n${story.join('\n')}`,
    );
  assert.ok(command.lost() || !command.runs(), `seed ${seed}: the guard has ended before its command\n${story.join('\n')}`);
  over.abort();
  await clock.advance(10 * SECOND);
  return { outcome, starts: command.starts, story };
}

const SEEDS = Number(process.env.GUARD_SEEDS ?? 300);

test(`${SEEDS} runs of the guard: nobody else has the lock while its command runs, and it ends`, async () => {
  const kinds = new Map<string, number>();
  for (let seed = 1; seed <= SEEDS; seed++) {
    const { outcome, starts, story } = await play(seed);
    kinds.set(outcome.kind, (kinds.get(outcome.kind) ?? 0) + 1);
    assert.ok(starts <= 1, `seed ${seed}: started ${starts} times`);
    if (outcome.kind === 'ended') assert.equal(starts, 1, `seed ${seed}\n${story.join('\n')}`);
    if (['interrupted', 'not-acquired', 'not-started'].includes(outcome.kind))
      assert.equal(starts, 0, `seed ${seed}\n${story.join('\n')}`);
  }
  // All the ways in which it can end have come up.
  for (const kind of ['ended', 'lost', 'interrupted', 'not-acquired', 'not-started', 'unsupervised', 'overdue', 'stopped'])
    assert.ok(kinds.has(kind), `none of ${SEEDS} runs is ${kind}: ${[...kinds.keys()]}`);
});

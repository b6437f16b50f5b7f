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
import { behaviourOf } from './behaviour.ts';
import { simulate } from './supervisor.ts';

const NEVER = Number.POSITIVE_INFINITY;
const LIMIT_MS = 3600 * SECOND;
const STEP_MS = 250;
/** The grace, and what a request may take. */
const STOPPING_MS = 10_000 + 12_000;

interface Run {
  outcome: GuardOutcome;
  starts: number;
  /** How the run is told if it went wrong. */
  story: string[];
}

/** Another contender, who takes the lock whenever it can, for a moment. */
function compete({ contender, clock }: World): { holds(): boolean; end(): void } {
  const bob = contender('bob', { nonce: 'bobnonce00' });
  const over = new AbortController();
  let lock: HeldLock | undefined;
  const pause = (ms: number) => new Promise<void>((resolve) => after(clock, ms, resolve));
  const live = async () => {
    while (!over.signal.aborted) {
      const acquisition = await bob.acquire({ signal: over.signal });
      if (acquisition.kind !== 'held') return;
      lock = acquisition.lock;
      await pause(3000);
      lock = undefined;
      await acquisition.lock.release();
      await pause(5000);
    }
  };
  void live();
  return { holds: () => lock !== undefined && !lock.isLost(), end: () => over.abort() };
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
  if (random.chance(0.3)) later(() => freeze(random.pick([1000, 30_000, 200_000, random.between(40_000, 60_000)])));
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

/** What a user may have asked for. */
const settingsOf = (random: Random) => ({
  argv: ['/bin/true'] as const,
  env: {},
  timeoutMs: random.chance(0.2) ? random.about(30_000) : undefined,
  onBusy: 'wait' as const,
  whenLost: 'stop' as const,
  orphans: random.pick(['stop', 'wait'] as const),
  endWithinMs: random.chance(0.3) ? 3000 : undefined,
  logFormat: 'text' as const,
});

async function play(seed: number): Promise<Run> {
  const random = randomOf(seed, 'guard');
  const around = world();
  const { clock } = around;
  const alice = around.contender('alice', { durationMs: 60_000, killGraceMs: 10_000, nonce: 'alicenonce' });
  const is = behaviourOf(random);
  const own = freezer(clock);
  const { opened, command } = simulate({ clock, random: randomOf(seed, 'supervisor'), deliver: own.deliver }, is);
  const story = [JSON.stringify(is)];
  const holds = (what: boolean, otherwise: string) => assert.ok(what, `seed ${seed}: ${otherwise}\n${story.join('\n')}`);
  const rival = compete(around);
  await clock.advance(random.between(0, 4000));
  const calm = random.chance(0.3);
  const freezesEarly = !calm && random.chance(0.15);
  if (!calm) disturb(around, alice, { random, freeze: own.freeze });
  let outcome: GuardOutcome | undefined;
  let stopAskedAt = NEVER;
  const say = (_level: string, message: string) => void story.push(`${clock.now()} ${message}`);
  const running = guard({
    ...settingsOf(random),
    participants: [{ ...alice.participant, clock: own.clock }],
    openSupervisor: async () => opened,
    log: Object.assign(say, { flush: async () => {}, live: undefined }),
    onEvent({ type }) {
      story.push(`${clock.now()} ${type}`);
      if (type === 'stop-requested') stopAskedAt = clock.now();
      // The first deadline is all that there is between a guard that freezes now and the next one.
      if (type === 'acquired' && freezesEarly) after(clock, random.between(0, 4 * is.delayMs + 100), () => own.freeze(200_000));
      if (type === 'released') holds(!command.runs(), 'released while the command runs');
    },
  }).then((ended) => {
    outcome = ended;
  });
  while (!outcome && clock.now() < LIMIT_MS) {
    await clock.advance(STEP_MS);
    if (rival.holds()) holds(!command.runs(), "bob has the lock while alice's command runs");
  }
  if (!outcome) throw new Error(`seed ${seed}: the guard does not end\n${story.join('\n')}`);
  await running;
  if (command.deadlines > 0)
    holds(['lost', 'unsupervised'].includes(outcome.kind), `its supervisor stopped the command, and it says ${outcome.kind}`);
  if (calm) holds(command.deadlines === 0, 'a command whose lock was renewed met its deadline');
  if (calm) holds(command.longestStopMs < 60_000, `its supervisor was stopped for ${command.longestStopMs} ms`);
  const stopping = outcome.kind === 'stopped' ? clock.now() - stopAskedAt - own.frozenMs() - 8 * is.delayMs : 0;
  holds(stopping < STOPPING_MS, `stopped ${stopping} ms after it was asked to`);
  holds(command.lost() || !command.runs(), 'the guard has ended before its command');
  rival.end();
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

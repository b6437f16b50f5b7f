/** Semaphores, readers and writers, by real processes on both API servers. docs/policies.md. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, describe, type TestContext, test } from 'node:test';
import { EXIT } from '../../image/exit-codes.ts';
import { guard, type Interval, intervals, overlap, reach, recorded, tempFolder } from '../harness/guards.ts';
import { targets } from '../harness/targets.ts';
import { until } from '../harness/until.ts';
import { operatorsOn } from './operate.ts';

/** The most that ran together. */
const mostAtATime = (all: Interval[]): number =>
  Math.max(...all.map(({ from }) => all.filter((other) => other.from <= from && from < other.to).length));

for (const target of await targets()) {
  describe(`sharing on the ${target.name} API server`, { concurrency: false }, () => {
    after(() => target.close());
    const { command, holding, waiting, lease, namespace } = operatorsOn(target);
    const run = async (t: TestContext, name: string, options: string[], work: string[] = ['true']) =>
      guard(t, ['run', ...reach(target), '-n', await namespace, '--name', name, ...options, '--', ...work]);
    const holders = async (name: string): Promise<number> =>
      Object.keys((await lease(name)).metadata.annotations ?? {}).filter((key) => key.startsWith('holder.')).length;

    test('a semaphore of three: twelve jobs, three at a time, and never four', async (t) => {
      const file = join(tempFolder(t), 'intervals');
      const jobs = await Promise.all(
        Array.from({ length: 12 }, (_, n) => run(t, 'three', ['--permits', '3'], recorded(file, `j${n}`, 'sleep 0.4'))),
      );
      for (const { code, stderr } of await Promise.all(jobs.map(({ finished }) => finished))) assert.equal(code, 0, stderr);
      assert.equal(intervals(file).length, 12);
      assert.equal(mostAtATime(intervals(file)), 3);
    });

    test('readers share the lock, a writer waits for all of them, and later readers wait for the writer', async (t) => {
      const file = join(tempFolder(t), 'intervals');
      const readers = [await holding(t, 'data', '--shared'), await holding(t, 'data', '--shared')];
      const writer = await run(t, 'data', ['--holder', 'writer'], recorded(file, 'writer', 'sleep 0.2'));
      await writer.says(/next in queue; held by \S+ .* and \S+/);
      const late = await run(t, 'data', ['--shared'], recorded(file, 'reader', 'sleep 0.2'));
      await late.says(/1 ahead in queue/);
      const skips = await run(t, 'data', ['--shared', '--on-busy', 'skip'], ['echo', 'ran']);
      assert.deepEqual([(await skips.finished).code, (await skips.finished).stdout], [0, '']);
      for (const reader of readers) reader.input('\n');
      for (const { finished } of [...readers, writer, late]) assert.equal((await finished).code, 0);
      const ran = intervals(file);
      assert.deepEqual(
        ran.map(({ who }) => who),
        ['writer', 'reader'],
      );
      assert.equal(overlap(ran), undefined);
    });

    test('a killed reader is waited for as long as its lease lasts, and the other keeps the lock', async (t) => {
      const options = ['--shared', '--lease-duration', '5s', '--kill-grace', '100ms'];
      const [alice, bob] = [await holding(t, 'killed', ...options), await holding(t, 'killed', ...options)];
      const writer = await waiting(t, 'killed');
      alice.kill('SIGKILL');
      await alice.finished;
      bob.input('\n');
      assert.equal((await bob.finished).code, 0);
      assert.equal((await writer.finished).code, 0);
    });

    test('the number of permits belongs to the lock: another is refused, and "set" changes it while it is used', async (t) => {
      const first = await holding(t, 'set', '--permits', '1');
      const second = await waiting(t, 'set', '--permits', '1');
      const third = await run(t, 'set', ['--permits', '2']);
      const { code, stderr } = await third.finished;
      assert.deepEqual(
        [code, /has 1 permits?, not 2: give the number that it has/.test(stderr)],
        [EXIT.configuration.code, true],
        stderr,
      );
      const set = await command(t, 'set', 'set', '--permits', '2');
      assert.match(set.stderr, /Lease \S+\/set has 2 permits, 1 before\n/);
      assert.equal((await second.finished).code, 0);
      const fourth = await holding(t, 'set', '--permits', '2');
      assert.match(
        (await command(t, 'status', 'set')).stdout,
        /Permits: +2 of 2 taken\n(?:.*\n)*Next: +2 hold it together; nobody waits/,
      );
      const lowered = await command(t, 'set', 'set', '--permits', '1');
      assert.match(lowered.stderr, /2 are taken, so nobody is let in until 1 of them are given back/);
      const fifth = await waiting(t, 'set', '--permits', '1');
      first.input('\n');
      await first.finished;
      await until(async () => (await holders('set')) === 1, 'the first has left');
      assert.doesNotMatch(fifth.stderr, /acquired/);
      fourth.input('\n');
      assert.deepEqual([(await fourth.finished).code, (await fifth.finished).code], [0, 0]);
    });

    if (target.name === 'real')
      test('fifty that wait are served by priority, and those of one priority in the order in which they came', async (t) => {
        const file = join(tempFolder(t), 'intervals');
        const first = await holding(t, 'fifty');
        const wanted: { who: string; priority: number; n: number }[] = [];
        const all = [];
        for (let n = 0; n < 50; n++) {
          const priority = (n * 7) % 3;
          const next = await run(t, 'fifty', ['--priority', String(priority)], recorded(file, `w${n}`, 'true'));
          await next.says(/waiting for Lease/);
          wanted.push({ who: `w${n}`, priority, n });
          all.push(next);
        }
        first.input('\n');
        for (const { code, stderr } of await Promise.all(all.map(({ finished }) => finished))) assert.equal(code, 0, stderr);
        wanted.sort((a, b) => b.priority - a.priority || a.n - b.n);
        const ran = intervals(file);
        assert.equal(overlap(ran), undefined);
        assert.deepEqual(
          ran.map(({ who }) => who),
          wanted.map(({ who }) => who),
        );
      });

    test('weights: who needs more waits for it, and nobody passes', async (t) => {
      const one = await holding(t, 'weights', '--permits', '3');
      const heavy = await waiting(t, 'weights', '--permits', '3', '--weight', '3');
      const light = await waiting(t, 'weights', '--permits', '3');
      one.input('\n');
      assert.deepEqual([(await heavy.finished).code, (await light.finished).code], [0, 0]);
      const token = async ({ finished }: typeof one) => Number(/\(token (\d+)\)/.exec((await finished).stderr)?.[1]);
      assert.ok((await token(heavy)) < (await token(light)), 'the heavy one came first');
      const never = await command(t, 'run', '--name', 'weights', '--weight', '4', '--', 'true');
      assert.deepEqual(
        [never.code, /a weight of 4 never fits/.test(never.stderr)],
        [EXIT.configuration.code, true],
        never.stderr,
      );
      const wrong = await command(t, 'run', '--name', 'x', '--permits', '2', '--weight', '3', '--', 'true');
      assert.deepEqual(
        [wrong.code, /--weight 3 never fits into --permits 2/.test(wrong.stderr)],
        [EXIT.usage.code, true],
        wrong.stderr,
      );
      const replaces = await command(t, 'run', '--name', 'x', '--shared', '--on-busy', 'replace', '--', 'true');
      assert.match(replaces.stderr, /--on-busy replace needs the lock alone: it cannot be combined with --shared/);
    });
  });
}

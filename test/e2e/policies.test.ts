/** Replace, supersede, min-hold and once, by real processes on both API servers. docs/policies.md. */
import assert from 'node:assert/strict';
import { after, describe, type TestContext, test } from 'node:test';
import { EXIT } from '../../image/exit-codes.ts';
import { guard, reach } from '../harness/guards.ts';
import { targets } from '../harness/targets.ts';
import { until } from '../harness/until.ts';
import { operatorsOn } from './operate.ts';

for (const target of await targets()) {
  describe(`policies on the ${target.name} API server`, { concurrency: false }, () => {
    after(() => target.close());
    const { command, holding, waiting, lease, holderOf, put, namespace } = operatorsOn(target);
    const WORK = ['sh', '-c', `trap 'echo bye; exit 0' TERM; echo running; while :; do sleep 0.05; done`];
    const run = async (t: TestContext, name: string, options: string[], work: string[] = WORK) =>
      guard(t, ['run', ...reach(target), '-n', await namespace, '--name', name, ...options, '--', ...work]);

    test('replace: the holder stops, says who has replaced it, and the newcomer runs before those who wait', async (t) => {
      const alice = await run(t, 'replaced', ['--holder', 'alice']);
      await alice.prints(/running/);
      const bob = await waiting(t, 'replaced', '--holder', 'bob', '--supersede');
      const dave = await waiting(t, 'replaced', '--holder', 'dave');
      const carol = await run(t, 'replaced', ['--holder', 'carol', '--on-busy', 'replace', '--reason', 'v2'], ['true']);
      const replaced = await alice.finished;
      assert.deepEqual([replaced.code, replaced.stdout], [EXIT.stopped.code, 'running\nbye\n']);
      assert.match(replaced.stderr, /stopped: replaced by carol\/\w+: v2\n/);
      const superseded = await bob.finished;
      assert.equal(superseded.code, 0);
      assert.match(superseded.stderr, /replaced was not acquired: superseded by carol\/\w+ \(group "default"\); skipped/);
      assert.equal((await carol.finished).code, 0);
      assert.equal((await dave.finished).code, 0);
      const token = ({ stderr }: { stderr: string }) => Number(/\(token (\d+)\)/.exec(stderr)?.[1]);
      assert.ok(token(await carol.finished) < token(await dave.finished), 'carol has taken the place of bob');
    });

    test('replace: a holder may finish first, and the newcomer waits no longer than it wants to', async (t) => {
      const alice = await holding(t, 'declining', '--no-replace');
      const bob = await run(t, 'declining', ['--on-busy', 'replace', '--timeout', '1s'], ['true']);
      const { code, stderr } = await bob.finished;
      assert.deepEqual([code, /was not acquired after 1\S*: it is held by/.test(stderr)], [EXIT.notAcquired.code, true], stderr);
      alice.input('\n');
      assert.equal((await alice.finished).code, 0);
      const now = await command(t, 'run', '--name', 'declining', '--on-busy', 'replace', '--timeout', '0', '--', 'true');
      assert.deepEqual([now.code, /give it a --timeout above 0/.test(now.stderr)], [EXIT.usage.code, true]);
    });

    test('supersede: of those that wait in one group only the newest runs, and other groups are left alone', async (t) => {
      const alice = await holding(t, 'newest');
      const other = await waiting(t, 'newest', '--supersede=web', '--holder', 'other');
      const older = await waiting(t, 'newest', '--supersede=api', '--holder', 'older');
      const old = await waiting(t, 'newest', '--supersede=api', '-E', '3');
      assert.equal((await older.finished).code, 0);
      const newest = await waiting(t, 'newest', '--supersede=api');
      const { code, stderr } = await old.finished;
      assert.deepEqual([code, /superseded by \S+ \(group "api"\); skipped/.test(stderr)], [3, true], stderr);
      alice.input('\n');
      assert.deepEqual([(await newest.finished).code, (await other.finished).code], [0, 0]);
      assert.match((await newest.finished).stderr, /acquired Lease/);
    });

    test('age-step: who has waited long enough is served before one of a higher priority, and without it is not', async (t) => {
      for (const [step, first] of [
        ['1s', 'bob'],
        ['0', 'carol'],
      ] as const) {
        const name = `aged-${step}`;
        const alice = await holding(t, name);
        const bob = await waiting(t, name, '--holder', 'bob', '--age-step', step);
        const carol = await waiting(t, name, '--holder', 'carol', '--priority', '2');
        if (step !== '0')
          await until(async () => /^1 +\S+ +[2-9] .* bob\//m.test((await command(t, 'queue', name)).stdout), 'bob has caught up');
        alice.input('\n');
        const token = async (of: typeof bob) => Number(/\(token (\d+)\)/.exec((await of.finished).stderr)?.[1]);
        assert.equal((await token(bob)) < (await token(carol)) ? 'bob' : 'carol', first);
      }
      const never = await command(t, 'run', '--name', 'aged', '--age-step', '10ms', '--', 'true');
      assert.deepEqual(
        [never.code, /--age-step is too short: it must be at least 1s/.test(never.stderr)],
        [EXIT.usage.code, true],
      );
    });

    test('min-hold: the lock stays taken after a short run, says why, and is free when the time is over', async (t) => {
      const began = performance.now();
      const alice = await command(t, 'run', '--name', 'kept', '--holder', 'alice', '--min-hold', '8s', '--', 'true');
      assert.equal(alice.code, 0);
      assert.match(alice.stderr, /done with Lease \S+\/kept after \S+: it stays taken for another 8s, and is then free/);
      const bob = await command(t, 'run', '--name', 'kept', '--on-busy', 'skip', '--', 'echo', 'never');
      assert.deepEqual([bob.code, bob.stdout], [0, '']);
      assert.match(bob.stderr, /its work has ended; the lock stays taken for a minimum time\); skipped/);
      const shown = (await command(t, 'status', 'kept')).stdout;
      assert.match(shown, /State: +Kept\n/);
      assert.match(shown, /Life: +its work ended \S+ ago, and the lock stays taken for a minimum time\n/);
      assert.match(shown, /Next: +the lock is free in \S+; nobody waits\n/);
      const asked = await command(t, 'unlock', 'kept', '--holder', await holderOf('kept'));
      assert.deepEqual(
        [asked.code, /has ended, and the lock stays taken .* use --force/.test(asked.stderr)],
        [EXIT.no.code, true],
      );
      const carol = await command(t, 'run', '--name', 'kept', '--', 'true');
      assert.equal(carol.code, 0, carol.stderr);
      assert.ok(performance.now() - began > 8000);
      assert.ok(performance.now() - began < 8000 + 12_000, 'not as long as for a holder that has died');
      const forced = await command(t, 'run', '--name', 'kept', '--holder', 'dave', '--min-hold', '1h', '--', 'true');
      assert.equal(forced.code, 0);
      assert.equal((await command(t, 'unlock', 'kept', '--holder', await holderOf('kept'), '--force')).code, 0);
      assert.equal(await holderOf('kept'), '');
    });

    test('min-hold: one try gets a lock that was left taken as soon as the time is over', async (t) => {
      assert.equal((await command(t, 'run', '--name', 'ticks', '--min-hold', '2s', '--', 'true')).code, 0);
      await until(async () => {
        const { stdout } = await command(t, 'run', '--name', 'ticks', '--on-busy', 'skip', '--', 'echo', 'next tick');
        return stdout === 'next tick\n';
      }, 'the next tick runs');
    });

    test('once: what has succeeded is not done again, what has failed is, and another key is another matter', async (t) => {
      const once = (key: string, ...work: string[]) => command(t, 'run', '--name', 'tick', '--once', key, '--', ...work);
      assert.equal((await once('10:00', 'false')).code, 1);
      assert.equal((await once('10:00', 'echo', 'done')).stdout, 'done\n');
      const again = await once('10:00', 'echo', 'again');
      assert.deepEqual([again.code, again.stdout], [0, '']);
      assert.match(again.stderr, /not acquired: the work has succeeded already for the key "10:00"; skipped/);
      assert.equal((await once('11:00', 'echo', 'eleven')).stdout, 'eleven\n');
    });

    test('once: of two with one key in the queue the second runs only if the first has failed', async (t) => {
      for (const [name, ends, runs] of [
        ['pair-failed', 1, true],
        ['pair-done', 0, false],
      ] as const) {
        const alice = await run(t, name, ['--once', 'k'], ['sh', '-c', `echo running; read _; exit ${ends}`]);
        await alice.prints(/running/);
        const bob = await run(t, name, ['--once', 'k'], ['echo', 'ran']);
        await bob.says(/waiting for Lease/);
        alice.input('\n');
        assert.equal((await alice.finished).code, ends);
        assert.deepEqual([(await bob.finished).code, (await bob.finished).stdout], [0, runs ? 'ran\n' : '']);
      }
    });

    test('who does not know a policy of the lock refuses it, in the queue, too, and leaves what it does not know alone', async (t) => {
      const alice = await holding(t, 'successor');
      const bob = await waiting(t, 'successor');
      const { metadata, spec } = await lease('successor');
      const annotations = metadata.annotations ?? {};
      const key = 'lease-lock.nullplatform.com/lock';
      const lock = { ...JSON.parse(annotations[key] ?? '{}'), permits: 3, must: ['permits'] };
      // A later version stands in the same queue.
      const later = { 'waiter.lease-lock.nullplatform.com/000007-later': '{"id":"later","permits":2}' };
      await put('successor', {
        metadata: { ...metadata, annotations: { ...annotations, ...later, [key]: JSON.stringify(lock) } },
        spec,
      });
      const { code, stderr } = await bob.finished;
      assert.equal(code, EXIT.configuration.code);
      assert.match(stderr, /successor has a policy that this program does not know \(permits\): upgrade it/);
      assert.equal((await alice.finished).code, EXIT.lost.code);
      const after = (await lease('successor')).metadata.annotations ?? {};
      assert.deepEqual(
        [JSON.parse(after[key] ?? '{}').permits, Object.keys(after).filter((name) => /later/.test(name)).length],
        [3, 1],
      );
    });
  });
}

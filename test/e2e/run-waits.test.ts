/** How `k8s-lease-lock run` waits, and for whom. The built bundle, against the embedded and the real API server. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { EXIT } from '../../image/exit-codes.ts';
import { intervals, isRunning, killGuard, overlap, PROGRAM, reach, recorded, tempFolder } from '../harness/guards.ts';
import { targets } from '../harness/targets.ts';
import { runsOn } from './runs.ts';

for (const target of await targets()) {
  describe(`run, on the ${target.name} API server`, { concurrency: false }, () => {
    const { namespace, on, pathOf, leaseOf, overwrite } = runsOn(target);

    test('a busy lock is 75 with fail, another code with -E, and 0 with skip; the holder is named', async (t) => {
      const holder = await on(t, 'busy', [
        '--holder',
        'alice',
        '--reason',
        'release 1.2',
        '--url',
        'https://ci.example/17',
        '--',
        'sh',
        '-c',
        'echo ready; cat',
      ]);
      await holder.prints(/ready/);
      const failed = await (await on(t, 'busy', ['--on-busy', 'fail', '--', 'echo', 'ran'])).finished;
      assert.deepEqual([failed.code, failed.stdout], [75, '']);
      assert.match(failed.stderr, /not acquired after [\d.]+s: it is held by alice\/[a-z0-9]{10}/);
      const other = await (await on(t, 'busy', ['-E', '9', '--timeout', '0', '--', 'echo', 'ran'])).finished;
      assert.deepEqual([other.code, other.stdout], [9, '']);
      const skipped = await (await on(t, 'busy', ['--on-busy', 'skip', '--', 'echo', 'ran'])).finished;
      assert.deepEqual([skipped.code, skipped.stdout], [0, '']);
      const waited = await (await on(t, 'busy', ['--timeout', '700ms', '--', 'echo', 'ran'])).finished;
      assert.deepEqual([waited.code, waited.stdout], [75, '']);
      assert.match(
        waited.stderr,
        /waiting for Lease \S+\/busy: next in queue; held by alice\/\S+ \(\S+\) since \S+, for [\d.]+s: release 1\.2, https:\/\/ci\.example\/17/,
      );
      const annotations = Object.keys((await leaseOf('busy')).metadata.annotations ?? {});
      assert.deepEqual(
        annotations.filter((key) => key.startsWith('waiter.')),
        [],
        'who gave up has left the queue',
      );
      holder.input('');
      assert.equal((await holder.finished).code, 0);
    });

    test('ten contenders run one after the other, in the order in which they came', async (t) => {
      const file = join(tempFolder(t), 'intervals');
      const first = await on(t, 'queue', ['--', ...recorded(file, 'c0', 'echo ready; cat >/dev/null')]);
      await first.prints(/ready/);
      const others = [];
      for (let n = 1; n < 10; n++) {
        const next = await on(t, 'queue', ['--', ...recorded(file, `c${n}`, 'sleep 0.05')]);
        await next.says(n === 1 ? /next in queue/ : new RegExp(`${n - 1} ahead in queue`));
        others.push(next);
      }
      first.input('');
      for (const { code } of await Promise.all([first, ...others].map(({ finished }) => finished))) assert.equal(code, 0);
      const ran = intervals(file);
      assert.deepEqual(
        ran.map(({ who }) => who),
        Array.from({ length: 10 }, (_, n) => `c${n}`),
      );
      assert.equal(overlap(ran), undefined);
      for (const [i, { token }] of ran.entries())
        assert.ok(i === 0 || BigInt(token) > BigInt(ran[i - 1]?.token ?? 0), 'tokens grow');
    });

    test('a crowd that comes all at once never overlaps', async (t) => {
      const file = join(tempFolder(t), 'intervals');
      const crowd = await Promise.all(
        Array.from({ length: 8 }, (_, n) => on(t, 'crowd', ['--', ...recorded(file, `c${n}`, 'sleep 0.02')])),
      );
      for (const { code, stderr } of await Promise.all(crowd.map(({ finished }) => finished))) assert.equal(code, 0, stderr);
      assert.equal(intervals(file).length, 8);
      assert.equal(overlap(intervals(file)), undefined);
    });

    test('a holder killed with SIGKILL is followed within its duration and the margin', async (t) => {
      const short = ['--lease-duration', '4s', '--kill-grace', '500ms'];
      const alice = await on(t, 'killed', [...short, '--', 'sh', '-c', 'echo $$; exec sleep 60']);
      await alice.prints(/\d+/);
      const bob = await on(t, 'killed', [...short, '--', 'true']);
      await bob.says(/next in queue/);
      const killedAt = performance.now();
      killGuard(alice);
      await bob.says(/acquired/);
      assert.equal(isRunning(Number(alice.stdout)), false, 'her supervisor has stopped the command by then');
      assert.equal((await bob.finished).code, 0);
      const tookMs = performance.now() - killedAt;
      assert.ok(tookMs > 2000, `${tookMs} ms: the lock was taken before it can have expired`);
      assert.ok(tookMs < 4000 + 2000 + 3000, `${tookMs} ms`);
    });

    test('a holder in the manner of client-go is never robbed while it renews, and followed once it stops', async (t) => {
      const now = () => new Date().toISOString().replace('Z', '000Z');
      const spec = {
        holderIdentity: 'leader_1',
        leaseDurationSeconds: 3,
        acquireTime: now(),
        renewTime: now(),
        leaseTransitions: 0,
      };
      const lease = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name: 'leader' }, spec };
      assert.equal((await target.request('POST', await pathOf(''), lease)).status, 201);
      const bob = await on(t, 'leader', ['--', 'true']);
      await bob.says(/held by leader_1/);
      const startedAt = performance.now();
      let renewals = 0;
      while (performance.now() - startedAt < 7000) {
        await overwrite('leader', { spec: { renewTime: now() } });
        renewals += 1;
        await new Promise((resolve) => setTimeout(resolve, 1000));
        assert.equal((await leaseOf('leader')).spec.holderIdentity, 'leader_1', `robbed after ${renewals} renewals`);
      }
      assert.equal((await bob.finished).code, 0);
    });

    test('SIGTERM ends a wait at once, as it would end any program, and leaves no entry behind', async (t) => {
      const alice = await on(t, 'sigterm', ['--', 'sh', '-c', 'echo ready; cat']);
      await alice.prints(/ready/);
      const bob = await on(t, 'sigterm', ['--', 'echo', 'ran']);
      await bob.says(/next in queue/);
      bob.kill('SIGTERM');
      const { code, stdout, stderr } = await bob.finished;
      assert.deepEqual([code, stdout], [128 + 15, '']);
      assert.match(stderr, /not acquired: ended by SIGTERM before the command was started/);
      assert.deepEqual(
        Object.keys((await leaseOf('sigterm')).metadata.annotations ?? {}).filter((key) => key.startsWith('waiter.')),
        [],
      );
      alice.input('');
      await alice.finished;
    });

    test('a guard under a guard of the same lock refuses at once instead of waiting for itself', async (t) => {
      const inner = [...PROGRAM];
      const args = ['run', ...reach(target), '-n', await namespace, '--name', 'nested', '--', 'echo', 'inner ran'];
      const { code, stdout, stderr } = await (await on(t, 'nested', ['--', ...inner, ...args])).finished;
      assert.deepEqual([code, stdout], [EXIT.configuration.code, '']);
      assert.match(stderr, /already runs under the lock/);
    });
  });
}

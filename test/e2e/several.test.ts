/** One command under several locks: all of them, or none. The built bundle, against the embedded and the real API server. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { tempFolder } from '../harness/guards.ts';
import { targets } from '../harness/targets.ts';
import { runsOn } from './runs.ts';

/** Writes into one file for each lock when it starts and ends. */
const noted = (folder: string, who: string) => {
  const note = (what: string) => `for lock in $LEASE_LOCK_NAME; do echo ${what} ${who} >>${folder}/$lock; done`;
  return ['sh', '-c', `${note('start')}; sleep 0.05; ${note('end')}`];
};

for (const target of await targets()) {
  describe(`several locks, on the ${target.name} API server`, { concurrency: false }, () => {
    const { namespace, on, leaseOf } = runsOn(target);
    const nobodyIsIn = async (name: string) => {
      const { metadata, spec } = await leaseOf(name);
      assert.equal(spec?.holderIdentity ?? '', '', name);
      assert.deepEqual(
        Object.keys(metadata?.annotations ?? {}).filter((key) => /^(holder|waiter)\./.test(key)),
        [],
        name,
      );
    };

    test('whatever order they are named in, all are served, and each lock has one at a time', async (t) => {
      const folder = tempFolder(t);
      const names = [
        'left,right',
        'right,left',
        'right,middle',
        'middle,left,right',
        'left',
        'right',
        'middle,right',
        'left,middle',
      ];
      const guards = await Promise.all(names.map((name, n) => on(t, name, ['--', ...noted(folder, `c${n}`)])));
      for (const { finished } of guards) {
        const { code, stderr } = await finished;
        assert.equal(code, 0, stderr);
      }
      for (const lock of ['left', 'right', 'middle']) {
        const lines = readFileSync(join(folder, lock), 'utf8').trim().split('\n');
        assert.equal(lines.length, 2 * names.filter((name) => name.split(',').includes(lock)).length);
        for (const [i, line] of lines.entries())
          assert.equal(line, i % 2 === 0 ? line.replace('end', 'start') : lines[i - 1]?.replace('start', 'end'), lines.join(' '));
        await nobodyIsIn(lock);
      }
    });

    test('the command learns of each; --name can be given several times, with a namespace', async (t) => {
      const print = 'echo "$LEASE_LOCK_NAMESPACE|$LEASE_LOCK_NAME|$(set -- $LEASE_LOCK_TOKEN; echo $#)"';
      const run = await on(t, 'two', ['--name', `${await namespace}/one`, '--', 'sh', '-c', print]);
      const { code, stdout, stderr } = await run.finished;
      assert.deepEqual([code, stdout], [0, `${await namespace} ${await namespace}|one two|2\n`], stderr);
      assert.match(stderr, /acquired Lease \S+\/one.*\n.*acquired Lease \S+\/two/);
    });

    test('one that is busy gives back what was acquired before', async (t) => {
      const holder = await on(t, 'busy', ['--', 'sh', '-c', 'echo ready; cat']);
      await holder.prints(/ready/);
      const skipped = await (await on(t, 'another,busy', ['--on-busy', 'skip', '--', 'echo', 'ran'])).finished;
      assert.deepEqual([skipped.code, skipped.stdout], [0, ''], skipped.stderr);
      assert.match(skipped.stderr, /Lease \S+\/busy/);
      await nobodyIsIn('another');
      const waited = await (await on(t, 'another,busy', ['--timeout', '500ms', '--', 'echo', 'ran'])).finished;
      assert.deepEqual([waited.code, waited.stdout], [75, ''], waited.stderr);
      await nobodyIsIn('another');
      const second = await on(t, 'another,busy', ['--reason', 'release 2', '--', 'true']);
      await second.says(/waiting for Lease \S+\/busy/);
      const third = await on(t, 'another', ['--', 'true']);
      await third.says(/waiting for Lease \S+\/another: .*: release 2; together with busy/);
      holder.input('');
      for (const { finished } of [holder, second, third]) assert.equal((await finished).code, 0);
    });

    test('a lock that is named twice is refused', async (t) => {
      const twice = await (await on(t, `a,${await namespace}/a`, ['--', 'true'])).finished;
      assert.equal(twice.code, 64);
      assert.match(twice.stderr, /\/a is named twice: name each lock once/);
    });

    test('the status is that of all of them, and each has metrics of its own', async (t) => {
      const other = await on(t, 'second', ['--', 'sh', '-c', 'echo ready; read _']);
      await other.prints(/ready/);
      const both = await on(t, 'first,second', ['-v', '--status-port', '0', '--', 'sh', '-c', 'echo ready; read _']);
      await both.says(/waiting for Lease \S+\/second/);
      const [, port = ''] = /metrics on port (\d+)/.exec(both.stderr) ?? [];
      const get = async (path: string) => await fetch(`http://127.0.0.1:${port}${path}`);
      const held = async () =>
        [...(await (await get('/metrics')).text()).matchAll(/^k8s_lease_lock_held\{lock="(\w+)",.*\} (\d)$/gm)].map(
          ([, lock, value]) => [lock, value],
        );
      assert.deepEqual(await held(), Object.entries({ first: '1', second: '0' }));
      assert.deepEqual([(await get('/healthz')).status, (await get('/held')).status], [503, 503]);
      other.input('\n');
      await both.prints(/ready/);
      assert.deepEqual(await held(), Object.entries({ first: '1', second: '1' }));
      assert.deepEqual([(await get('/healthz')).status, (await get('/held')).status], [200, 200]);
      both.input('\n');
      assert.equal((await both.finished).code, 0);
    });
  });
}

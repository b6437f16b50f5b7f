/** `status` and `list`: what an administrator sees of locks, on both API servers. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { EXIT } from '../../image/exit-codes.ts';
import { guard, reach } from '../harness/guards.ts';
import { targets } from '../harness/targets.ts';
import { operatorsOn } from './operate.ts';

const inMs = (ms: number): string => new Date(Date.now() + ms).toISOString().replace('Z', '000Z');

for (const target of await targets()) {
  describe(`looking at locks on the ${target.name} API server`, { concurrency: false }, () => {
    after(() => target.close());
    const { command, holding, waiting, put, namespace } = operatorsOn(target);

    test('status names holder, reason and queue; list has a line for each lock; a script gets JSON', async (t) => {
      const alice = await holding(t, 'deploy', '--reason', 'release 1.2', '--url', 'https://ci.example.com/7');
      const bob = await waiting(t, 'deploy', '--reason', 'a\x1b[31m', '--priority', '5');
      const { code, stdout, stderr } = await command(t, 'status', 'deploy');
      assert.deepEqual([code, stderr], [0, '']);
      assert.match(stdout, /^Lease \S+\/deploy\nState: +Alive\nHolder: +\S+\n +Life: +alive: renewed \ds ago\n/);
      assert.match(stdout, /Reason: +release 1\.2\n +Link: +https:\/\/ci\.example\.com\/7\n/);
      assert.match(stdout, /PLACE +WAITING +PRIORITY +KEY +ID +WHO +REASON\n +1 +\ds +5 +000002-\w+ +\S+ +\S+ +a\\x1b\[31m\n/);
      assert.match(stdout, /Next: .*; then \S+ acquires it\n$/);
      const listed = (await command(t, 'list')).stdout;
      assert.match(listed, /^NAME +STATE +HOLDER +HELD +RENEWED +EXPIRES +WAITING +REASON\ndeploy +Alive .* 1 +release 1\.2\n$/);
      const json = JSON.parse((await command(t, 'status', 'deploy', '-ojson')).stdout);
      assert.deepEqual([json.state, json.holders[0].reason, json.queue[0].priority], ['Alive', 'release 1.2', 5]);
      alice.input('\n');
      await Promise.all([alice.finished, bob.finished]);
      assert.match((await command(t, 'list')).stdout, /\ndeploy +Free +<none> /);
    });

    test('a lock that does not exist is not shown as free', async (t) => {
      const { code, stdout } = await command(t, 'status', 'typo');
      assert.equal(code, EXIT.no.code);
      assert.match(stdout, /Lease \S+\/typo does not exist/);
      const none = await command(t, 'list', '-l', 'no=such');
      assert.deepEqual([none.code, none.stdout], [0, '']);
      const empty = await command(t, 'list', '-l', 'no=such', '-o', 'json');
      assert.deepEqual(JSON.parse(empty.stdout), { items: [] }, 'for scripts');
      assert.match(none.stderr, /no locks found in namespace \S+ \(selector no=such\)/);
    });

    test('other clients are told apart, and listed where the selector is empty', async (t) => {
      const spec = { leaseDurationSeconds: 60, acquireTime: inMs(0) };
      await put('elected', { spec: { ...spec, holderIdentity: 'scheduler', renewTime: inMs(0) } }, 'kube-scheduler');
      await put('legacy', { spec: { ...spec, holderIdentity: 'old', renewTime: inMs(60_000) } });
      assert.match((await command(t, 'status', 'elected')).stdout, /Client: +not of this program: written by kube-scheduler/);
      assert.match((await command(t, 'status', 'legacy')).stdout, /Client: +K8SLock 0\.2\.5/);
      assert.doesNotMatch((await command(t, 'list')).stdout, /elected/);
      assert.match((await command(t, 'list', '-l', '')).stdout, /\nelected +Alive +scheduler [\s\S]*\nlegacy +Alive +old /);
      assert.match((await command(t, 'list', '-A', '-l', '')).stdout, new RegExp(`\\n${await namespace} +elected `));
    });

    test('--watch without a terminal appends a line at each change, and no more', async (t) => {
      const watching = guard(t, ['list', ...reach(target), '-n', await namespace, '-w']);
      await watching.prints(/NAME +STATE/);
      const alice = await holding(t, 'watched');
      await watching.prints(/\nwatched +Alive /);
      alice.input('\n');
      await alice.finished;
      await watching.prints(/\nwatched +Free /);
      assert.equal(watching.stdout.match(/\nwatched /g)?.length, 2, watching.stdout);
      assert.equal(watching.stdout.match(/NAME +STATE/g)?.length, 1);
    });

    test('who may not list is told what to do; a server that does not answer has its exit code', async (t) => {
      const silent = await guard(t, ['list', '--server', 'http://127.0.0.1:9', '-n', 'x']).finished;
      assert.equal(silent.code, EXIT.unreachable.code);
      assert.match(
        silent.stderr,
        /no answer from the API server http:\/\/127\.0\.0\.1:9: listing Leases in namespace x: the connection/,
      );
      if (!target.cluster) return;
      const KUBECONFIG = target.cluster.kubeconfigFor(target.cluster.userToken(7));
      const refused = await guard(t, ['list', '-n', await namespace], { env: { KUBECONFIG } }).finished;
      assert.equal(refused.code, EXIT.refused.code);
      assert.match(refused.stderr, /listing Leases in namespace \S+: 403: .*Allow list on leases/);
    });
  });
}

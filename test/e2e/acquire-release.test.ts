/** `acquire` and `release`: a lock that is held between two commands, and renewed by nobody. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { EXIT } from '../../image/exit-codes.ts';
import { pass, silence } from '../harness/fault-behaviours.ts';
import { guard } from '../harness/guards.ts';
import { targets } from '../harness/targets.ts';
import { until } from '../harness/until.ts';
import { occupied, proxyTo, sidecarsOn } from './sidecar.ts';

for (const target of await targets()) {
  describe(`a lock without a command, on the ${target.name} API server`, { concurrency: false }, () => {
    after(() => target.close());
    const { where, holderOf } = sidecarsOn(target);

    test('acquire takes it for the holder that is named, release gives it back, and others wait meanwhile', async (t) => {
      const acquire = async (holder: string, ...more: string[]) =>
        guard(t, ['acquire', ...(await where('steps')), '--holder', holder, '--lease-duration', '5m', ...more]).finished;
      const release = async (holder: string) => guard(t, ['release', ...(await where('steps')), '--holder', holder]).finished;
      const taken = await acquire('pipeline-1');
      assert.equal(taken.code, 0, taken.stderr);
      assert.match(taken.stderr, /held as pipeline-1 for (5m|4m59s|4m5\ds) at most: it is not renewed/);
      assert.equal(await holderOf('steps'), 'pipeline-1');
      const again = await acquire('pipeline-1');
      assert.equal(again.code, 0, 'the same holder adds time to it');
      assert.match(again.stderr, /was held already by this same holder, pipeline-1 .*BOTH HAVE THE LOCK/);
      const other = await acquire('pipeline-2', '--on-busy', 'fail');
      assert.equal(other.code, EXIT.notAcquired.code);
      assert.match(other.stderr, /it is held by pipeline-1/);
      assert.equal((await acquire('pipeline-2', '--on-busy', 'skip')).code, 0);
      const foreign = await release('pipeline-2');
      assert.equal(foreign.code, EXIT.lost.code);
      assert.match(foreign.stderr, /was not released: pipeline-2 does not hold it; held by pipeline-1 /);
      assert.equal((await release('pipeline-1')).code, 0);
      assert.equal(await holderOf('steps'), '');
      assert.equal((await release('pipeline-1')).code, EXIT.lost.code);
    });

    test('acquire prints the token for scripts, and nothing else on stdout', async (t) => {
      const line = ['acquire', ...(await where('scripted')), '--holder', 'pipeline-1', '--lease-duration', '5m'];
      const { stdout: nothing } = await guard(t, line).finished;
      const { stdout: token } = await guard(t, [...line, '-o', 'token']).finished;
      const { stdout: json } = await guard(t, [...line, '-o', 'json']).finished;
      assert.deepEqual([nothing, /^\d+\n$/.test(token)], ['', true]);
      const printed = JSON.parse(json);
      assert.deepEqual([printed.name, printed.holder, printed.transitions], ['scripted', 'pipeline-1', 1]);
      assert.ok(BigInt(printed.token) > BigInt(token), 'it grows when time is added');
    });

    test('release names a guard that holds the lock under the id that was given, and leaves it alone', async (t) => {
      const running = await occupied(t, [...(await where('guarded')), '--holder', 'pipeline-1']);
      const holder = String(await holderOf('guarded'));
      const { code, stderr } = await guard(t, ['release', ...(await where('guarded')), '--holder', holder]).finished;
      assert.equal(code, EXIT.lost.code);
      assert.match(
        stderr,
        /held by pipeline-1\/\w+ .*, but was not acquired by "k8s-lease-lock acquire --holder pipeline-1\/\w+"/,
      );
      assert.equal(await holderOf('guarded'), holder);
      running.input('\n');
      assert.equal((await running.finished).code, 0);
    });

    test('ended while it adds time to a lock, acquire does not take that from those who hold it', async (t) => {
      const proxy = await proxyTo(t, target);
      if (!proxy) return t.skip('the embedded server has no TLS for the proxy');
      const line = async (url: string) => [
        'acquire',
        ...(await where('longer', url)),
        '--holder',
        'pipeline',
        '--lease-duration',
        '30s',
      ];
      assert.equal((await guard(t, await line(target.url)).finished).code, 0);
      let asked = false;
      proxy.set(({ verb, nth }) => {
        if (verb !== 'write' || nth > 1) return pass;
        asked = true;
        return silence;
      });
      const longer = guard(t, await line(proxy.url));
      await until(() => asked, 'it asks for more time');
      longer.kill('SIGTERM');
      await longer.finished;
      assert.equal(await holderOf('longer'), 'pipeline');
    });
  });
}

/** `hold`: a lock for the containers of a Pod, from its turn to SIGTERM; the built bundle, on the embedded and the real API server. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { EXIT } from '../../image/exit-codes.ts';
import { reset } from '../harness/fault-behaviours.ts';
import { guard } from '../harness/guards.ts';
import { targets } from '../harness/targets.ts';
import { until } from '../harness/until.ts';
import { occupied, proxyTo, sidecarsOn } from './sidecar.ts';

for (const target of await targets()) {
  describe(`a lock without a command, on the ${target.name} API server`, { concurrency: false }, () => {
    after(() => target.close());
    const { where, hold, holderOf, overwrite, askToStop } = sidecarsOn(target);

    test('it waits its turn, says when it holds, and gives back some time after SIGTERM', async (t) => {
      const other = await occupied(t, await where('turn'));
      const sidecar = await hold(t, 'turn');
      await sidecar.says(/waiting for Lease .*turn: next in queue/);
      await sidecar.tells(503, /^waiting for the lock/);
      const asked = guard(t, ['probe', '--status-port', sidecar.port]);
      assert.equal((await asked.finished).code, 1);
      assert.match(asked.stderr, /not held: waiting for the lock/);
      other.input('\n');
      await sidecar.tells(200, /^held as user\//);
      assert.equal((await guard(t, ['probe', '--status-port', sidecar.port]).finished).code, 0);
      const next = guard(t, ['run', ...(await where('turn')), '-v', '--', 'true']);
      await next.says(/next in queue/);
      const termAt = performance.now();
      sidecar.kill('SIGTERM');
      const { code, stderr } = await sidecar.finished;
      assert.equal(code, 0, stderr);
      // Less than the kubelet's two seconds, and a container with its last moments to live would share the lock with the next.
      assert.ok(performance.now() - termAt > 3000, 'it gave the lock back too soon');
      assert.equal((await next.finished).code, 0);
    });

    test('robbed, it says so to the kubelet, and stays to say so until SIGTERM', async (t) => {
      const sidecar = await hold(t, 'robbed');
      await sidecar.tells(200, /held/);
      await overwrite('robbed', { spec: { holderIdentity: 'thief' } });
      await sidecar.tells(503, /^lost: it is held by thief/);
      sidecar.kill('SIGTERM');
      assert.equal((await sidecar.finished).code, EXIT.lost.code);
      assert.equal(await holderOf('robbed'), 'thief');
    });

    test('asked to stop, it is not held for the kubelet any more, and is given back in order', async (t) => {
      const sidecar = await hold(t, 'asked');
      await sidecar.tells(200, /held/);
      const holder = await holderOf('asked');
      await askToStop('asked', 'maintenance');
      await sidecar.tells(503, /^asked to stop by admin: maintenance/);
      assert.equal(await holderOf('asked'), holder);
      sidecar.kill('SIGTERM');
      assert.equal((await sidecar.finished).code, 0);
      assert.equal(await holderOf('asked'), '');
    });

    test('asked to stop before anything relies on it, it gives way immediately: nothing would ever end its Pod', async (t) => {
      const sidecar = await hold(t, 'early');
      await sidecar.says(/acquired Lease/);
      await askToStop('early');
      assert.equal((await sidecar.finished).code, 0);
      assert.equal(await holderOf('early'), '');
    });

    test('asked by a container after SIGTERM, it does not give the lock back under it', async (t) => {
      const sidecar = await hold(t, 'alive');
      await sidecar.tells(200, /held/);
      const holder = await holderOf('alive');
      sidecar.kill('SIGTERM');
      await sidecar.tells(503, /^this Pod is ending/);
      // As the probes of a container that goes on do, for as long as it answers.
      const answers = () =>
        sidecar.page().then(
          () => false,
          () => true,
        );
      await until(answers, 'the end of the sidecar');
      const { code, stderr } = await sidecar.finished;
      assert.equal(code, EXIT.lost.code);
      assert.match(stderr, /not released: a container still asks/);
      assert.equal(await holderOf('alive'), holder);
    });

    test('cut off from the API server, it says so while the whole grace of the Pod is left', async (t) => {
      const proxy = await proxyTo(t, target);
      if (!proxy) return t.skip('the embedded server has no TLS for the proxy');
      const sidecar = await hold(t, 'cut', ['--lease-duration', '40s', '--pod-grace', '7s'], { url: proxy.url });
      await sidecar.tells(200, /held/);
      const cutAt = performance.now();
      proxy.set(() => reset);
      await sidecar.tells(503, /^lost: it could not be renewed/);
      // The last write that succeeded was sent before the cut; from there the lease is 40 s, of which 7 s are the Pod's and 7 s the kubelet's.
      assert.ok(performance.now() - cutAt < 40_000 - 7000 - 7000);
    });

    test('ended while it waits, it leaves the queue immediately', async (t) => {
      await occupied(t, await where('left'));
      const sidecar = await hold(t, 'left');
      await sidecar.says(/next in queue/);
      sidecar.kill('SIGTERM');
      const { code, stderr } = await sidecar.finished;
      assert.equal(code, 128 + 15);
      assert.match(stderr, /left the queue/);
    });
  });
}

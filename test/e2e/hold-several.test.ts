/** `hold` for several locks: its Pod has all of them, or does not start. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { EXIT } from '../../image/exit-codes.ts';
import { tempFolder } from '../harness/guards.ts';
import { targets } from '../harness/targets.ts';
import { occupied, sidecarsOn } from './sidecar.ts';

for (const target of await targets()) {
  describe(`several locks without a command, on the ${target.name} API server`, { concurrency: false }, () => {
    after(() => target.close());
    const { where, hold, holderOf, overwrite } = sidecarsOn(target);

    test('it says when it holds all of them, and gives all of them back', async (t) => {
      const other = await occupied(t, await where('two'));
      const sidecar = await hold(t, 'two,one');
      await sidecar.says(/acquired Lease \S+\/one .*\n.*waiting for Lease \S+\/two/);
      await sidecar.tells(503, /^waiting for the lock/);
      other.input('\n');
      await sidecar.tells(200, /^held as user\//);
      assert.equal(await holderOf('one'), await holderOf('two'));
      sidecar.kill('SIGTERM');
      assert.equal((await sidecar.finished).code, 0);
      assert.deepEqual([await holderOf('one'), await holderOf('two')], ['', '']);
    });

    test('robbed of one, it holds none for the kubelet, and gives the other back', async (t) => {
      const sidecar = await hold(t, 'robbed,other');
      await sidecar.tells(200, /held/);
      await overwrite('robbed', { spec: { holderIdentity: 'thief' } });
      await sidecar.tells(503, /^lost: it is held by thief/);
      sidecar.kill('SIGTERM');
      assert.equal((await sidecar.finished).code, EXIT.lost.code);
      assert.deepEqual([await holderOf('robbed'), await holderOf('other')], ['thief', '']);
    });

    test('restarted after it has held, it takes away what is left of the first in each', async (t) => {
      const dir = tempFolder(t);
      const first = await hold(t, 'a,b', [], { dir });
      await first.tells(200, /held/);
      first.kill('SIGKILL');
      await first.finished;
      const second = await hold(t, 'a,b', [], { dir });
      await second.tells(503, /the container that held the lock was restarted/);
      second.kill('SIGTERM');
      assert.equal((await second.finished).code, EXIT.lost.code);
      assert.deepEqual([await holderOf('a'), await holderOf('b')], ['', '']);
    });
  });
}

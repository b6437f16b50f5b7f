/** `hold` whose container is restarted: it holds again only if nothing can have relied on its lock. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { EXIT } from '../../image/exit-codes.ts';
import { tempFolder } from '../harness/guards.ts';
import { targets } from '../harness/targets.ts';
import { occupied, sidecarsOn } from './sidecar.ts';

for (const target of await targets()) {
  describe(`a lock without a command, on the ${target.name} API server`, { concurrency: false }, () => {
    after(() => target.close());
    const { where, hold, holderOf } = sidecarsOn(target);

    test('restarted after it has held, it does not hold again, and takes away what is left of the first', async (t) => {
      const dir = tempFolder(t);
      const first = await hold(t, 'restarted', [], { dir });
      await first.tells(200, /held/);
      const holder = await holderOf('restarted');
      first.kill('SIGKILL');
      await first.finished;
      const second = await hold(t, 'restarted', [], { dir });
      await second.tells(503, /the container that held the lock was restarted/);
      assert.equal(await holderOf('restarted'), holder);
      second.kill('SIGTERM');
      assert.equal((await second.finished).code, EXIT.lost.code);
      assert.equal(await holderOf('restarted'), '');
    });

    test('restarted before anything relied on it, it waits like anybody else', async (t) => {
      const dir = tempFolder(t);
      const first = await hold(t, 'unused', [], { dir });
      await first.says(/acquired Lease/);
      first.kill('SIGKILL');
      await first.finished;
      const second = await hold(t, 'unused', [], { dir });
      await second.says(/waiting for Lease .*; held by user/);
      await second.tells(503, /^waiting for the lock/);
    });

    test('restarted while it waited, it waits again', async (t) => {
      const other = await occupied(t, await where('again'));
      const dir = tempFolder(t);
      const first = await hold(t, 'again', [], { dir });
      await first.says(/next in queue/);
      first.kill('SIGKILL');
      await first.finished;
      const second = await hold(t, 'again', [], { dir });
      await second.says(/waiting for/);
      other.input('\n');
      await second.tells(200, /held/);
    });
  });
}

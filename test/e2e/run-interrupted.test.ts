/** What stops a command of `k8s-lease-lock run` before its time. The built bundle, against the embedded and the real API server. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { EXIT } from '../../image/exit-codes.ts';
import { isRunning } from '../harness/guards.ts';
import { targets } from '../harness/targets.ts';
import { runsOn } from './runs.ts';

const LOCK = 'lease-lock.nullplatform.com/lock';

for (const target of await targets()) {
  describe(`run, on the ${target.name} API server`, { concurrency: false }, () => {
    const { on, pathOf, leaseOf, overwrite } = runsOn(target);

    test('a lock that is stolen stops the command: SIGTERM, the grace, SIGKILL; exit code 76', async (t) => {
      const alice = await on(t, 'stolen', [
        '--kill-grace',
        '300ms',
        '--',
        'sh',
        '-c',
        `trap 'echo got TERM' TERM; echo $$; while :; do sleep 0.05; done`,
      ]);
      await alice.prints(/\d+/);
      await overwrite('stolen', { spec: { holderIdentity: 'thief' } });
      const { code, stdout, stderr } = await alice.finished;
      assert.equal(code, EXIT.lost.code);
      assert.match(stdout, /got TERM/);
      assert.match(stderr, /lost Lease \S+\/stolen: it is held by thief/);
      assert.equal(isRunning(Number(stdout.split('\n')[0])), false);
      assert.equal((await leaseOf('stolen')).spec.holderIdentity, 'thief');
    });

    test('a Lease deleted under its holder is put back', async (t) => {
      const alice = await on(t, 'deleted', ['--', 'sh', '-c', 'echo ready; cat']);
      await alice.prints(/ready/);
      assert.equal((await target.request('DELETE', await pathOf('deleted'))).status, 200);
      await alice.says(/was deleted while held, and has been restored/);
      assert.match((await leaseOf('deleted')).spec.holderIdentity ?? '', /./);
      alice.input('');
      assert.equal((await alice.finished).code, 0);
      assert.equal((await leaseOf('deleted')).spec.holderIdentity, '');
    });

    test('a stop request stops the command with its grace, and then releases; exit code 79', async (t) => {
      const alice = await on(t, 'asked', [
        '--',
        'sh',
        '-c',
        `trap 'echo bye; exit 0' TERM; echo $LEASE_LOCK_HOLDER; while :; do sleep 0.05; done`,
      ]);
      await alice.prints(/\n/);
      const stop = JSON.stringify({
        v: 1,
        next: 2,
        stop: { holder: alice.stdout.trim(), by: 'ops', kind: 'unlock', reason: 'rollback' },
      });
      await overwrite('asked', { metadata: { annotations: { [LOCK]: stop } } });
      const { code, stdout, stderr } = await alice.finished;
      assert.equal(code, EXIT.stopped.code);
      assert.match(stdout, /bye/);
      assert.match(stderr, /stopped: asked to stop by ops: rollback \(unlock\)/);
      assert.equal((await leaseOf('asked')).spec.holderIdentity, '');
    });
  });
}

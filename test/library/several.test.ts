/** Several locks as users of acquireAll have them. docs/library.md#several-locks. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { acquireAll, createLock } from '../../src/library/index.ts';
import type { ApiTarget } from '../harness/targets.ts';
import { targets } from '../harness/targets.ts';
import { until } from '../harness/until.ts';
import { codeOf } from './workshop.ts';

const all = await targets();
after(() => Promise.all(all.map((target) => target.close())));

/** Two locks of one namespace, made as often as a test wants. */
async function twoOf({ url, caFile, tokenFile, namespace }: ApiTarget) {
  const access = { server: url, certificateAuthority: caFile, tokenFile, namespace: await namespace('several') };
  return { one: createLock({ name: 'cache', ...access }), two: createLock({ name: 'data', reason: 'v2', ...access }) };
}

for (const target of all) {
  test(`${target.name}: several locks are held together, and those that wait see what goes with them`, async () => {
    const { one, two } = await twoOf(target);
    const held = await acquireAll([two, one], { timeout: '10s' });
    assert.deepEqual(
      held.locks.map((each) => each.name),
      ['cache', 'data'],
    );
    assert.ok(held.locks.every(({ token }) => /^\d+$/.test(token)));
    assert.ok(held.isHeld() && (await held.verify()));
    assert.equal((await one.status()).holders[0]?.reason, 'together with data');
    assert.equal((await two.status()).holders[0]?.reason, 'v2; together with cache');
    assert.deepEqual(await held.release(), { kind: 'released' });
    assert.ok(!held.isHeld() && !(await held.verify()));
    for (const each of [one, two]) assert.equal((await each.status()).held, false);
  });

  test(`${target.name}: all or none: what cannot be had gives the others back, in either order`, async () => {
    const { one, two } = await twoOf(target);
    for (const other of [one, two]) {
      const held = await other.acquire();
      assert.equal(await acquireAll([one, two], { onBusy: 'fail' }).catch(codeOf), 'busy');
      assert.equal(await acquireAll([two, one], { timeout: '50ms' }).catch(codeOf), 'busy');
      await held.release();
      for (const each of [one, two]) assert.equal((await each.status()).held, false);
    }
    const both = await Promise.all([
      acquireAll([one, two]).then((held) => held.release()),
      acquireAll([two, one]).then((held) => held.release()),
    ]);
    assert.deepEqual(both, [{ kind: 'released' }, { kind: 'released' }]);
  });

  test(`${target.name}: of several, one that is asked for, or lost, is all of them`, async () => {
    const { one, two } = await twoOf(target);
    const held = await acquireAll([one, two]);
    const newcomer = two.acquire({ onBusy: 'replace' });
    await until(() => held.stopRequested.aborted, 'it is asked');
    assert.equal(held.stopRequested.reason.kind, 'replace');
    assert.ok(held.isHeld());
    await held.release();
    await (await newcomer).release();

    const again = await acquireAll([one, two]);
    await one.unlock({ holder: again.locks[0]?.holder ?? '', force: 'live' });
    await until(() => again.signal.aborted, 'it is lost');
    assert.deepEqual([again.signal.reason.code, again.isHeld()], ['lost', false]);
    assert.equal((await again.release()).kind, 'gone');
    assert.equal((await two.status()).held, false);
  });
}

test('acquireAll refuses what it cannot acquire', async () => {
  const { one, two } = await twoOf(all[0] as ApiTarget);
  for (const locks of [[], [one, one], [{ ...one }]]) assert.equal(await acquireAll(locks).catch(codeOf), 'configuration');
  assert.equal(await acquireAll([one], { wait: 1 } as object).catch(codeOf), 'configuration');
  const nowhere = createLock({ name: 'x', kubeconfig: '/nowhere' });
  assert.equal(await acquireAll([two, nowhere]).catch(codeOf), 'configuration');
});

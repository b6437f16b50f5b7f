/** The policies as users of createLock have them. docs/policies.md. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { LockError } from '../../src/library/index.ts';
import { targets } from '../harness/targets.ts';
import { until } from '../harness/until.ts';
import { codeOf, workshop } from './workshop.ts';

const all = await targets();
after(() => Promise.all(all.map((target) => target.close())));

for (const target of all) {
  test(`${target.name}: a newcomer that replaces is told of by stopRequested; one of its group gives up`, async (t) => {
    const { lock } = await workshop(t, target);
    const held = await lock({ holder: 'alice' }).acquire();
    const bob = lock({ holder: 'bob', supersede: 'default' }).acquire().catch(codeOf);
    await until(async () => (await lock().status()).waiters.length === 1, 'bob waits');
    const carol = lock({ holder: 'carol', reason: 'v2' }).acquire({ onBusy: 'replace' });
    await until(() => held.stopRequested.aborted, 'alice is asked');
    const { by, kind, reason } = held.stopRequested.reason;
    assert.deepEqual([by.split('/')[0], kind, reason], ['carol', 'replace', 'v2']);
    await held.release();
    await (await carol).release();
    assert.equal(await bob, 'skipped');
  });

  test(`${target.name}: what has ended well under a key is done once; a lock stays taken for a minimum time`, async (t) => {
    const { lock, lease } = await workshop(t, target);
    const nightly = lock({ minHold: '1h' });
    await assert.rejects(
      nightly.withLock(() => Promise.reject(new Error('broken')), { once: 'k' }),
      /broken/,
    );
    const { spec } = await lease();
    assert.ok((spec.leaseDurationSeconds ?? 0) > 3590, 'it failed, and is kept all the same');
    await nightly.unlock({ holder: spec.holderIdentity ?? '', force: 'silent' });
    assert.equal(await lock().withLock(() => 'done', { once: 'k' }), 'done');
    const again = await lock()
      .withLock(() => 'again', { once: 'k' })
      .catch((error: unknown) => error);
    assert.ok(again instanceof LockError && again.code === 'skipped');
    assert.match(again.message, /the work has succeeded already for the key "k"/);
    assert.throws(() => lock({ minHold: '25h' }), /minHold is too long/);
    assert.equal(await lock().acquire({ onBusy: 'replace', timeout: 0 }).catch(codeOf), 'configuration');
  });

  test(`${target.name}: readers share a lock, a writer waits for them, and permits are counted`, async (t) => {
    const { lock } = await workshop(t, target);
    const readers = await Promise.all([lock({ shared: true }).acquire(), lock({ shared: true }).acquire()]);
    assert.equal(await lock().tryAcquire(), undefined);
    const writer = lock().acquire();
    await until(async () => (await lock().status()).waiters.length === 1, 'the writer waits');
    assert.equal(await lock({ shared: true }).tryAcquire(), undefined, 'nobody passes it');
    for (const reader of readers) await reader.release();
    await (await writer).release();
    const three = { permits: 3 };
    const heavy = await lock({ ...three, weight: 2 }).acquire();
    const light = await lock(three).acquire();
    assert.equal(await lock(three).tryAcquire(), undefined);
    assert.equal(await lock({ permits: 4 }).acquire().catch(codeOf), 'refused');
    await lock().set({ permits: 4 });
    await (await lock({ permits: 4 }).acquire()).release();
    assert.equal(await lock().set({ permits: 0 }).catch(codeOf), 'configuration');
    assert.equal(
      await lock()
        .set({} as { permits: number })
        .catch(codeOf),
      'configuration',
    );
    await lock().set({ permits: 3 });
    for (const held of [heavy, light]) await held.release();
    assert.throws(() => lock({ ...three, weight: 4 }), /weight 4 never fits into permits 3/);
    assert.throws(() => lock({ permits: 0 }), /permits is 0: it must be from 1 to 100/);
    assert.equal(await lock({ shared: true }).acquire({ onBusy: 'replace' }).catch(codeOf), 'configuration');
  });

  test(`${target.name}: a priority grows with the wait`, async (t) => {
    const { lock } = await workshop(t, target);
    const held = await lock().acquire();
    const old = lock({ ageStep: '1s' }).acquire();
    await until(async () => (await lock().status()).waiters.length === 1, 'it waits');
    const high = lock({ priority: 1 }).acquire();
    const priorities = async () => (await lock().status()).waiters.map(({ priority }) => priority);
    await until(async () => (await priorities()).join() === '1,1', 'it is as high, and came first');
    await held.release();
    await (await old).release();
    await (await high).release();
    assert.throws(() => lock({ ageStep: '10ms' }), /ageStep is too short: it must be at least 1s/);
  });
}

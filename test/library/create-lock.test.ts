/** createLock on every API server that there is; on the real one with the rights of docs/migration.md and no more. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { type Held, LockError, type LockEvent } from '../../src/library/index.ts';
import { real } from '../harness/real.ts';
import { targets } from '../harness/targets.ts';
import { until } from '../harness/until.ts';
import { codeOf, workshop } from './workshop.ts';

const all = await targets();
after(() => Promise.all(all.map((target) => target.close())));

for (const target of all) {
  test(`${target.name}: acquired, it is held until it is released`, async (t) => {
    const { lock, lease, namespace } = await workshop(t, target);
    const events: LockEvent[] = [];
    const nightly = lock({
      holder: 'alice',
      reason: 'why',
      url: 'https://x',
      labels: { a: 'b' },
      onEvent: (event) => events.push(event),
    });
    assert.deepEqual(await nightly.status(), { exists: false, held: false, holders: [], waiters: [], transitions: 0 });
    const held = await nightly.acquire();
    assert.match(held.holder, /^alice\/[a-z0-9]{10}$/);
    assert.deepEqual([held.isHeld(), held.signal.aborted, held.stopRequested.aborted, held.transitions], [true, false, false, 1]);
    const { spec, metadata } = await lease();
    const labels = { 'app.kubernetes.io/managed-by': 'k8s-lease-lock', a: 'b' };
    assert.deepEqual([spec.holderIdentity, spec.leaseDurationSeconds, metadata.labels], [held.holder, 60, labels]);
    assert.equal(held.token, metadata.resourceVersion);
    assert.ok(Date.parse(spec.renewTime ?? '') <= Date.now() + 1000, 'the present, not the expiry');
    assert.equal(await held.verify(), true);
    const status = await nightly.status();
    assert.deepEqual([status.exists, status.held, status.waiters, status.transitions], [true, true, [], 1]);
    const [holder] = status.holders;
    assert.deepEqual(
      [holder?.id, holder?.reason, holder?.url, holder?.durationMs, holder?.foreign],
      [held.holder, 'why', 'https://x', 60_000, false],
    );
    assert.deepEqual(await held.release(), { kind: 'released' });
    assert.deepEqual(await held.release(), { kind: 'released' });
    assert.deepEqual([held.isHeld(), held.signal.aborted], [false, false]);
    assert.equal(await held.verify(), false);
    assert.equal((await nightly.status()).held, false);
    assert.deepEqual(
      events.map(({ type }) => type),
      ['acquired', 'released'],
    );
    assert.deepEqual([events[0]?.lock, events[0]?.holder], [`${namespace}/nightly`, held.holder]);
    const next = await nightly.acquire();
    assert.ok(BigInt(next.token) > BigInt(held.token), 'tokens grow');
    await next.release();
  });

  test(`${target.name}: acquisitions of one lock exclude each other, and are served by priority, then in order`, async (t) => {
    const { lock } = await workshop(t, target);
    const nightly = lock();
    const first = await nightly.acquire();
    const order: string[] = [];
    const join = async (name: string, priority: number) => {
      const { waiters } = await nightly.status();
      const served = nightly.acquire({ priority }).then(async (held) => {
        order.push(name);
        await held.release();
      });
      await until(async () => (await nightly.status()).waiters.length > waiters.length, `${name} waits`);
      return { served };
    };
    const waiting = [await join('bob', 0), await join('carol', 0), await join('dave', 5)];
    assert.deepEqual(
      (await nightly.status()).waiters.map(({ priority }) => priority),
      [5, 0, 0],
    );
    await first.release();
    await Promise.all(waiting.map(({ served }) => served));
    assert.deepEqual(order, ['dave', 'bob', 'carol']);
  });

  test(`${target.name}: a lock that is not free is busy: immediately, after a time, or until the signal`, async (t) => {
    const { lock } = await workshop(t, target);
    const nightly = lock();
    const held = await nightly.acquire();
    assert.equal(await nightly.tryAcquire(), undefined);
    const busy = await nightly.acquire({ onBusy: 'fail' }).catch((error: unknown) => error);
    assert.ok(busy instanceof LockError);
    assert.deepEqual([busy.code, busy.heldBy.map(({ id }) => id)], ['busy', [held.holder]]);
    assert.match(busy.message, new RegExp(`is held by ${held.holder}`));
    assert.equal(await nightly.acquire({ timeout: 200 }).catch(codeOf), 'busy');
    assert.equal(await nightly.acquire({ timeout: '0.2s', onBusy: 'fail' }).catch(codeOf), 'busy');
    const stop = new AbortController();
    const waiting = nightly.acquire({ signal: stop.signal }).catch((error: unknown) => error);
    await until(async () => (await nightly.status()).waiters.length === 1, 'it waits');
    stop.abort('enough');
    const aborted = await waiting;
    assert.ok(aborted instanceof LockError);
    assert.deepEqual([aborted.code, aborted.cause], ['aborted', 'enough']);
    assert.deepEqual((await nightly.status()).waiters, [], 'who gives up leaves the queue');
    await held.release();
    const got = await nightly.tryAcquire();
    assert.equal(got?.isHeld(), true);
    await got?.release();
  });

  test(`${target.name}: withLock returns what the work returns, throws what it throws, and releases either way`, async (t) => {
    const { lock } = await workshop(t, target);
    const nightly = lock();
    assert.equal(await nightly.withLock((held) => held.isHeld()), true);
    assert.equal((await nightly.status()).held, false);
    const error = new Error('of the work');
    await assert.rejects(
      nightly.withLock(() => Promise.reject(error)),
      error,
    );
    assert.equal((await nightly.status()).held, false);
  });

  test(`${target.name}: await using releases`, async (t) => {
    const { lock } = await workshop(t, target);
    const nightly = lock();
    {
      await using held = await nightly.acquire();
      assert.equal(held.isHeld(), true);
    }
    assert.equal((await nightly.status()).held, false);
  });

  test(`${target.name}: a loss aborts the signal with its reason, and withLock says so though the work ended well`, async (t) => {
    const { lock, overwrite, lease } = await workshop(t, target);
    const nightly = lock();
    let seen: unknown;
    const work = nightly.withLock(async ({ signal }: Held) => {
      await overwrite({ holderIdentity: 'thief' });
      await until(() => signal.aborted, 'the loss is known');
      seen = signal.reason;
      return 'well';
    });
    const error = await work.catch((error: unknown) => error);
    assert.ok(error instanceof LockError);
    assert.equal(error.code, 'lost');
    assert.equal(error, seen);
    assert.match(error.message, /is lost: it is held by thief\. Another may run now/);
    assert.equal((await lease()).spec.holderIdentity, 'thief', 'what is lost is not released');
    const { holders } = await nightly.status();
    assert.deepEqual([holders[0]?.id, holders[0]?.foreign], ['thief', true]);
  });

  test(`${target.name}: a stop request is told, and the lock stays held until it is released`, async (t) => {
    const { lock, overwrite } = await workshop(t, target);
    const held = await lock().acquire();
    const stop = { holder: held.holder, by: 'ops', kind: 'unlock', reason: 'rollback' };
    await overwrite({}, { 'lease-lock.nullplatform.com/lock': JSON.stringify({ v: 1, next: 2, stop }) });
    await until(() => held.stopRequested.aborted, 'it is told');
    assert.deepEqual(held.stopRequested.reason, { by: 'ops', kind: 'unlock', reason: 'rollback' });
    assert.deepEqual([held.isHeld(), held.signal.aborted], [true, false]);
    await held.release();
  });

  test(`${target.name}: a Lease that is missing is refused where it may not be made`, async (t) => {
    const { lock } = await workshop(t, target);
    const error = await lock({ createIfAbsent: false })
      .acquire()
      .catch((error: unknown) => error);
    assert.ok(error instanceof LockError);
    assert.deepEqual([error.code, error.status], ['refused', 404]);
  });
}

real('real: what RBAC does not allow is refused, with the sentence that allows it', async (t) => {
  const target = all.find(({ name }) => name === 'real');
  assert.ok(target);
  const { lock } = await workshop(t, target);
  const error = await lock({ name: 'another' })
    .acquire()
    .catch((error: unknown) => error);
  assert.ok(error instanceof LockError);
  assert.deepEqual([error.code, error.status], ['refused', 403]);
  assert.match(error.message, /Allow get, watch, create and update .* resourceNames \["another"\]/);
  assert.equal(await lock({ name: 'another' }).status().catch(codeOf), 'refused');
});

test('isHeld looks at the clock where a blocked event loop can not be told', async (t) => {
  const target = all.find(({ name }) => name === 'embedded');
  assert.ok(target);
  const { lock } = await workshop(t, target);
  const held = await lock({ leaseDuration: 2000 }).acquire();
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1900);
  assert.equal(held.signal.aborted, false, 'no timer has fired');
  assert.equal(held.isHeld(), false);
  assert.match(held.signal.reason.message, /is lost: it could not be renewed for/);
});

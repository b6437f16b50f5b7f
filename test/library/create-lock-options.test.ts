/** What createLock and acquire refuse, and what they say where there is no API server. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CreateLockOptions, createLock } from '../../src/library/index.ts';
import { codeOf } from './workshop.ts';

test('a server that does not answer is unreachable, and no cluster a matter of configuration', async () => {
  const nowhere = createLock({ name: 'a', server: 'http://127.0.0.1:9' });
  assert.equal(await nowhere.tryAcquire().catch(codeOf), 'unreachable');
  assert.equal(await nowhere.status().catch(codeOf), 'unreachable');
  const none = createLock({ name: 'a', kubeconfig: '/nonexistent' });
  assert.equal(await none.acquire().catch(codeOf), 'configuration');
  assert.equal(await none.acquire().catch(codeOf), 'configuration', 'it is looked for again');
});

test('options that are wrong are told by name', async () => {
  const cases: [Record<string, unknown>, RegExp][] = [
    [{}, /name is missing/],
    [{ name: '' }, /name is "": it must be a string/],
    [{ name: 'a_b' }, /invalid name "a_b" for a Lease/],
    [{ name: 'a', namespace: 'x.y' }, /invalid namespace "x.y"/],
    [{ name: 'a', holder: 'x y' }, /invalid holder "x y"/],
    [{ name: 'a', leaseduration: 1 }, /has no option "leaseduration": it has .*leaseDuration/],
    [{ name: 'a', leaseDuration: '90' }, /leaseDuration: "90" has no unit: write 90s/],
    [{ name: 'a', leaseDuration: 1500 }, /whole number of seconds/],
    [{ name: 'a', leaseDuration: 30 }, /at least 1s\. Numbers are milliseconds: write 30000, or "30s"$/],
    [{ name: 'a', leaseDuration: 0.5 }, /Numbers are milliseconds: write 500, or "0\.5s"$/],
    [{ name: 'a', leaseDuration: 0 }, /whole number of seconds, at least 1s$/],
    [{ name: 'a', leaseDuration: {} }, /leaseDuration is an object: it must be a number of milliseconds/],
    [
      { name: 'a', leaseDuration: '10s', stopWithin: '10s' },
      /too short for a stopWithin of 10s: .* at least \d+s or a stopWithin of at most/,
    ],
    [{ name: 'a', leaseDuration: '10s', renewEvery: '9s' }, /renewing every 9s .* Use a lease duration of at least/],
    [{ name: 'a', renewEvery: 10 }, /renewEvery is 10ms: it must be at least 1s/],
    [{ name: 'a', priority: 1.5 }, /priority is 1.5: it must be a whole number/],
    [{ name: 'a', createIfAbsent: 'no' }, /createIfAbsent is "no": it must be true or false/],
    [{ name: 'a', onEvent: 1 }, /onEvent is 1: it must be a function/],
    [{ name: 'a', labels: 'x' }, /labels is "x"/],
    [{ name: 'a', kubeConfig: {} }, /must be a KubeConfig/],
    [{ name: 'a', kubeConfig: { getCurrentContext() {} }, context: 'x' }, /kubeConfig and context are both given/],
  ];
  for (const [options, message] of cases) {
    const make = () => createLock(options as unknown as CreateLockOptions);
    assert.throws(make, { name: 'LockError', code: 'configuration', message }, JSON.stringify(options));
  }
  const lock = createLock({ name: 'a', server: 'http://127.0.0.1:9' });
  const asked: [object, RegExp][] = [
    [{ timeout: '5' }, /timeout: "5" has no unit/],
    [{ timeout: -1 }, /timeout is -1/],
    [{ onBusy: 'skip' }, /onBusy is "skip": it must be one of wait, fail/],
    [{ signal: 5 }, /signal is 5: it must be an AbortSignal/],
    [{ shared: true }, /acquire has no option "shared"/],
  ];
  for (const [options, message] of asked) await assert.rejects(lock.acquire(options), { code: 'configuration', message });
});

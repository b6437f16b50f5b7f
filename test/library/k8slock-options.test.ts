/** What K8SLock refuses, and that options which it does not know are left alone, as 0.2.5 did. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { K8SLock, type K8SLockOptions } from '../../src/library/index.ts';

test('options that are wrong are told by name', () => {
  const cases: [Record<string, unknown>, RegExp][] = [
    [{}, /leaseName is missing/],
    [{ leaseName: 'No' }, /invalid name "No" for a Lease/],
    [{ leaseName: 'a', namespace: 'A' }, /invalid namespace "A"/],
    [{ leaseName: 'a', leaseDurationInSeconds: 1 }, /Use a lease duration of at least 2s/],
    [{ leaseName: 'a', leaseDurationInSeconds: 2.5 }, /whole number of seconds/],
    [{ leaseName: 'a', lockLeaserId: 5 }, /lockLeaserId is 5: it must be a string/],
    [{ leaseName: 'a', resume: true }, /resume needs a lockLeaserId/],
    [{ leaseName: 'a', labels: { a: 1 } }, /the label a is 1/],
    [{ leaseName: 'a', onLost: 'x' }, /onLost is "x": it must be a function/],
    [{ leaseName: 'a', kubeConfig: '/path' }, /must be a KubeConfig .* already loaded/],
    [{ leaseName: 'a', refreshLockInterval: -1 }, /refreshLockInterval is -1/],
  ];
  for (const [options, message] of cases) {
    assert.throws(() => new K8SLock(options as unknown as K8SLockOptions), { name: 'LockError', code: 'configuration', message });
  }
  // Strangers are left alone, as 0.2.5 did.
  new K8SLock({ leaseName: 'a', whatever: 1 } as K8SLockOptions);
});

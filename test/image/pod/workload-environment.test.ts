import assert from 'node:assert/strict';
import { test } from 'node:test';
import { workloadEnvironment } from '../../../image/pod/workload-environment.ts';

test("what the launcher kept from the guard is the command's again", () => {
  const given = {
    PATH: '/bin',
    K8S_LEASE_LOCK_SAVED_LD_PRELOAD: '/lib/x.so',
    K8S_LEASE_LOCK_SAVED_NODE_OPTIONS: '',
    K8S_LEASE_LOCK_NAME: 'x',
  };
  assert.deepEqual(workloadEnvironment(given), {
    PATH: '/bin',
    LD_PRELOAD: '/lib/x.so',
    NODE_OPTIONS: '',
    K8S_LEASE_LOCK_NAME: 'x',
  });
});

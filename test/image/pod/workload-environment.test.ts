import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endsWithContainer, workloadEnvironment } from '../../../image/pod/workload-environment.ts';

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

test('the launcher vouches for the guard that it has started, and for none that inherits its word', () => {
  const env = { PATH: '/bin', K8S_LEASE_LOCK_INIT: '7' };
  assert.equal(endsWithContainer(env, 7), true);
  assert.equal(endsWithContainer(env, 8), false);
  assert.equal(endsWithContainer({}, 7), false);
  assert.deepEqual(workloadEnvironment(env), { PATH: '/bin' }, 'the command does not see it');
});

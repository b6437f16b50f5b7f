/** Leases that nobody writes on purpose. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseLease } from '../../src/protocol/document.ts';
import { newLease, type RawLease } from '../../src/protocol/lease.ts';
import type { LockState } from '../../src/protocol/lock-state.ts';

const lease = (annotations: Record<string, string>, spec: object = {}): RawLease => ({
  ...newLease('team', 'deploy'),
  metadata: { name: 'deploy', namespace: 'team', annotations },
  spec: { ...spec },
});

function stateOf(raw: RawLease): LockState {
  const parsed = parseLease(raw);
  assert.ok(parsed.kind === 'state');
  return parsed.state;
}

test('a list of policies that is empty asks for nothing', () => {
  assert.equal(stateOf(lease({ 'lease-lock.nullplatform.com/lock': '{"v":1,"must":[]}' })).next, 1);
});

test('a Lease that names nobody and states no duration is free, whatever its renewTime', () => {
  const free = lease({}, { holderIdentity: '', renewTime: '2030-01-01T00:00:00.000000Z' });
  const fieldsV1 = { 'f:spec': { 'f:renewTime': {} } };
  const managedFields = [{ manager: 'm', time: '2026-01-01T00:00:00Z', fieldsV1 }];
  assert.deepEqual(stateOf({ ...free, metadata: { ...free.metadata, managedFields } }).holders, []);
});

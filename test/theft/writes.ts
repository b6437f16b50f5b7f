/** What people write to a Lease by hand, past every rule of the protocol. */
import assert from 'node:assert/strict';
import type { Answer, ApiObject, Metadata } from '../harness/api.ts';
import { until } from '../harness/until.ts';
import type { Credentials } from './contender.ts';
import { type Lab, leaseOf } from './lab.ts';

export const HER_ENTRY = 'holder.lease-lock.nullplatform.com/000001-alicesnonce';
export const WAITER = 'waiter.lease-lock.nullplatform.com/000002-bobsnonce';
export const LOCK_ENTRY = 'lease-lock.nullplatform.com/lock';
export const FUTURE = '2099-01-01T00:00:00Z';
export const now = () => new Date().toISOString().replace('Z', '000Z');
export const notes = (lease: ApiObject): Record<string, string> => {
  lease.metadata.annotations ??= {};
  return lease.metadata.annotations;
};
export const stamp = ({ metadata }: ApiObject) => {
  const found = metadata.managedFields?.find(({ fieldsV1 }) => JSON.stringify(fieldsV1).includes('f:renewTime'));
  assert.ok(found);
  return found;
};

/** Held by the user alice for a minute. */
export async function heldByAlice(lab: Lab): Promise<{ alice: Credentials; thief: Credentials }> {
  const alice = lab.user('alice');
  const lease = leaseOf(lab, 'user/alice/1');
  const annotations = { [HER_ENTRY]: '{"id":"user/alice/1","mark":"m"}', [LOCK_ENTRY]: '{"v":1,"next":2}' };
  const made = await lab.request(
    alice,
    'PUT',
    { ...lease, metadata: { ...lease.metadata, annotations } },
    { query: '?fieldManager=k8s-lease-lock' },
  );
  assert.equal(made.status, 201, made.text);
  // Stamps are in whole seconds: within the first of them a second one looks like the first.
  await until(() => Date.now() >= Date.parse(stamp(made.body).time) + 1000, 'a second has passed');
  return { alice, thief: lab.user('thief') };
}

export type Change = (lease: ApiObject) => void;

/** Reads, changes, and puts it back as somebody; a test may do it in the dark (`dryRun`), so that what is let through changes nothing. */
export async function write(
  lab: Lab,
  who: Credentials,
  change: Change,
  { manager = 'other', dryRun = true } = {},
): Promise<Answer> {
  const lease = await lab.lease();
  change(lease);
  return await lab.request(who, 'PUT', lease, { query: `?fieldManager=${manager}${dryRun ? '&dryRun=All' : ''}` });
}

export const take =
  (id: string, more: Change = () => {}): Change =>
  (lease) => {
    lease.spec = { ...lease.spec, holderIdentity: id, renewTime: now(), leaseTransitions: 2 };
    more(lease);
  };

export const owner = { apiVersion: 'v1', kind: 'ConfigMap', name: 'none', uid: '00000000-0000-0000-0000-000000000000' };
export const label = ({ metadata }: { metadata: Metadata }) => {
  metadata.labels = { ...metadata.labels, touched: 'yes' };
};

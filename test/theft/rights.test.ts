/** What the policy of deploy/holders leaves to whom: expired and free locks, new ones, and those who may break one. */
import assert from 'node:assert/strict';
import type { ApiObject } from '../harness/api.ts';
import { grant } from '../harness/rbac.ts';
import { until } from '../harness/until.ts';
import { guarded, LOCK, leaseOf } from './lab.ts';
import { type Change, heldByAlice, LOCK_ENTRY, label, notes, now, owner, stamp, take, WAITER, write } from './writes.ts';

guarded('what is nobody else’s business is let through', async (lab) => {
  const { thief: bob } = await heldByAlice(lab);
  const queue = (lease: ApiObject) =>
    Object.assign(notes(lease), { [WAITER]: '{"id":"user/thief/1"}', [LOCK_ENTRY]: '{"v":1,"next":3}' });
  assert.equal((await write(lab, bob, queue, { dryRun: false })).status, 200);
  assert.equal(
    (await write(lab, lab.user('carol'), (lease) => delete notes(lease)[WAITER])).status,
    200,
    'a waiter that is passed over',
  );
  assert.equal((await write(lab, lab.user('carol'), label)).status, 200);
});

guarded('an expired lock is anybody’s, but not before the API server’s own clock says so', async (lab) => {
  const dead = await lab.request(lab.user('dead'), 'PUT', leaseOf(lab, 'user/dead/1', { leaseDurationSeconds: 2 }), {
    query: '?fieldManager=x',
  });
  assert.equal(dead.status, 201);
  const stampedAt = Date.parse(stamp(dead.body).time);
  let answer = await write(lab, lab.user('next'), take('user/next/1'), { dryRun: false });
  assert.match(answer.body.message ?? '', /has not expired/);
  await until(async () => {
    answer = await write(lab, lab.user('next'), take('user/next/1'), { dryRun: false });
    return answer.status === 200;
  }, 'it has expired');
  assert.ok(Date.parse(stamp(answer.body).time) - stampedAt >= 2000);
});

guarded('a Lease that is made is tracked, owned by nobody, and held by whoever makes it or by nobody', async (lab) => {
  const thief = lab.user('thief');
  const make = async (change: (lease: ReturnType<typeof leaseOf> & Record<string, unknown>) => void) => {
    const lease = leaseOf(lab, 'user/thief/1');
    change(lease);
    const { status, body } = await lab.request(thief, 'PUT', lease, { query: '?fieldManager=x&dryRun=All' });
    return body.message ?? status;
  };
  assert.equal(await make(() => {}), 201);
  assert.match(
    String(await make(({ spec }) => Object.assign(spec, { holderIdentity: 'user/bob/1' }))),
    /is not yours: it must be user\/thief/,
  );
  assert.match(String(await make(({ metadata }) => Object.assign(metadata, { ownerReferences: [owner] }))), /ownerReferences/);
  assert.match(String(await make((lease) => Object.assign(lease, { spec: {} }))), /the fields of a lock must be tracked/);
  assert.match(String(await make(({ spec }) => Object.assign(spec, { renewTime: undefined }))), /a holder needs spec\.renewTime/);
});

guarded('a Lease whose fields are not tracked can not be taken, and can be deleted', async (lab) => {
  const { metadata, apiVersion, kind } = leaseOf(lab, '');
  // Made by an administrator, or before there was a policy.
  assert.equal((await lab.cluster.request('PUT', lab.path, { apiVersion, kind, metadata, spec: {} })).status, 201);
  const anybody = lab.user('anybody');
  assert.match(
    (
      await write(
        lab,
        anybody,
        take('user/anybody/1', ({ spec }) => Object.assign(spec, { leaseDurationSeconds: 9 })),
      )
    ).body.message ?? '',
    /the fields of this Lease are not tracked .*: delete it/,
  );
  assert.equal((await lab.request(anybody, 'DELETE')).status, 200);
});

guarded('a free lock may be deleted; its spec changes only by taking it', async (lab) => {
  const { alice } = await heldByAlice(lab);
  const clear: Change = ({ spec }) => Object.assign(spec, { holderIdentity: '', leaseDurationSeconds: 1, renewTime: now() });
  assert.equal((await write(lab, alice, clear, { dryRun: false })).status, 200);
  const nameless: Change = ({ spec }) =>
    Object.assign(spec, { leaseDurationSeconds: 60, renewTime: '2099-01-01T00:00:00.000000Z' });
  assert.match(
    (await write(lab, lab.user('thief'), nameless)).body.message ?? '',
    /nobody holds the lock: its spec changes only by taking it/,
  );
  assert.equal((await lab.request(lab.user('thief'), 'DELETE')).status, 200);
});

guarded('who has verb force-unlock may clear and delete a live lock, and so may an administrator', async (lab) => {
  const { alice } = await heldByAlice(lab);
  const breaker = lab.user('breaker');
  const clear: Change = ({ spec }) => Object.assign(spec, { holderIdentity: '', leaseDurationSeconds: 1, renewTime: now() });
  assert.equal((await write(lab, breaker, clear)).status, 403);
  const to = [{ kind: 'User' as const, name: 'breaker' }];
  await grant(lab.cluster, { namespace: lab.namespace, name: 'force', verbs: ['force-unlock'], lock: LOCK, to });
  await until(async () => (await write(lab, breaker, clear)).status === 200, 'the Role is heard of');
  assert.equal((await write(lab, alice, () => {})).status, 200);
  const lease = await lab.lease();
  clear(lease);
  assert.equal((await lab.cluster.request('PUT', `${lab.path}?dryRun=All`, lease)).status, 200, 'system:masters');
  assert.equal((await lab.request(breaker, 'DELETE', undefined, { query: '?dryRun=All' })).status, 200);
  assert.equal((await lab.cluster.request('DELETE', lab.path)).status, 200, 'system:masters');
});

guarded('the namespace of a held lock can be deleted by those who clean up', async (lab) => {
  await heldByAlice(lab);
  const cleaner = (name: string) => ({ authorization: `Bearer ${lab.cluster.adminToken}`, 'impersonate-user': name });
  const remove = async (name: string) => (await lab.request(cleaner(name), 'DELETE', undefined, { query: '?dryRun=All' })).status;
  assert.equal(await remove('system:serviceaccount:kube-system:namespace-controller'), 200);
  assert.equal(await remove('system:serviceaccount:kube-system:job-controller'), 403);
});

/** Under the policy of deploy/holders a holder may hand the lock to one that waits, whoever that is; nobody else may, and to nobody else. */
import assert from 'node:assert/strict';
import { until } from '../harness/until.ts';
import { guarded } from './lab.ts';
import { type Change, HER_ENTRY, heldByAlice, notes, now, WAITER, write } from './writes.ts';

const BOB = '{"id":"user/bob/1","mark":"g","duration":60,"granted":true}';
const KEY = WAITER.replace('waiter.', 'holder.');

/** As a release by the protocol does. */
const handed =
  (key = KEY, id = 'user/bob/1'): Change =>
  (lease) => {
    const { [HER_ENTRY]: _, [WAITER]: waiter, ...rest } = notes(lease);
    lease.metadata.annotations = { ...rest, [key]: BOB };
    lease.spec = { ...lease.spec, holderIdentity: id, renewTime: now(), leaseTransitions: 2, leaseDurationSeconds: 60 };
  };

guarded('a holder hands the lock to one that waits; a thief does not, and nobody to who does not wait', async (lab) => {
  const { alice, thief } = await heldByAlice(lab);
  const early = await write(lab, alice, handed());
  assert.match(early.body.message ?? '', /the holder user\/bob\/1 is not yours/, 'Bob does not wait yet');
  const queued = await write(lab, lab.user('bob'), (lease) => Object.assign(notes(lease), { [WAITER]: '{"id":"user/bob/1"}' }), {
    dryRun: false,
  });
  assert.equal(queued.status, 200, queued.text);
  const stolen = await write(lab, thief, handed());
  assert.equal(stolen.status, 403);
  const other = await write(lab, alice, handed(KEY.replace('000002', '000003')));
  assert.match(other.body.message ?? '', /the holder user\/bob\/1 is not yours/, 'under a key that does not wait');
  const misnamed = await write(lab, alice, handed(KEY, 'user/thief/1'));
  assert.match(misnamed.body.message ?? '', /the holder user\/thief\/1 is not yours/);
  const two = await write(lab, alice, (lease) => {
    handed()(lease);
    notes(lease)[`${KEY}x`] = BOB;
  });
  assert.equal(two.status, 403, 'and only to one');
  const right = await write(lab, alice, handed(), { dryRun: false, manager: 'k8s-lease-lock' });
  assert.equal(right.status, 200, right.text);
  assert.equal((await write(lab, alice, handed(KEY, 'user/alice/1'))).status, 403, 'it is hers no longer');
});

guarded('a lock goes from hand to hand by the code of the product', async (lab) => {
  const names = ['alice', 'bob', 'carol'];
  const all = await Promise.all(names.map(async (name) => lab.contender(await lab.pod(name), { durationMs: 6000 })));
  const [alice, bob, carol] = all;
  assert.ok(alice && bob && carol);
  const first = await alice.take();
  const second = bob.take();
  await until(() => bob.events.some(({ type }) => type === 'waiting'), 'bob waits');
  const third = carol.take();
  await until(() => carol.events.some(({ type }) => type === 'waiting'), 'carol waits');
  assert.equal((await first.release()).kind, 'released');
  const his = await second;
  await until(() => bob.events.some(({ type }) => type === 'renewed'), 'his first write is answered');
  assert.equal((await his.release()).kind, 'released');
  await (await third).release();
});

/** How a lock is taken, kept and handed on where nothing goes wrong: the requests that it costs, and in which order. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSettled, world } from '../harness/contenders.ts';
import { SECOND } from '../harness/manual-clock.ts';

test('alice finds nobody: she reads once, writes once, and holds the lock', async () => {
  const { contender, requests, lease } = world();
  const lock = await contender('alice').take();
  assert.deepEqual(requests, ['alice GET', 'alice PUT']);
  const { spec, metadata } = lease();
  assert.equal(spec?.holderIdentity, 'alice');
  assert.equal(spec?.leaseDurationSeconds, 60);
  assert.equal(spec?.leaseTransitions, 1);
  assert.equal(lock.token, metadata.resourceVersion);
  assert.equal(lock.transitions, 1);
});

test('a holder renews every quarter of the duration with one PUT, and releases with one PUT', async () => {
  const { contender, requests, clock, lease } = world();
  const lock = await contender('alice').take();
  requests.length = 0;
  await clock.advance(15 * SECOND - 1);
  assert.deepEqual(requests, []);
  await clock.advance(1);
  assert.deepEqual(requests, ['alice PUT']);
  await clock.advance(45 * SECOND);
  assert.equal(requests.length, 4);
  requests.length = 0;
  assert.deepEqual(await lock.release(), { kind: 'released' });
  assert.deepEqual(requests, ['alice PUT']);
  assert.equal(lease().spec?.holderIdentity, '');
  assert.equal(lease().spec?.leaseDurationSeconds, 1);
  assert.equal(Object.keys(lease().metadata.annotations ?? {}).length, 1, 'only the lock annotation remains');
});

test('nothing is left running after a release', async () => {
  const { contender, requests, clock } = world();
  const lock = await contender('alice').take();
  await lock.release();
  requests.length = 0;
  await clock.advance(10 * 60 * SECOND);
  assert.deepEqual(requests, []);
});

test('bob waits while alice holds, and has the lock the moment she releases it', async () => {
  const { contender, clock } = world();
  const alice = await contender('alice').take();
  const bob = contender('bob').take();
  await clock.advance(10 * 60 * SECOND);
  assert.equal(await isSettled(bob), false);
  await alice.release();
  const lock = await bob;
  assert.ok(BigInt(lock.token) > BigInt(alice.token));
});

test('two processes with one id exclude each other', async () => {
  const { contender, clock } = world();
  const first = await contender('alice', { id: 'same' }).take();
  const second = contender('bob', { id: 'same' }).take();
  await clock.advance(300 * SECOND);
  assert.equal(await isSettled(second), false);
  assert.equal(first.lost.aborted, false);
  await first.release();
  await second;
});

test('legacy expiry writes when the lock ends, which is what K8SLock 0.2.5 reads', async () => {
  const { contender, clock, lease } = world();
  const lock = await contender('alice', { legacyExpiry: true }).take();
  assert.equal(lease().spec?.renewTime, '2026-01-01T12:01:00.000000Z');
  await clock.advance(15 * SECOND);
  assert.equal(lease().spec?.renewTime, '2026-01-01T12:01:15.000000Z');
  await lock.release();
  assert.equal(lease().spec?.renewTime, '2026-01-01T12:00:15.000000Z');
});

test('labels, annotations and fields of others survive every write of ours', async () => {
  const { contender, clock, overwrite, lease } = world();
  await (await contender('maker').take()).release();
  overwrite((found) => ({
    ...found,
    metadata: { ...found.metadata, labels: { team: 'a' }, annotations: { ...found.metadata.annotations, 'example.com/x': 'y' } },
  }));
  const lock = await contender('alice').take();
  await clock.advance(60 * SECOND);
  await lock.release();
  assert.deepEqual(lease().metadata.labels, { team: 'a' });
  assert.equal(lease().metadata.annotations?.['example.com/x'], 'y');
});

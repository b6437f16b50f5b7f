/** What a Lease says to somebody who looks at it once: one row for each situation of a holder. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseLease } from '../../src/protocol/document.ts';
import type { RawLease } from '../../src/protocol/lease.ts';
import { type LockReport, reportOf } from '../../src/protocol/report.ts';

const WRITTEN = Date.parse('2026-01-01T12:00:00Z');
const time = (ms: number): string => new Date(ms).toISOString().replace('Z', '000Z');
const KEY = 'holder.lease-lock.nullplatform.com/000001-abc';
const alice = (duration = 60) => ({
  [KEY]: JSON.stringify({ id: 'alice', mark: 'm', duration, since: time(WRITTEN - 1000), about: {} }),
});
const stamps = (manager = 'k8s-lease-lock') => [
  { manager, time: '2026-01-01T12:00:00Z', fieldsV1: { 'f:spec': { 'f:renewTime': {} } } },
];

interface Given {
  annotations?: Record<string, string>;
  spec?: RawLease['spec'];
  managedFields?: ReturnType<typeof stamps>;
  afterMs?: number;
}

function report({ annotations = alice(), spec = {}, managedFields = stamps(), afterMs = 0 }: Given): LockReport {
  const renewed = { acquireTime: time(WRITTEN - 1000), renewTime: time(WRITTEN), leaseDurationSeconds: 60 };
  const parsed = parseLease({
    metadata: { name: 'deploy', namespace: 'ci', annotations, managedFields },
    spec: { holderIdentity: 'alice', ...renewed, ...spec },
  });
  assert.ok(parsed.kind === 'state');
  return reportOf(parsed.state, WRITTEN + afterMs);
}

const first = (given: Given) => {
  const [holder] = report(given).holders;
  assert.ok(holder);
  return holder;
};

test('a holder is alive, silent, expired, and long dead, by when it last wrote', () => {
  const rows: [number, string][] = [
    [0, 'alive'],
    [25_000, 'alive'],
    [26_000, 'silent'],
    [60_000, 'silent'],
    [61_000, 'expired'],
    [120_000, 'expired'],
    [121_000, 'dead'],
  ];
  for (const [afterMs, life] of rows) assert.equal(first({ afterMs }).life, life, String(afterMs));
  const { renewedAgoMs, renewedBy, expiresInMs, freeInMs, neverRenewed } = first({ afterMs: 40_000 });
  assert.deepEqual(
    { renewedAgoMs, renewedBy, expiresInMs, freeInMs, neverRenewed },
    { renewedAgoMs: 40_000, renewedBy: 'server', expiresInMs: 20_000, freeInMs: 26_000, neverRenewed: false },
  );
});

test('a holder that has not renewed since it acquired is told apart, also one that writes expiries', () => {
  assert.equal(first({ spec: { acquireTime: time(WRITTEN), renewTime: time(WRITTEN) } }).neverRenewed, true);
  const expiry = first({ spec: { acquireTime: time(WRITTEN), renewTime: time(WRITTEN + 60_000) }, afterMs: 30_000 });
  assert.deepEqual([expiry.neverRenewed, expiry.life, expiry.client], [true, 'silent', 'k8s-lease-lock']);
});

test('a holder that was cleared in the spec alone is still there, and is no other’s', () => {
  const { life, renewedAgoMs, client } = first({ spec: { holderIdentity: '', leaseDurationSeconds: 1 } });
  assert.deepEqual([life, renewedAgoMs, client], ['cleared', undefined, 'k8s-lease-lock']);
  const both = report({ spec: { holderIdentity: 'thief' } }).holders.map(({ holder, life: how }) => [holder.id, how]);
  assert.deepEqual(both, [
    ['thief', 'alive'],
    ['alice', 'cleared'],
  ]);
});

test('leader election and K8SLock 0.2.5 are told apart', () => {
  const foreign = { annotations: {}, managedFields: stamps('kube-scheduler') };
  const elected = first({ ...foreign, afterMs: 59_000 });
  assert.deepEqual([elected.client, elected.manager, elected.life], ['other', 'kube-scheduler', 'alive']);
  assert.equal(first({ ...foreign, afterMs: 61_000 }).life, 'expired', 'it may renew at the end of its lease');
  const legacy = { ...foreign, spec: { renewTime: time(WRITTEN + 60_000) }, afterMs: 20_000 };
  assert.deepEqual([first(legacy).client, first(legacy).expiresInMs], ['k8slock', 40_000]);
  const nameless = first({ ...legacy, spec: { ...legacy.spec, holderIdentity: '' } });
  assert.deepEqual([nameless.client, nameless.holder.id], ['k8slock', 'an unnamed holder']);
});

test('without field tracking the holder’s own clock is all there is, and said to be', () => {
  const untracked = first({ managedFields: [], afterMs: 5000 });
  assert.deepEqual([untracked.life, untracked.renewedBy, untracked.renewedAgoMs], ['alive', 'holder', 5000]);
  const nothing = first({ managedFields: [], spec: { renewTime: 'soon' } });
  assert.deepEqual([nothing.life, nothing.renewedAgoMs, nothing.expiresInMs], ['unknown', undefined, undefined]);
});

test('the queue has places, in the order in which it is served', () => {
  const waiter = (id: string, priority = 0) => JSON.stringify({ id, since: time(WRITTEN - 90_000), priority, about: {} });
  const annotations = {
    ...alice(),
    'waiter.lease-lock.nullplatform.com/000002-b': waiter('bob'),
    'waiter.lease-lock.nullplatform.com/000003-c': waiter('carol', 5),
  };
  const { queue } = report({ annotations, afterMs: 10_000 });
  assert.deepEqual(
    queue.map(({ waiter: { id }, place, waitingMs }) => [id, place, waitingMs]),
    [
      ['carol', 1, 100_000],
      ['bob', 2, 100_000],
    ],
  );
});

test('a lock that stays taken for a while is kept, and then over; without a duration nothing is known', () => {
  const [[key, text] = ['', '']] = Object.entries(alice());
  const ended = { [key]: JSON.stringify({ ...JSON.parse(text), ended: true }) };
  assert.deepEqual(
    [first({ annotations: ended }).life, first({ annotations: ended, afterMs: 70_000 }).life],
    ['kept', 'expired'],
  );
  const { leaseDurationSeconds: _, ...spec }: RawLease['spec'] & object = { holderIdentity: 'elector', leaseDurationSeconds: 1 };
  const parsed = parseLease({ metadata: { name: 'deploy', namespace: 'ci', managedFields: stamps() }, spec });
  assert.ok(parsed.kind === 'state');
  const [endless] = reportOf(parsed.state, WRITTEN).holders;
  assert.deepEqual([endless?.life, endless?.freeInMs], ['unknown', undefined]);
});

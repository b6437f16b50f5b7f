/** What the policy of deploy/holders refuses, each with a sentence: to thieves with all that RBAC allows a participant, and more. */
import assert from 'node:assert/strict';
import { grant } from '../harness/rbac.ts';
import { until } from '../harness/until.ts';
import { guarded, LOCK } from './lab.ts';
import {
  type Change,
  FUTURE,
  HER_ENTRY,
  heldByAlice,
  LOCK_ENTRY,
  label,
  notes,
  now,
  owner,
  stamp,
  take,
  WAITER,
  write,
} from './writes.ts';

const LIVE = /the lock is held by user\/alice\/1 and has not expired: only its holder may/;
const RECORD = /who renewed spec\.renewTime, and when, may not change without a renewal/;

const THEFTS: [what: string, change: Change, said: RegExp, manager?: string][] = [
  ['takes it', take('user/thief/1'), LIVE],
  [
    'takes it in the name of another',
    take('user/bob/1'),
    /user\/bob\/1 is not yours: it must be user\/thief or start with it and a \//,
  ],
  ['takes a name that begins like his', take('user/thiefs'), /is not yours/],
  [
    'takes it, with stamps of the future for others',
    take('user/thief/1', ({ metadata }) => {
      for (const entry of metadata.managedFields ?? []) entry.time = FUTURE;
    }),
    LIVE,
  ],
  [
    'takes it at the same moment in another time zone, which the API server does not stamp, with a stamp of his own',
    (lease) => {
      const moment = new Date(String(lease.spec.renewTime));
      stamp(lease).time = FUTURE;
      const shifted = `${new Date(moment.getTime() + 3_600_000).toISOString().replace('Z', '000')}+01:00`;
      lease.spec = { ...lease.spec, holderIdentity: 'user/thief/1', renewTime: shifted };
    },
    /has not expired/,
  ],
  [
    'takes it and dates it back',
    take('user/thief/1', ({ spec }) => Object.assign(spec, { renewTime: '2000-01-01T00:00:00.000000Z' })),
    LIVE,
  ],
  ['clears it', ({ spec }) => Object.assign(spec, { holderIdentity: '', leaseDurationSeconds: 1, renewTime: now() }), LIVE],
  ['shortens it', ({ spec }) => Object.assign(spec, { leaseDurationSeconds: 1 }), LIVE],
  ['renews it', ({ spec }) => Object.assign(spec, { renewTime: now() }), LIVE],
  ['sets back the stamp', (lease) => Object.assign(stamp(lease), { time: '2020-01-01T00:00:00Z' }) && label(lease), RECORD],
  ['sets the stamp ahead', (lease) => Object.assign(stamp(lease), { time: FUTURE }) && label(lease), RECORD],
  ['takes the time out of the stamp', (lease) => Object.assign(stamp(lease), { time: undefined }) && label(lease), RECORD],
  [
    'takes the field out of the stamp',
    (lease) => Object.assign(stamp(lease), { fieldsV1: { 'f:spec': { 'f:x': {} } } }) && label(lease),
    RECORD,
  ],
  [
    'adds another stamp before it',
    (lease) => {
      lease.metadata.managedFields?.unshift({ ...stamp(lease), manager: 'third', time: '2020-01-01T00:00:00Z' });
      label(lease);
    },
    RECORD,
  ],
  ['has a label stamped as a renewal', (lease) => label(lease), RECORD, 'k8s-lease-lock'],
  ['turns tracking off', ({ metadata }) => Object.assign(metadata, { managedFields: [{}], labels: { x: 'y' } }), RECORD],
  ['empties what is tracked', ({ metadata }) => Object.assign(metadata, { managedFields: [], labels: { x: 'y' } }), RECORD],
  [
    'has the garbage collector delete it',
    ({ metadata }) => Object.assign(metadata, { ownerReferences: [owner] }),
    /ownerReferences and finalizers/,
  ],
  [
    'keeps it from being deleted',
    ({ metadata }) => Object.assign(metadata, { finalizers: ['x.example.com/y'] }),
    /ownerReferences and finalizers/,
  ],
  ['takes her entry out', (lease) => delete notes(lease)[HER_ENTRY], /the entry of a holder may be removed only by that holder/],
  [
    'makes her entry his',
    (lease) => Object.assign(notes(lease), { [HER_ENTRY]: '{"id":"user/thief/1"}' }),
    /written only with the lock/,
  ],
  ['makes her entry unreadable', (lease) => Object.assign(notes(lease), { [HER_ENTRY]: '' }), /written only with the lock/],
  [
    'stands beside her',
    (lease) => Object.assign(notes(lease), { [`${HER_ENTRY}x`]: '{"id":"user/thief/1"}' }),
    /written only with the lock/,
  ],
  ['puts nobody beside her', (lease) => Object.assign(notes(lease), { [`${HER_ENTRY}x`]: '' }), /written only with the lock/],
  [
    'queues as another',
    (lease) => Object.assign(notes(lease), { [WAITER]: '{"id":"user/bob/1"}' }),
    /the id of a waiter is not yours: it must be user\/thief or/,
  ],
  ['queues as nobody', (lease) => Object.assign(notes(lease), { [WAITER]: '' }), /the id of a waiter is not yours/],
  [
    'asks her to stop',
    (lease) => Object.assign(notes(lease), { [LOCK_ENTRY]: '{"v":1,"next":2,"stop":{"holder":"user/alice/1"}}' }),
    /only its holder may change more than next/,
  ],
  [
    'writes a version that nobody reads',
    (lease) => Object.assign(notes(lease), { [LOCK_ENTRY]: '{"v":2,"next":2}' }),
    /only its holder may change more than next/,
  ],
];

guarded('a live lock is safe from whoever may write its Lease', async (lab) => {
  const { thief } = await heldByAlice(lab);
  for (const [what, change, said, manager] of THEFTS) {
    const { status, body } = await write(lab, thief, change, { ...(manager !== undefined && { manager }), dryRun: false });
    assert.ok(status === 403 || status === 422, `a thief ${what}: ${status}`);
    assert.match(body.message ?? '', said, `a thief ${what}`);
  }
  const deleted = await lab.request(thief, 'DELETE');
  assert.equal(deleted.status, 403);
  assert.match(
    deleted.body.message ?? '',
    /held by user\/alice\/1: only its holder may delete it, and others who have verb force-unlock/,
  );
  assert.deepEqual((await lab.lease()).spec.holderIdentity, 'user/alice/1');
});

guarded('patches and server-side apply get a thief no further', async (lab) => {
  const { thief } = await heldByAlice(lab);
  const { metadata, spec } = await lab.lease();
  const back = metadata.managedFields?.map((entry) => ({ ...entry, time: '2020-01-01T00:00:00Z' }));
  const labels = { x: 'y' };
  const apply = (fields: object) => ({
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name: LOCK },
    spec: fields,
  });
  const cases: [type: string, body: unknown, said: RegExp][] = [
    ['application/merge-patch+json', { metadata: { managedFields: back, labels } }, RECORD],
    ['application/strategic-merge-patch+json', { metadata: { managedFields: back, labels } }, RECORD],
    [
      'application/json-patch+json',
      [
        { op: 'replace', path: '/metadata/managedFields/0/time', value: FUTURE },
        { op: 'add', path: '/metadata/labels', value: labels },
      ],
      RECORD,
    ],
    ['application/apply-patch+yaml', apply({ renewTime: spec.renewTime }), RECORD],
    ['application/apply-patch+yaml', apply({ holderIdentity: 'user/thief/1', renewTime: now() }), LIVE],
    ['application/merge-patch+json', { spec: { holderIdentity: null } }, LIVE],
    ['application/merge-patch+json', { spec: null }, LIVE],
  ];
  for (const [contentType, body, said] of cases) {
    const query = `?fieldManager=other${contentType.includes('apply') ? '&force=true' : ''}`;
    const answer = await lab.request(thief, 'PATCH', body, { query, contentType });
    assert.match(answer.body.message ?? '', said, JSON.stringify(body));
  }
});

guarded('a stamp of the future that is prepared for the taker is written again when it takes', async (lab) => {
  const { thief } = await heldByAlice(lab);
  const fieldsV1 = { 'f:spec': { 'f:leaseTransitions': {} } };
  for (const operation of ['Update', 'Apply']) {
    const prepare: Change = (lease) => {
      lease.metadata.managedFields?.push({ ...stamp(lease), manager: operation, operation, time: FUTURE, fieldsV1 });
      notes(lease)['example.com/prepared'] = operation;
    };
    const prepared = await write(lab, thief, prepare, { dryRun: false });
    assert.equal(prepared.status, 200, prepared.text);
    assert.ok(prepared.body.metadata.managedFields?.some((entry) => entry.manager === operation && entry.time === FUTURE));
  }
  const updated = await write(lab, thief, take('user/thief/1'), { manager: 'Update', dryRun: false });
  assert.match(updated.body.message ?? '', LIVE);
  const body = {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name: LOCK },
    spec: { holderIdentity: 'user/thief/1', renewTime: now() },
  };
  const query = '?fieldManager=Apply&force=true';
  const applied = await lab.request(thief, 'PATCH', body, { query, contentType: 'application/apply-patch+yaml' });
  assert.match(applied.body.message ?? '', LIVE);
});

guarded('a whole collection is deleted without the locks that are held', async (lab) => {
  await heldByAlice(lab);
  const to = [{ kind: 'User' as const, name: 'sweeper' }];
  await grant(lab.cluster, { namespace: lab.namespace, name: 'sweep', verbs: ['deletecollection'], to });
  const path = lab.path.slice(0, lab.path.lastIndexOf('/'));
  const sweep = () => lab.cluster.request('DELETE', path, undefined, { headers: lab.user('sweeper') });
  await until(async () => !/cannot deletecollection/.test((await sweep()).text), 'the Role is heard of');
  assert.match((await sweep()).text, /held by user\/alice\/1: only its holder may delete it/);
  assert.equal((await lab.lease()).spec.holderIdentity, 'user/alice/1');
});

guarded('a holder is the one Pod, not its service account, not another Pod, and not whoever is named alike', async (lab) => {
  const pod = await lab.pod('alice');
  const alice = await lab.contender(pod);
  const lock = await alice.take();
  const clear: Change = ({ spec }) => Object.assign(spec, { holderIdentity: '', renewTime: now() });
  for (const who of [await lab.account(), await lab.pod('alice-2'), lab.user('alice')])
    assert.match((await write(lab, who, clear)).body.message ?? '', /has not expired/);
  assert.equal((await write(lab, pod, clear)).status, 200);
  await lock.release();
  // Without escaping, the id of gha:acme would be the beginning of that of gha:acme/api.
  const held = await write(lab, lab.user('gha:acme/api'), take('user/gha:acme%2Fapi/1'), { dryRun: false });
  assert.equal(held.status, 200, held.text);
  for (const name of ['gha:acme', 'gha:acme%2Fapi', 'gha:acme/api/1'])
    assert.match((await write(lab, lab.user(name), clear)).body.message ?? '', /has not expired/, name);
  assert.equal((await write(lab, lab.user('gha:acme/api'), clear)).status, 200);
});

guarded('a holder itself may not put off its own end, nor hand the lock to others', async (lab) => {
  const { alice } = await heldByAlice(lab);
  const cases: [Change, RegExp | undefined][] = [
    [
      ({ spec }) => Object.assign(spec, { renewTime: now(), leaseDurationSeconds: 86_401 }),
      /leaseDurationSeconds from 1 to 86400/,
    ],
    [({ spec }) => Object.assign(spec, { renewTime: now(), leaseDurationSeconds: 86_400 }), undefined],
    [({ spec }) => Object.assign(spec, { renewTime: undefined }), /a holder needs spec\.renewTime/],
    [({ spec }) => Object.assign(spec, { renewTime: now(), leaseTransitions: 0 }), /leaseTransitions may not go down/],
    [take('user/bob/1'), /is not yours/],
    [(lease) => Object.assign(stamp(lease), { time: FUTURE }) && label(lease), RECORD],
    [({ metadata }) => Object.assign(metadata, { managedFields: [{}] }), RECORD],
    // A release that happens to write the moment of the last renewal.
    [({ spec }) => Object.assign(spec, { holderIdentity: '', leaseDurationSeconds: 1 }), undefined],
  ];
  for (const [change, said] of cases) {
    const { status, body } = await write(lab, alice, change, { manager: 'k8s-lease-lock' });
    if (said) assert.match(body.message ?? '', said);
    else assert.equal(status, 200, body.message);
  }
});

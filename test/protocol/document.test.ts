/** The document: what a Lease says is read, whatever stands in it, and what is written is read back. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseLease } from '../../src/protocol/document.ts';
import { annotationsSize, edit, keyOf } from '../../src/protocol/edit.ts';
import { asNew, microTime, newerVersion, newLease, type RawLease } from '../../src/protocol/lease.ts';
import { visible } from '../../src/visible.ts';
import { stateOf } from '../harness/contenders.ts';

const HOLDER = 'holder.lease-lock.nullplatform.com/';
const WAITER = 'waiter.lease-lock.nullplatform.com/';
const LOCK = 'lease-lock.nullplatform.com/lock';

function lease(annotations: Record<string, string>, spec: object = {}): RawLease {
  return { ...newLease('team', 'deploy'), metadata: { name: 'deploy', namespace: 'team', annotations }, spec: { ...spec } };
}

const entry = (id: string, more: object = {}) =>
  JSON.stringify({ id, mark: 'm1', duration: 60, since: '2026-01-01T00:00:00Z', about: {}, ...more });

test('a Lease without annotations is what any leader election wrote: its holder is foreign', () => {
  const { holders, waiters, next } = stateOf(
    lease({}, { holderIdentity: 'leader', leaseDurationSeconds: 15, renewTime: '2026-01-01T00:00:00.000000Z' }),
  );
  assert.deepEqual(
    holders.map(({ id, standing, durationMs }) => [id, standing, durationMs]),
    [['leader', 'foreign', 15_000]],
  );
  assert.deepEqual([waiters, next], [[], 1]);
});

test('a foreign holder without a renewTime states no duration', () => {
  assert.equal(stateOf(lease({}, { holderIdentity: 'leader', leaseDurationSeconds: 15 })).holders[0]?.durationMs, undefined);
});

test("a holder that names nobody is known by an expiry that is ahead of its write, by the API server's clock", () => {
  const written = (spec: object, time = '2026-01-01T00:00:00Z') => {
    const { metadata, ...rest } = lease({}, { holderIdentity: '', leaseDurationSeconds: 30, ...spec });
    const managedFields = [{ time, fieldsV1: { 'f:spec': { 'f:renewTime': {} } } }];
    return stateOf({ ...rest, metadata: { ...metadata, managedFields } }).holders.map(({ standing, durationMs }) => [
      standing,
      durationMs,
    ]);
  };
  assert.deepEqual(written({ renewTime: '2026-01-01T00:00:30.000000Z' }), [['foreign', 30_000]]);
  assert.deepEqual(written({ renewTime: '2026-01-01T00:00:01.000000Z' }), [], 'the present, by a clock that is a little off');
  assert.deepEqual(written({ renewTime: '2026-01-01T00:00:30.000000Z', leaseDurationSeconds: 1 }), [], 'released');
  assert.deepEqual(written({}), []);
});

test('an annotated holder holds while the spec names it', () => {
  const { holders } = stateOf(lease({ [`${HOLDER}000007-abc`]: entry('alice') }, { holderIdentity: 'alice' }));
  assert.deepEqual(
    holders.map(({ id, nonce, ticket, standing, mark }) => [id, nonce, ticket, standing, mark]),
    [['alice', 'abc', 7, 'holds', 'm1']],
  );
});

test('an annotated holder that the spec contradicts is ousted, beside the foreign one that took the lock', () => {
  const annotations = { [`${HOLDER}000007-abc`]: entry('alice') };
  assert.deepEqual(
    stateOf(lease(annotations, { holderIdentity: '' })).holders.map(({ standing }) => standing),
    ['ousted'],
  );
  const taken = stateOf(lease(annotations, { holderIdentity: 'thief' }));
  assert.deepEqual(
    taken.holders.map(({ id, standing }) => [id, standing]),
    [
      ['thief', 'foreign'],
      ['alice', 'ousted'],
    ],
  );
});

test('a holder whose entry can not be read still blocks, and the spec is believed', () => {
  const { holders } = stateOf(
    lease(
      { [`${HOLDER}000007-abc`]: '{"id":' },
      { holderIdentity: 'alice', leaseDurationSeconds: 60, renewTime: '2026-01-01T00:00:00.000000Z' },
    ),
  );
  assert.deepEqual(
    holders.map(({ id, standing, durationMs }) => [id, standing, durationMs]),
    [
      ['alice', 'foreign', 60_000],
      ['', 'ousted', undefined],
    ],
  );
});

test('a waiter that can not be read is no waiter, and is named for removal', () => {
  const { waiters, unreadable } = stateOf(
    lease({ [`${WAITER}000001-a`]: entry('bob'), [`${WAITER}000002-b`]: 'nonsense', [`${WAITER}x`]: entry('carol') }),
  );
  assert.deepEqual([waiters.map(({ id }) => id), unreadable], [['bob'], ['000002-b', 'x']]);
});

test('waiters stand by priority, then by ticket, as numbers', () => {
  const annotations = {
    [`${WAITER}1000000-a`]: entry('last'),
    [`${WAITER}000009-b`]: entry('second'),
    [`${WAITER}000010-c`]: entry('first', { priority: 1 }),
  };
  assert.deepEqual(
    stateOf(lease(annotations)).waiters.map(({ id }) => id),
    ['first', 'second', 'last'],
  );
});

test('the next ticket is above every ticket in use, whatever the document says', () => {
  assert.equal(stateOf(lease({ [LOCK]: '{"v":1,"next":3}', [`${WAITER}000009-b`]: entry('bob') })).next, 10);
  assert.equal(stateOf(lease({ [LOCK]: 'broken', [`${WAITER}000009-b`]: entry('bob') })).next, 10);
  assert.equal(stateOf(lease({ [LOCK]: '{"v":1,"next":30}' })).next, 30);
});

test('a document of a later version is refused with the way out', () => {
  const parsed = parseLease(lease({ [LOCK]: '{"v":2}' }));
  assert.match(parsed.kind === 'refused' ? parsed.message : '', /Lease team\/deploy is written in version 2 .* upgrade it/);
});

test('when a holder last wrote is read from the managedFields entry that owns renewTime', () => {
  const managedFields = [
    { time: '2026-01-01T00:00:09Z', fieldsV1: { 'f:metadata': {} } },
    { time: '2026-01-01T00:00:05Z', fieldsV1: { 'f:spec': { 'f:renewTime': {} } } },
  ];
  const found = lease({});
  assert.equal(
    stateOf({ ...found, metadata: { ...found.metadata, managedFields } }).writtenAtServerMs,
    Date.parse('2026-01-01T00:00:05Z'),
  );
  assert.equal(stateOf(found).writtenAtServerMs, undefined);
});

test('an edit writes its entries and leaves all else as it was, unknown fields of the lock document too', () => {
  const before = lease(
    { [LOCK]: '{"v":1,"next":3,"permits":2}', 'example.com/x': 'y', [`${WAITER}000001-a`]: entry('bob') },
    { holderIdentity: 'x', custom: 1 },
  );
  const about = { reason: 'r'.repeat(500), who: 'me' };
  const after = edit(before, {
    holders: { [keyOf(3, 'n')]: { id: 'alice', mark: 'm', durationMs: 60_000, since: 's', about } },
    waiters: { '000001-a': undefined },
    lock: { next: 4 },
    spec: { holderIdentity: 'alice' },
  });
  assert.deepEqual(after.metadata.annotations, {
    [LOCK]: '{"v":1,"next":4,"permits":2}',
    'example.com/x': 'y',
    [`${HOLDER}000003-n`]: `{"id":"alice","mark":"m","duration":60,"since":"s","about":{"who":"me","reason":"${'r'.repeat(200)}"}}`,
  });
  assert.deepEqual(after.spec, { holderIdentity: 'alice', custom: 1 });
  assert.equal(before.spec?.holderIdentity, 'x', 'what was read is not touched');
});

test('what is put back carries nothing of the deleted object', () => {
  const old = {
    ...lease({ a: 'b' }),
    metadata: {
      name: 'deploy',
      namespace: 'team',
      uid: 'u',
      resourceVersion: '7',
      creationTimestamp: 't',
      labels: { l: 'v' },
      annotations: { a: 'b' },
    },
  };
  assert.deepEqual(asNew(old).metadata, { name: 'deploy', namespace: 'team', labels: { l: 'v' }, annotations: { a: 'b' } });
});

test('MicroTime has exactly six fractional digits', () => {
  assert.equal(microTime(new Date('2026-01-01T00:00:00.5Z')), '2026-01-01T00:00:00.500000Z');
});

test('versions compare by length, then by text', () => {
  assert.equal(newerVersion('10', '9'), true);
  assert.equal(newerVersion('9', '10'), false);
  assert.equal(newerVersion('10', '10'), false);
  assert.equal(newerVersion('1', undefined), true);
  assert.equal(newerVersion(undefined, '1'), false);
  fc.assert(
    fc.property(
      fc.bigInt({ min: 0n, max: 10n ** 30n }),
      fc.bigInt({ min: 0n, max: 10n ** 30n }),
      (a, b) => newerVersion(`${a}`, `${b}`) === a > b,
    ),
  );
});

test('whatever stands in annotations and spec is read without an exception, and a waiter is never invented', () => {
  const keys = fc.constantFrom('000001-a', '-', '1-', '99999999999999999999-x', '000002-é');
  const key = fc.oneof(fc.string(), { weight: 3, arbitrary: keys });
  const near = fc.constantFrom('null', '[]', '{"id":1}', '{"id":""}', '{"id":"x","priority":"high","about":[]}', '{"v":2}');
  const value = fc.oneof(fc.string(), fc.json(), { weight: 3, arbitrary: near });
  const name = fc.tuple(fc.constantFrom(HOLDER, WAITER, 'x/'), key).map(([prefix, rest]) => prefix + rest);
  const annotations = fc.dictionary(fc.oneof(name, fc.constant(LOCK)), value);
  const spec = fc.dictionary(
    fc.constantFrom('holderIdentity', 'leaseDurationSeconds', 'renewTime', 'leaseTransitions', 'strategy'),
    fc.jsonValue(),
  );
  const met = new Set<string>();
  fc.assert(
    fc.property(annotations, spec, (given, fields) => {
      const parsed = parseLease(lease(given, fields));
      met.add(parsed.kind);
      if (parsed.kind === 'refused') return;
      if (parsed.state.waiters.length > 0) met.add('waiter');
      if (parsed.state.holders.length > 0) met.add('holder');
      for (const waiter of parsed.state.waiters) assert.ok(waiter.id !== '' && given[WAITER + waiter.key] !== undefined);
      assert.ok(Number.isSafeInteger(parsed.state.next) && parsed.state.next >= 1);
      annotationsSize(parsed.state.lease);
    }),
    { numRuns: 500 },
  );
  assert.deepEqual([...met].sort(), ['holder', 'refused', 'state', 'waiter'], 'the texts were of all kinds');
});

test('what is printed is read back as it was', () => {
  // What is no text for people is made visible.
  const printable = fc.string({ minLength: 1, maxLength: 60, unit: 'grapheme' }).filter((text) => visible(text) === text);
  fc.assert(
    fc.property(
      printable,
      printable,
      fc.integer({ min: 1, max: 86_400 }),
      fc.integer({ min: 1, max: 9_999_999 }),
      (id, reason, seconds, ticket) => {
        const key = keyOf(ticket, 'n0');
        const written = edit(lease({}, {}), {
          holders: { [key]: { id, mark: 'm', durationMs: seconds * 1000, since: 's', about: { reason } } },
          waiters: { [key]: { id, durationMs: 5000, since: 's', priority: 3, about: { reason } } },
          spec: { holderIdentity: id },
        });
        const { holders, waiters } = stateOf(written);
        assert.deepEqual(
          holders.map((holder) => [holder.id, holder.durationMs, holder.ticket, holder.nonce, holder.about, holder.standing]),
          [[id, seconds * 1000, ticket, 'n0', { reason }, 'holds']],
        );
        assert.deepEqual(
          waiters.map((waiter) => [waiter.id, waiter.priority, waiter.ticket, waiter.about]),
          [[id, 3, ticket, { reason }]],
        );
      },
    ),
  );
});

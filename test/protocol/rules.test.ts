/** The rules as a table: what is known of the lock, and what a participant that wants it does. Times are in seconds, on one's own clock. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Steady } from '../../src/clock.ts';
import { parseLease } from '../../src/protocol/document.ts';
import type { RawLease } from '../../src/protocol/lease.ts';
import { byTurn, type LockState } from '../../src/protocol/lock-state.ts';
import type { Me, Policies } from '../../src/protocol/me.ts';
import { type Decision, decide, judgeHold } from '../../src/protocol/rules.ts';
import { observe, stamped, type View } from '../../src/protocol/sightings.ts';
import { whoHolds } from '../../src/protocol/turns.ts';
import { claim, withoutMe } from '../../src/protocol/writes.ts';

const SECOND = 1000;
const at = (seconds: number) => (seconds * SECOND) as Steady;
const me: Me = {
  namespace: 'team',
  name: 'deploy',
  id: 'me',
  nonce: 'mine',
  priority: 0,
  durationMs: 60_000,
  about: {},
  since: '',
  legacyExpiry: false,
};
const EPOCH = Date.parse('2026-01-01T00:00:00Z');
const stampOf = (seconds: number) => new Date(EPOCH + seconds * SECOND).toISOString();

interface Shape {
  holder?: string;
  foreign?: string;
  waiters?: readonly [ticket: number, id: string, priority?: number][];
  transitions?: number;
  uid?: string;
  /** When a holder last wrote, and a waiter, by the API server's clock. */
  writtenAt?: number;
  queuedAt?: number;
  strategy?: string;
  /** Bytes of an annotation that is none of ours. */
  ballast?: number;
  mark?: string;
  /** More fields of the entries of these, and of the lock's. */
  more?: Record<string, object>;
  lock?: object;
}

function leaseOf({
  holder,
  foreign,
  waiters = [],
  transitions = 1,
  uid = 'u',
  writtenAt,
  queuedAt,
  strategy,
  ballast = 0,
  mark = 'm',
  more = {},
  lock = {},
}: Shape): RawLease {
  const nonceOf = (id: string) => (id === 'me' ? 'mine' : `${id}nonce`);
  const entry = holder && {
    [`holder.lease-lock.nullplatform.com/000001-${nonceOf(holder)}`]: JSON.stringify({
      id: holder,
      mark,
      duration: 60,
      ...more[holder],
    }),
  };
  const queue = Object.fromEntries(
    waiters.map(([ticket, id, priority]) => [
      `waiter.lease-lock.nullplatform.com/${String(ticket).padStart(6, '0')}-${nonceOf(id)}`,
      JSON.stringify({ id, ...(priority && { priority }), ...more[id] }),
    ]),
  );
  const managedFields = [
    ...(writtenAt === undefined
      ? []
      : [{ manager: 'k8s-lease-lock', time: stampOf(writtenAt), fieldsV1: { 'f:spec': { 'f:renewTime': {} } } }]),
    ...(queuedAt === undefined ? [] : [{ manager: 'k8s-lease-lock-waiter', time: stampOf(queuedAt), fieldsV1: {} }]),
  ];
  return {
    metadata: {
      name: 'deploy',
      namespace: 'team',
      uid,
      resourceVersion: '7',
      annotations: {
        'lease-lock.nullplatform.com/lock': JSON.stringify({ v: 1, next: 9, ...lock }),
        ...entry,
        ...queue,
        ...(ballast > 0 && { 'example.com/large': 'x'.repeat(ballast) }),
      },
      managedFields,
    },
    spec: {
      holderIdentity: foreign ?? holder ?? '',
      leaseDurationSeconds: holder || foreign ? 60 : 1,
      renewTime: '2026-01-01T00:00:00.000000Z',
      leaseTransitions: transitions,
      ...(strategy && { strategy }),
    },
  };
}

function stateOf(shape: Shape): LockState {
  const parsed = parseLease(leaseOf(shape));
  assert.ok(parsed.kind === 'state');
  return parsed.state;
}

type Reading = readonly [seconds: number, shape: Shape | undefined];

/** What has been seen, oldest first: [when, what]; `undefined` is a Lease that does not exist. */
function seen(...readings: readonly Reading[]): View {
  const view = seenAfter(undefined, ...readings);
  assert.ok(view);
  return view;
}

/** And what has been seen since. */
const seenAfter = <V extends View | undefined>(before: V, ...readings: readonly Reading[]): View | V =>
  readings.reduce<View | V>(
    (view, [seconds, shape]) =>
      observe(view, { state: stateOf(shape ?? {}), exists: shape !== undefined, receivedAt: at(seconds) }),
    before,
  );

const stampedAt = (view: View, seconds: number, serverSeconds: number) =>
  stamped(view, { serverMs: EPOCH + serverSeconds * SECOND, receivedAt: at(seconds) });

const alice: Shape = { holder: 'alice' };
type Row = readonly [situation: string, view: View, now: number, decision: string, ticket?: number];
const TABLE: readonly Row[] = [
  ['no Lease', seen([0, undefined]), 0, 'claim'],
  ['nobody holds it, nobody waits', seen([0, {}]), 0, 'claim'],
  ['alice holds it, and I am new', seen([0, alice]), 0, 'enqueue at 0 behind alice'],
  ['alice holds it, and I wait', seen([0, { ...alice, waiters: [[3, 'me']] }]), 0, 'wait until 66 at 0 behind alice'],
  ['her entry has stood still for its duration and a tenth', seen([0, { ...alice, waiters: [[3, 'me']] }]), 66, 'claim'],
  [
    'she has renewed after a minute',
    seen([0, { ...alice, waiters: [[3, 'me']] }], [60, { ...alice, mark: 'n', waiters: [[3, 'me']] }]),
    66,
    'wait until 126 at 0 behind alice',
  ],
  [
    'the same seen again is no news',
    seen([0, { ...alice, waiters: [[3, 'me']] }], [60, { ...alice, waiters: [[3, 'me']] }]),
    66,
    'claim',
  ],
  [
    'she has released it, and I am first',
    seen([0, { ...alice, waiters: [[3, 'me']] }], [5, { waiters: [[3, 'me']] }]),
    5,
    'claim',
  ],
  [
    'bob stands before me and has not claimed yet',
    seen([
      0,
      {
        waiters: [
          [2, 'bob'],
          [3, 'me'],
        ],
      },
    ]),
    1,
    'wait until 2 at 1 behind nobody',
  ],
  [
    'bob has left it alone for two seconds',
    seen([
      0,
      {
        waiters: [
          [2, 'bob'],
          [3, 'me'],
        ],
      },
    ]),
    2,
    'claim',
  ],
  [
    'two stand before me: two windows',
    seen([
      0,
      {
        waiters: [
          [1, 'ann'],
          [2, 'bob'],
          [3, 'me'],
        ],
      },
    ]),
    2,
    'wait until 4 at 2 behind nobody',
  ],
  [
    'bob came later, with a higher priority',
    seen([
      0,
      {
        ...alice,
        waiters: [
          [3, 'me'],
          [8, 'bob', 5],
        ],
      },
    ]),
    0,
    'wait until 68 at 1 behind alice',
  ],
  [
    'somebody held it meanwhile: the windows begin again',
    seen(
      [
        0,
        {
          waiters: [
            [2, 'bob'],
            [3, 'me'],
          ],
        },
      ],
      [
        5,
        {
          waiters: [
            [2, 'bob'],
            [3, 'me'],
          ],
          transitions: 2,
        },
      ],
    ),
    5,
    'wait until 7 at 1 behind nobody',
  ],
  ['my entry has gone: I put it back with my ticket', seen([0, alice]), 0, 'enqueue 3 at 0 behind alice', 3],
  [
    'the Lease is deleted: she has her whole time from now',
    seen([0, { ...alice, waiters: [[3, 'me']] }], [50, undefined]),
    66,
    'enqueue 3 at 0 behind alice',
  ],
  ['it is made anew without her: remembered all the same', seen([0, alice], [50, { uid: 'v' }]), 66, 'enqueue at 0 behind alice'],
  ['a claim of mine has come true', seen([0, { holder: 'me' }]), 0, 'confirm'],
  [
    'it has, over a deletion, and she may still run',
    seen([0, alice], [50, { holder: 'me', uid: 'v' }]),
    60,
    'wait until 116 at 0 behind alice',
  ],
  ['a foreign client holds it', seen([0, { foreign: 'elector', waiters: [[3, 'me']] }]), 0, 'wait until 66 at 0 behind elector'],
  [
    'a foreign client has taken it from alice, who may still be stopping',
    seen([0, { ...alice, foreign: 'elector', waiters: [[3, 'me']] }]),
    0,
    'wait until 66 at 0 behind elector and alice',
  ],
  ['a full queue, and I am new', seen([0, { ...alice, ballast: 199_900 }]), 0, 'full at 0 behind alice'],
  [
    'a full queue, in which I have stood before',
    seen([0, { ...alice, ballast: 199_900, waiters: [[4, 'bob']] }]),
    0,
    'wait until 66 at 0 behind alice',
    3,
  ],
  ['coordinated leader election', seen([0, { strategy: 'OldestEmulationVersion' }]), 0, 'refused'],
  [
    'long dead by the stamps, and just seen',
    stampedAt(seen([0, { ...alice, writtenAt: 0, waiters: [[3, 'me']] }]), 0, 121),
    0,
    'wait until 25 at 0 behind alice',
  ],
  [
    'long dead by the stamps, and seen standing still',
    stampedAt(seen([0, { ...alice, writtenAt: 0, waiters: [[3, 'me']] }]), 0, 121),
    25,
    'claim',
  ],
  [
    'not yet dead by the stamps: foreseen',
    stampedAt(seen([0, { ...alice, writtenAt: 0, waiters: [[3, 'me']] }]), 0, 80),
    0,
    'wait until 40 at 0 behind alice',
  ],
  [
    'not yet dead by the stamps, and somebody else changes its entry',
    seenAfter(stampedAt(seen([0, { ...alice, writtenAt: 0, waiters: [[3, 'me']] }]), 0, 80), [
      5,
      { ...alice, writtenAt: 0, waiters: [[3, 'me']], mark: 'edited' },
    ]),
    5,
    'wait until 40 at 0 behind alice',
  ],
  [
    'it has written once more after the stamp, and then somebody else changes its entry',
    seenAfter(
      stampedAt(seen([0, { ...alice, writtenAt: 0, waiters: [[3, 'me']] }]), 0, 80),
      [1, { ...alice, writtenAt: 81, waiters: [[3, 'me']] }],
      [80, { ...alice, writtenAt: 81, waiters: [[3, 'me']], mark: 'edited' }],
    ),
    80,
    'wait until 121 at 0 behind alice',
  ],
  [
    'deleted after the stamp, and put back',
    seenAfter(
      stampedAt(seen([0, { ...alice, writtenAt: 0, waiters: [[3, 'me']] }]), 0, 80),
      [1, undefined],
      [2, { ...alice, uid: 'two', writtenAt: 81, waiters: [[3, 'me']] }],
    ),
    30,
    'wait until 68 at 0 behind alice',
  ],
  [
    'stamps that ran backwards say nothing',
    stampedAt(stampedAt(seen([0, { ...alice, writtenAt: 0, waiters: [[3, 'me']] }]), 0, 121), 1, 90),
    25,
    'wait until 66 at 0 behind alice',
  ],
  [
    'long free by the stamps, a dead waiter before me',
    stampedAt(seen([0, { writtenAt: 0, queuedAt: 5, waiters: [[2, 'bob']] }]), 0, 68),
    0,
    'claim',
  ],
  [
    'free for not much longer than his turn',
    stampedAt(seen([0, { writtenAt: 0, queuedAt: 5, waiters: [[2, 'bob']] }]), 0, 66),
    0,
    'enqueue at 1 behind nobody',
  ],
  [
    'just released, and stamped two hours ago on a clock that is 2 % slower than mine',
    observe(
      stampedAt(
        seen([
          0,
          {
            ...alice,
            writtenAt: 0,
            queuedAt: 0,
            waiters: [
              [2, 'bob'],
              [3, 'me'],
            ],
          },
        ]),
        0,
        0,
      ),
      {
        state: stateOf({
          writtenAt: 7056,
          queuedAt: 0,
          waiters: [
            [2, 'bob'],
            [3, 'me'],
          ],
        }),
        exists: true,
        receivedAt: at(7200),
      },
    ),
    7200,
    'wait until 7202 at 1 behind nobody',
  ],
];

for (const [situation, view, now, expected, ticket] of TABLE) {
  test(`${situation}: ${expected}`, () => {
    const decision = decide(view, { me, ticket }, { now: at(now), wall: new Date(0), mark: 'mark' });
    assert.equal(toldOf(decision), expected);
  });
}

function toldOf(decision: Decision): string {
  if (decision.kind === 'skipped') {
    const { why } = decision;
    return `skipped: ${why.kind === 'done' ? `done ${why.key}` : `superseded by ${why.by}`}`;
  }
  const place =
    'heldBy' in decision
      ? ` at ${decision.position} behind ${decision.heldBy.map(({ id }) => id).join(' and ') || 'nobody'}`
      : '';
  const known = decision.kind === 'enqueue' && decision.place.ticket !== 9 ? ` ${decision.place.ticket}` : '';
  const until = decision.kind === 'wait' ? ` until ${decision.until / SECOND}` : '';
  return `${decision.kind}${known}${until}${place}`;
}

const KEPT = { alice: { ended: true } };
const kept: Shape = { ...alice, more: KEPT, writtenAt: 0 };
const web = { group: 'web' };
const WEB: Shape['more'] = { bob: web, carol: { ...web, came: 7 }, me: web };
/** The same with what I want of the others, and when I came. */
const POLICIES: readonly [situation: string, view: View, now: number, decision: string, policies: Policies, came?: number][] = [
  [
    'I come, and stand where the first of my group stood',
    seen([
      0,
      {
        ...alice,
        waiters: [
          [2, 'bob'],
          [3, 'dave'],
          [4, 'carol'],
        ],
        more: WEB,
      },
    ]),
    0,
    'enqueue 2 at 0 behind alice',
    web,
  ],
  [
    'the first of my group has a lower priority than I, and its place is no good to me',
    seen([
      0,
      {
        ...alice,
        waiters: [
          [2, 'bob', -1],
          [4, 'carol'],
        ],
        more: WEB,
      },
    ]),
    0,
    'enqueue 4 at 0 behind alice',
    web,
  ],
  [
    'those of another group are left alone',
    seen([0, { ...alice, waiters: [[2, 'bob']], more: WEB }]),
    0,
    'enqueue at 1 behind alice',
    { group: 'api' },
  ],
  ['only older ones of my group wait for a lock that is free', seen([0, { waiters: [[2, 'bob']], more: WEB }]), 0, 'claim', web],
  [
    'a newer one of my group waits',
    seen([
      0,
      {
        ...alice,
        waiters: [
          [2, 'me'],
          [7, 'carol'],
        ],
        more: WEB,
      },
    ]),
    0,
    'skipped: superseded by carol',
    web,
  ],
  [
    'the newer one has taken my place while I was away',
    seen([0, { ...alice, waiters: [[2, 'carol']], more: WEB }]),
    0,
    'skipped: superseded by carol',
    web,
    2,
  ],
  [
    'the newer one has the lock',
    seen([0, { holder: 'carol', waiters: [[2, 'me']], more: WEB }]),
    0,
    'skipped: superseded by carol',
    web,
  ],
  [
    'the newer one has had the lock',
    seen([0, { waiters: [[2, 'me']], more: WEB, lock: { superseded: { web: 7 } } }]),
    0,
    'skipped: superseded by ',
    web,
  ],
  [
    'it was I who had the lock last',
    seen([0, { ...alice, waiters: [[7, 'me']], more: WEB, lock: { superseded: { web: 7 } } }]),
    0,
    'wait until 66 at 0 behind alice',
    web,
  ],
  ['the work has succeeded', seen([0, { lock: { done: ['10:00', '11:00'] } }]), 0, 'skipped: done 10:00', { once: '10:00' }],
  [
    'it has succeeded while I waited',
    seen([0, { ...alice, waiters: [[2, 'me']], lock: { done: ['10:00'] } }]),
    0,
    'skipped: done 10:00',
    { once: '10:00' },
  ],
  ['it has succeeded for another key', seen([0, { lock: { done: ['10:00'] } }]), 0, 'claim', { once: '11:00' }],
  [
    'alice has left the lock taken for a minute, and I wait',
    seen([0, { ...kept, waiters: [[3, 'me']] }]),
    61,
    'wait until 62 at 0 behind alice',
    {},
  ],
  ['that minute is over', seen([0, { ...kept, waiters: [[3, 'me']] }]), 62, 'claim', {}],
  [
    "I come late, and by the API server's stamps that minute is nearly over",
    stampedAt(seen([0, { ...kept, queuedAt: 50, waiters: [[3, 'me']] }]), 0, 50),
    0,
    'wait until 12 at 0 behind alice',
    {},
  ],
  ['by those stamps it is over', stampedAt(seen([0, { ...kept, queuedAt: 63, waiters: [[3, 'me']] }]), 0, 63), 0, 'claim', {}],
  ['somebody has cleared what she has left', seen([0, { ...kept, foreign: '', waiters: [[3, 'me']] }]), 0, 'claim', {}],
];

for (const [situation, view, now, expected, policies, came] of POLICIES) {
  test(`${situation}: ${expected}`, () => {
    const decision = decide(
      view,
      { me: { ...me, policies }, ticket: came, came },
      { now: at(now), wall: new Date(0), mark: 'mark' },
    );
    assert.equal(toldOf(decision), expected);
  });
}

const KEY = '000001-mine';
const HOLDS: readonly [situation: string, shape: Shape, judgement: string][] = [
  ['as I wrote it', { holder: 'me' }, 'mine'],
  ['somebody else holds it', { holder: 'bob' }, 'lost: it is held by bob'],
  ['a foreign client has written its name', { holder: 'me', foreign: 'elector' }, 'lost: it is held by elector'],
  [
    'my name is still there, my entry is not',
    { foreign: 'me' },
    'lost: the holder entry was removed: another process uses the same id, or someone edited the Lease',
  ],
  ['the lock is cleared', {}, 'lost: another client cleared the lock'],
];

for (const [situation, shape, expected] of HOLDS) {
  test(`judging my hold, ${situation}: ${expected}`, () => {
    const judgement = judgeHold(stateOf(shape), me, KEY);
    assert.equal(judgement.kind === 'lost' ? `lost: ${judgement.reason}` : judgement.kind, expected);
  });
}

test('a request to stop counts for its holder by id or by key, and for nobody else', () => {
  for (const [holder, counts] of [
    ['me', true],
    [KEY, true],
    ['bob', false],
  ] as const) {
    const lease = leaseOf({ holder: 'me' });
    const stop = { holder, by: 'carol', kind: 'unlock' };
    const annotations = {
      ...lease.metadata.annotations,
      'lease-lock.nullplatform.com/lock': JSON.stringify({ v: 1, next: 9, stop }),
    };
    const parsed = parseLease({ ...lease, metadata: { ...lease.metadata, annotations } });
    assert.ok(parsed.kind === 'state');
    const judgement = judgeHold(parsed.state, me, KEY);
    assert.equal(judgement.kind === 'mine' && judgement.stop !== undefined, counts, holder);
  }
});

const REPLACERS: readonly [situation: string, shape: Shape, policies: Policies, stops: string][] = [
  ['nobody wants to replace me', { waiters: [[2, 'bob']] }, {}, ''],
  ['bob came after me, and does', { waiters: [[2, 'bob']], more: { bob: { replaces: true } } }, {}, 'replace by bob'],
  [
    'he stands before others who do not',
    {
      waiters: [
        [2, 'ann'],
        [3, 'bob'],
      ],
      more: { bob: { replaces: true } },
    },
    {},
    'replace by bob',
  ],
  ['I finish first', { waiters: [[2, 'bob']], more: { bob: { replaces: true } } }, { declines: true }, ''],
  ['he came before me', { waiters: [[2, 'bob']], more: { me: { came: 5 }, bob: { replaces: true } } }, {}, ''],
  [
    'he came after me, in the place of one before',
    { waiters: [[1, 'bob']], more: { bob: { came: 8, replaces: true } } },
    {},
    'replace by bob',
  ],
];

for (const [situation, shape, policies, stops] of REPLACERS) {
  test(`judging my hold, ${situation}: ${stops || 'I go on'}`, () => {
    const judgement = judgeHold(stateOf({ holder: 'me', ...shape }), { ...me, policies }, KEY);
    assert.ok(judgement.kind === 'mine');
    assert.equal(judgement.stop ? `${judgement.stop.kind} by ${judgement.stop.by}` : '', stops);
  });
}

test('of twenty keys and groups the newest are kept', () => {
  const many = Array.from({ length: 25 }, (_, i) => i + 1);
  const lock = { done: many.map(String), superseded: Object.fromEntries(many.map((came) => [`g${came}`, came])) };
  const state = stateOf({ holder: 'me', lock });
  const mine = { ...me, policies: { once: '26', group: '__proto__' } };
  const left = withoutMe(state, mine, new Date(0), { keepMs: 0, succeeded: true });
  const lockOf = (lease: RawLease | undefined) =>
    JSON.parse(lease?.metadata.annotations?.['lease-lock.nullplatform.com/lock'] ?? '');
  assert.deepEqual(lockOf(left?.lease).done, many.slice(6).concat(26).map(String));
  const draft = { view: { state, exists: true }, me: mine, moment: { now: at(0), wall: new Date(0), mark: 'm' } };
  const { superseded } = lockOf(claim(draft, { ticket: 30, came: 31 }, { passedOver: [], beside: [] }));
  assert.deepEqual(
    Object.entries(superseded).map(([, came]) => came),
    [31, ...many.slice(6).reverse()],
  );
  assert.ok(Object.hasOwn(superseded, '__proto__'));
});

test('who holds it is asked without deciding anything', () => {
  const view = seen([0, alice]);
  assert.deepEqual(
    [0, 65.9, 66].map((seconds) => whoHolds(view, me, at(seconds)).map(({ id }) => id)),
    [['alice'], ['alice'], []],
  );
});

test('nobody stands before itself', () => {
  const alice = { priority: 0, ticket: 1, nonce: 'a' };
  assert.equal(byTurn(alice, { ...alice }), 0);
});

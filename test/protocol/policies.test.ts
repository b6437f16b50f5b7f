/** What participants want of each other, as tables: of groups, keys, and locks that are left taken. Times are in seconds, on one's own clock. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RawLease } from '../../src/protocol/lease.ts';
import type { Policies } from '../../src/protocol/me.ts';
import { decide, judgeHold } from '../../src/protocol/rules.ts';
import type { View } from '../../src/protocol/sightings.ts';
import { claim, withoutMe } from '../../src/protocol/writes.ts';
import { alice, at, KEY, me, type Shape, seen, stampedAt, stateOf, toldOf } from './shapes.ts';

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
  const left = withoutMe(state, mine, { wall: new Date(0), mark: 'x' }, { keepMs: 0, succeeded: true });
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

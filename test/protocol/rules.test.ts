/** The rules as a table: what is known of the lock, and what a participant that wants it does. Times are in seconds, on one's own clock. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseLease } from '../../src/protocol/document.ts';
import { byTurn } from '../../src/protocol/lock-state.ts';
import { decide, judgeHold } from '../../src/protocol/rules.ts';
import { observe, type View } from '../../src/protocol/sightings.ts';
import { whoHolds } from '../../src/protocol/turns.ts';
import { alice, at, KEY, leaseOf, me, type Shape, seen, seenAfter, stampedAt, stateOf, toldOf } from './shapes.ts';

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
  ['a full queue, and I am new', seen([0, { ...alice, ballast: 199_900 }]), 0, 'wait until 66 at 0 behind alice'],
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
  ['my entry can no longer be read, and the spec names me', { holder: 'me', more: { me: { id: '' } } }, 'mine'],
  [
    'my entry can no longer be read, and the spec names another',
    { holder: 'me', foreign: 'bob', more: { me: { id: '' } } },
    'lost: it is held by bob',
  ],
];

for (const [situation, shape, expected] of HOLDS) {
  test(`judging my hold, ${situation}: ${expected}`, () => {
    const judgement = judgeHold(stateOf(shape), me, KEY);
    assert.equal(judgement.kind === 'lost' ? `lost: ${judgement.reason}` : judgement.kind, expected);
  });
}

test('a lock that the API server takes for its own election is given up', () => {
  const judgement = judgeHold(stateOf({ holder: 'me', strategy: 'OldestEmulationVersion' }), me, KEY);
  assert.deepEqual(judgement.kind === 'mine' && judgement.stop?.kind, 'coordinated');
});

test('a request to stop that names nobody is none', () => {
  for (const stop of [{ by: 'carol' }, { holder: '', by: 'carol' }, { holder: 7 }])
    assert.equal(stateOf({ holder: 'me', lock: { stop } }).stop, undefined);
});

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

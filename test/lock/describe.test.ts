/** What is said of holders and of places in the queue, for people. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  describeNotAcquired,
  describePosition,
  describeRestored,
  describeSkip,
  describeStop,
  describeTimings,
  summariseHolder,
} from '../../src/lock/describe.ts';
import { describeUnlocked } from '../../src/lock/describe-unlock.ts';
import type { NotAcquired } from '../../src/lock/participant.ts';
import type { Holder } from '../../src/protocol/lock-state.ts';
import type { Me } from '../../src/protocol/me.ts';

const holder = (more: Partial<Holder>): Holder => ({
  key: '000001-abc',
  ticket: 1,
  nonce: 'abc',
  id: 'alice',
  since: '2026-01-01T12:00:00.123456Z',
  about: {},
  standing: 'holds',
  durationMs: 60_000,
  fingerprint: '',
  mark: '',
  came: 1,
  group: undefined,
  declines: false,
  ended: false,
  granted: false,
  weight: undefined,
  permits: undefined,
  writtenAtServerMs: undefined,
  ...more,
});

test('a holder is told with since when, why, and where to look', () => {
  const about = { reason: 'release 1.2', url: 'https://ci.example.com/7' };
  assert.equal(summariseHolder(holder({ about })), 'alice since 2026-01-01T12:00:00Z, release 1.2, https://ci.example.com/7');
  assert.equal(summariseHolder(holder({ since: 'yesterday' })), 'alice');
});

test('what others have written stays in its line: it becomes part of a page', () => {
  assert.equal(summariseHolder(holder({ since: '', about: { reason: 'a\n\n# b\r\n\t[c](d)' } })), 'alice, a # b [c](d)');
});

test('a Lease that is there again says who held it, if that is known', () => {
  assert.equal(describeRestored('Lease team/deploy', []), 'Lease team/deploy was deleted while held, and has been restored');
  const both = [holder({}), holder({ id: 'bob\u001b' })];
  assert.match(describeRestored('Lease team/deploy', both), /held by alice and bob\S* ?, which may still be running/);
});

test('whoever asks and whoever supersedes may have no name', () => {
  assert.equal(describeStop({ holder: 'alice', by: '', kind: 'unlock' }), 'asked to stop by an unnamed client');
  const told = describeSkip({ kind: 'superseded', by: '', group: 'main' });
  assert.equal(told, 'superseded by a newer one that has come and gone (group "main")');
  assert.match(describeSkip({ kind: 'done', key: 'tick-1' }), /succeeded already for the key "tick-1"/);
});

test('a place is said as it is in the queue, or beside a full one', () => {
  assert.deepEqual(
    [describePosition(0), describePosition(2), describePosition(300, true)],
    ['next in queue', '2 ahead in queue', 'the queue is full, 300 ahead: waiting to join'],
  );
});

test('why there is no lock is told by what is in the way', () => {
  const me = { namespace: 'team', name: 'deploy' } as Me;
  const now = new Date('2026-01-01T12:01:00Z');
  const told = (acquisition: NotAcquired) => describeNotAcquired(acquisition, me, now);
  const busy = { kind: 'busy', waitedMs: 2000 } as const;
  assert.match(told({ ...busy, heldBy: [holder({})], position: 0 }), /not acquired after 2s: it is held by alice/);
  assert.match(told({ ...busy, heldBy: [], position: 3 }), /not acquired after 2s: 3 ahead in queue/);
  assert.match(told({ ...busy, heldBy: [], position: 0 }), /not acquired after 2s: next in queue/);
  assert.match(told({ kind: 'aborted' }), /waiting was ended/);
  const request = { holder: 'me', by: 'ops', kind: 'unlock', reason: 'a typo' } as const;
  assert.match(told({ kind: 'stopped', request }), /asked to leave the queue by ops: a typo/);
  assert.match(told({ kind: 'skipped', why: { kind: 'done', key: 'k' } }), /succeeded already/);
  assert.equal(told({ kind: 'unreachable', message: 'no answer' }), 'no answer');
});

test('a duration that is no whole number of seconds is refused with what would do', () => {
  const names = { duration: 'lease duration', grace: '', shorterGrace: undefined, stopping: '' };
  const told = describeTimings({ kind: 'not-whole-seconds', durationMs: 1500 }, names);
  assert.match(told, /^invalid lease duration 1.5s: use a whole number of seconds/);
});

test('a lock is not unlocked for a reason, and the next step is named', () => {
  const words = { force: '--force', forceLive: '--force=live', status: 'status deploy' };
  const asked = { me: { namespace: 'team', name: 'deploy' } as Me, holder: 'alice', timeoutMs: 30_000, now: new Date(), words };
  assert.match(describeUnlocked({ kind: 'several', heldBy: [] }, asked), /names several holders: give the key of one/);
  const unknown = { kind: 'renewed-lately', holder: holder({}), agoMs: undefined } as const;
  assert.match(describeUnlocked(unknown, asked), /does not say when alice last renewed it/);
});

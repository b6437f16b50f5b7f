/** What is said while a guard waits, and while the API server does not answer: lines elsewhere, one that lives on a terminal. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { documentAt } from '../../src/documents.ts';
import { eventLog } from '../../src/guard/event-log.ts';
import { type Level, type Log, logOf } from '../../src/log.ts';
import type { Contender } from '../harness/contender.ts';
import { world } from '../harness/contenders.ts';
import { SECOND, settle } from '../harness/manual-clock.ts';

interface Said {
  /** Of level info or error. */
  lines: string[];
  fields: Readonly<Record<string, unknown>>[];
  /** What the last line of the terminal has been. */
  live: (string | undefined)[];
}

/** The same as `run` makes of a contender's events. */
function listenTo({ participant }: Contender, { terminal = false } = {}) {
  const said: Said = { lines: [], fields: [], live: [] };
  const log: Log = Object.assign(
    (level: Level, message: string, fields: Readonly<Record<string, unknown>> = {}) => {
      if (level === 'debug') return;
      said.lines.push(message);
      said.fields.push(fields);
    },
    { flush: async () => {}, live: terminal ? (line: string | undefined) => void said.live.push(line) : undefined },
  );
  return { ...said, ...eventLog(participant, logOf(log, participant.me), () => 'stopping the command') };
}

test('without a terminal a wait is a line at every change, and a line a minute', async () => {
  const { contender, clock } = world();
  const alice = await contender('alice').take();
  const bob = contender('bob');
  const said = listenTo(bob);
  const taking = bob.take({ onEvent: said.onEvent });
  await clock.advance(150 * SECOND);
  const holder = 'next in queue; held by alice since 2026-01-01T12:00:00Z, for';
  assert.deepEqual(said.lines, [
    `waiting for Lease team/deploy: ${holder} 0s`,
    `still waiting for Lease team/deploy after 1m: ${holder} 1m`,
    `still waiting for Lease team/deploy after 2m: ${holder} 2m`,
  ]);
  await alice.release();
  await taking;
  said.close();
  await clock.advance(300 * SECOND);
  assert.deepEqual(said.lines.slice(3), ['acquired Lease team/deploy after 2m30s (token 114)']);
});

test('a wait that is given up says nothing more', async () => {
  const { contender, clock } = world();
  await contender('alice').take();
  const bob = contender('bob');
  const said = listenTo(bob);
  const outcome = bob.acquire({ timeoutMs: 70 * SECOND, onEvent: said.onEvent });
  await clock.advance(70 * SECOND);
  await outcome;
  said.close();
  const { length } = said.lines;
  await clock.advance(300 * SECOND);
  assert.equal(said.lines.length, length);
});

test('a holder that falls silent is told, with the moment at which the lock is free', async () => {
  const { contender, clock } = world();
  const alice = await contender('alice').take();
  alice.abandon();
  const bob = contender('bob', { durationMs: 60_000 });
  const said = listenTo(bob, { terminal: true });
  const taking = bob.take({ onEvent: said.onEvent });
  await clock.advance(10.5 * SECOND);
  assert.equal(said.live.at(-1), 'waiting for Lease team/deploy, 10s: next in queue; held by alice');
  await clock.advance(35 * SECOND);
  assert.match(
    said.live.at(-1) ?? '',
    /^waiting for Lease team\/deploy, 45s: next in queue; held by alice; silent for 45s, free in 2\ds at the latest$/,
  );
  await clock.advance(30 * SECOND);
  await taking;
  assert.equal(said.live.at(-1), undefined, 'the line is gone before anything else is said');
  assert.deepEqual(said.lines.length, 1, 'on a terminal a wait is that one line');
  assert.equal(said.live.filter((line) => line?.includes(', 30s:')).length, 1, 'once a second');
});

test('an API server that does not answer is named with the time that is left, again every 30 seconds', async () => {
  const { contender, clock } = world();
  const bob = contender('bob');
  const said = listenTo(bob);
  bob.disturb('GET', ...Array.from({ length: 1000 }, () => 'request' as const));
  const outcome = bob.acquire({ onEvent: said.onEvent });
  await clock.advance(200 * SECOND);
  assert.equal((await outcome).kind, 'unreachable');
  const [first = '', ...later] = said.lines;
  assert.equal(first, 'Lease team/deploy: no answer within 5s (API server memory); trying again in 0.15s, and for another 2m');
  assert.equal(later.length, 3);
  assert.match(
    later[0] ?? '',
    /no answer within 5s \(API server memory\), for 31s now; trying again in 3.75s, and for another 1m29s$/,
  );
  assert.deepEqual(new Set(said.fields.map(({ lock }) => lock)), new Set(['team/deploy']));
});

test('on a terminal the line that lives says that the API server does not answer, too', async () => {
  const { contender, clock } = world();
  await contender('alice').take();
  const bob = contender('bob');
  const said = listenTo(bob, { terminal: true });
  void bob.acquire({ onEvent: said.onEvent });
  await settle();
  bob.disturb('GET', ...Array.from({ length: 1000 }, () => 'request' as const));
  await clock.advance(90 * SECOND);
  assert.match(said.live.at(-1) ?? '', /; the API server has not answered for 14s, and is asked for another 1m46s$/);
});

test('a holder that cannot renew says how long the lock is still its own', async () => {
  const { contender, clock } = world();
  const alice = contender('alice');
  const said = listenTo(alice);
  await alice.take({ onEvent: said.onEvent });
  alice.disturb('PUT', 'request');
  await clock.advance(20 * SECOND);
  assert.match(said.lines[1] ?? '', /no answer within 5s \(API server memory\); trying again in 0.07s, and for another 30s$/);
  assert.equal(said.lines[2], 'renewed Lease team/deploy again');
});

test('every line and every event names the lock', async () => {
  const { contender, clock, overwrite } = world();
  const alice = contender('alice');
  const said = listenTo(alice);
  await alice.take({ onEvent: said.onEvent });
  overwrite((lease) => ({ ...lease, spec: { ...lease.spec, holderIdentity: 'mallory' } }));
  await clock.advance(SECOND);
  said.onEvent({ type: 'stop-requested', request: { holder: 'alice', by: 'bob', kind: 'unlock' } });
  said.onEvent({ type: 'release-failed', message: 'no answer' });
  assert.deepEqual(said.lines.slice(1), [
    `lost Lease team/deploy: it is held by mallory; stopping the command (${documentAt('troubleshooting.md#the-lock-was-lost')})`,
    'Lease team/deploy: asked to stop by bob',
    'Lease team/deploy: not released: no answer; the lock expires by itself',
  ]);
  assert.deepEqual(
    said.fields.map(({ lock }) => lock),
    Array(4).fill('team/deploy'),
  );
});

test('a Lease that somebody has deleted is told with its holders, and a new name is not worth a line', async () => {
  const { contender, state } = world();
  await contender('alice').take();
  const { onEvent, lines, fields } = listenTo(contender('bob'));
  onEvent({ type: 'restored', heldBy: state().holders });
  onEvent({ type: 'renamed', id: 'user/acme/bob' });
  assert.equal(lines.length, 1);
  assert.match(lines[0] ?? '', /was deleted while held by alice/);
  assert.deepEqual(fields[0]?.heldBy, ['alice']);
});

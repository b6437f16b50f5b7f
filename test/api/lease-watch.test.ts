/** A watch goes on, whatever ends it: lines are read whole, and a new one starts where the last one was. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import type { WatchEvent } from '../../src/api/answers.ts';
import { readLine, splitLines } from '../../src/api/lease-watch.ts';
import { type Behaviour, badServer, respond, status } from '../harness/bad-server.ts';
import { manualClock } from '../harness/manual-clock.ts';
import { until } from '../harness/until.ts';
import { clientOf, lease } from './client.ts';

const object = { metadata: { name: 'deploy', namespace: 'team', resourceVersion: '7' } };

test('lines come out whole, however they were cut', () => {
  const line = fc.string().map((text) => JSON.stringify(text));
  fc.assert(
    fc.property(fc.array(line), fc.array(fc.nat(40)), (lines, cuts) => {
      const text = lines.map((each) => `${each}\n`).join('');
      const seen: string[] = [];
      const feed = splitLines((each) => seen.push(each));
      let rest = text;
      for (const cut of cuts) {
        feed(rest.slice(0, cut));
        rest = rest.slice(cut);
      }
      feed(rest);
      assert.deepEqual(seen, lines);
    }),
  );
});

test('a line that never ends is given up', () => {
  const feed = splitLines(() => assert.fail('no line has ended'));
  assert.equal(feed('x'.repeat(1000)), true);
  assert.equal(feed('x'.repeat(9 * 1024 * 1024)), false);
});

test('events are hints, bookmarks are versions, and everything else means a new watch', () => {
  assert.deepEqual(readLine(JSON.stringify({ type: 'MODIFIED', object })), { event: { lease: object }, version: '7' });
  assert.deepEqual(readLine(JSON.stringify({ type: 'DELETED', object })), { event: { lease: undefined }, version: '7' });
  assert.deepEqual(readLine(JSON.stringify({ type: 'BOOKMARK', object })), { version: '7' });
  for (const line of [
    '',
    '{',
    '[]',
    'null',
    '"x"',
    '{"type":"ADDED"}',
    '{"type":"ERROR","object":{"kind":"Status","metadata":{},"code":410}}',
  ]) {
    assert.equal(readLine(line), 'broken', line);
  }
  fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (line) => void readLine(line)));
});

test('a watch that is undone before its time has made no request', async (t) => {
  const server = await badServer(t, stream([event('MODIFIED', '8')], 'stay'));
  const clock = manualClock();
  const client = clientOf(server.url, { clock });
  const listener = { onEvent() {}, onTrouble() {} };
  client.watch(listener, '7', 20)();
  const undo = client.watch(listener, '9', 20);
  t.after(undo);
  await clock.advance(20);
  await until(() => server.requests.length > 0, 'a request');
  assert.equal(server.requests.length, 1);
  assert.match(server.requests[0] ?? '', /resourceVersion=9$/);
});

const event = (type: string, version: string) =>
  `${JSON.stringify({ type, object: { ...lease, metadata: { ...lease.metadata, resourceVersion: version } } })}\n`;

/** Streams these lines, each when it is told to go on, and then ends or stays. */
const stream =
  (lines: string[], end: 'end' | 'stay'): Behaviour =>
  (_, response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    for (const line of lines) response.write(line);
    if (end === 'end') response.end();
  };

async function watched(t: TestContext, wanted: number, behaviours: Behaviour[], since?: string) {
  const server = await badServer(t, ...behaviours);
  const troubles: string[] = [];
  const client = clientOf(server.url);
  const events: WatchEvent[] = [];
  await new Promise<void>((resolve) => {
    const onEvent = (each: WatchEvent) => {
      events.push(each);
      if (events.length >= wanted) {
        undo();
        resolve();
      }
    };
    const undo = client.watch({ onEvent, onTrouble: ({ message }) => void troubles.push(message) }, since);
    t.after(undo);
  });
  return { server, troubles, seen: events.map(({ lease }) => lease?.metadata.resourceVersion) };
}

test('a watch that ends is taken up where it was', async (t) => {
  const { server, seen } = await watched(
    t,
    3,
    [
      stream([event('MODIFIED', '8'), event('BOOKMARK', '11')], 'end'),
      stream([event('MODIFIED', '12'), event('DELETED', '13')], 'stay'),
    ],
    '7',
  );
  assert.deepEqual(seen, ['8', '12', undefined]);
  assert.match(server.requests[0] ?? '', /resourceVersion=7$/);
  assert.match(server.requests[1] ?? '', /resourceVersion=11$/);
});

test('a watch that has fallen too far behind says so, and starts from the present', async (t) => {
  const gone = `${JSON.stringify({ type: 'ERROR', object: status(410, 'Expired', { metadata: {} }) })}\n`;
  const { server, seen } = await watched(t, 2, [stream([gone], 'end'), stream([event('ADDED', '30')], 'stay')], '7');
  assert.deepEqual(seen, [undefined, '30'], 'a deletion may have been missed: that is a reason to read');
  assert.doesNotMatch(server.requests[1] ?? '', /resourceVersion/);
});

test('a watch that is refused is tried again, and tells why', async (t) => {
  const { seen, troubles } = await watched(t, 1, [
    respond(403, status(403, 'Forbidden')),
    stream([event('ADDED', '30')], 'stay'),
  ]);
  assert.deepEqual(seen, ['30']);
  assert.match(troubles[0] ?? '', /watching Lease team\/deploy: 403/);
});

test('a watch cut in the middle of a line goes on with a new connection', async (t) => {
  const half: Behaviour = (_, response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.write(event('MODIFIED', '8').slice(0, 20), () => response.destroy());
  };
  const { seen } = await watched(t, 1, [half, stream([event('MODIFIED', '8')], 'stay')], '7');
  assert.deepEqual(seen, ['8']);
});

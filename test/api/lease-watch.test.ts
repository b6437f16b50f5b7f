import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readLine, splitLines } from '../../src/api/lease-watch.ts';

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

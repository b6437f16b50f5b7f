/** The two statements of the protocol say the same, and pieces of messages are put together again. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import * as protocol from '../../../src/guard/supervisor/protocol.ts';
import { supervise } from './supervised.ts';

const header = readFileSync(new URL('../../../src/guard/supervisor/protocol.h', import.meta.url), 'utf8');

function inHeader(list: string): Record<string, [number, string]> {
  const text = header.slice(header.indexOf(`#define ${list}(X)`)).split(/\n\n|\/\* clang/)[0] ?? '';
  return Object.fromEntries(
    [...text.matchAll(/X\((\w+), (\d+), "([^"]*)"\)/g)].map(([, name = '', number, layout = '']) => [
      name.toLowerCase(),
      [Number(number), layout],
    ]),
  );
}
const constant = (name: string): string | undefined => new RegExp(`#define ${name} (\\w+)`).exec(header)?.[1];

test('header and TypeScript have the same messages, numbers and fields', () => {
  assert.deepEqual(inHeader('FROM_GUARD'), protocol.FROM_GUARD);
  assert.deepEqual(inHeader('FROM_SUPERVISOR'), protocol.FROM_SUPERVISOR);
  assert.equal(constant('PROTOCOL_VERSION'), String(protocol.PROTOCOL_VERSION));
  assert.equal(constant('FRAME_MAX'), String(protocol.FRAME_MAX));
});

test('no number has two meanings', () => {
  const numbers = [...Object.values(protocol.FROM_GUARD), ...Object.values(protocol.FROM_SUPERVISOR)].map(([number]) => number);
  assert.equal(new Set(numbers).size, numbers.length);
});

test('fields are little-endian, and a moment is rounded down', () => {
  assert.equal(protocol.encode({ kind: 'prepare', index: 258, graceMs: 1 }).toString('hex'), '09000000020201000001000000');
  assert.equal(
    protocol.encode({ kind: 'deadline', terminateAtMs: 1.9, killAtMs: protocol.NEVER_MS }).toString('hex'),
    `11000000040100000000000000${'f'.repeat(16)}`,
  );
  const signal = { kind: 'signal', signal: 15 } as const;
  assert.equal(protocol.encode({ ...signal, unlessGroupHadIt: false }).toString('hex'), '0300000006' + '0f00');
  assert.equal(protocol.encode({ ...signal, unlessGroupHadIt: true }).toString('hex'), '0300000006' + '0f01');
  assert.equal(protocol.encode({ kind: 'start', environment: { A: 'ä' } }).toString('hex'), '0600000003413dc3a400');
});

test('what can not be encoded is refused', () => {
  assert.throws(() => protocol.encode({ kind: 'start', environment: { A: 'x'.repeat(protocol.FRAME_MAX) } }), RangeError);
  for (const environment of [{ '': 'x' }, { 'A=B': 'x' }, { A: 'x\0y' }])
    assert.throws(() => protocol.encode({ kind: 'start', environment }), RangeError);
});

test('messages are decoded in whatever pieces they arrive', () => {
  const bytes = Buffer.from(
    '0e0000004101000000102700000000000005' + '02000000470f' + '0100000049' + '06000000460103000000',
    'hex',
  );
  // The fourth is shorter than its kind says.
  const good = bytes.subarray(0, 18 + 6 + 5);
  const expected = [
    { kind: 'hello', version: 1, nowMs: 10_000, sharesTerminal: true, underFirst: false, findsAll: true },
    { kind: 'stopped', signal: 15 },
    { kind: 'allGone' },
  ];
  for (let size = 1; size <= good.length; size++) {
    const decode = protocol.createDecoder();
    const messages = [];
    for (let at = 0; at < good.length; at += size) messages.push(...decode(good.subarray(at, at + size)));
    assert.deepEqual(messages, expected);
  }
  assert.throws(() => protocol.createDecoder()(bytes), RangeError);
});

const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};
const hello = protocol.encode({ kind: 'hello', version: protocol.PROTOCOL_VERSION });
const prepare = protocol.encode({ kind: 'prepare', index: 0, graceMs: 0 });
const start = protocol.encode({ kind: 'start', environment: {} });
const framed = (...bytes: number[]): Buffer => Buffer.concat([u32(bytes.length), Buffer.from(bytes)]);

const MALFORMED: Record<string, Buffer> = {
  'no hello': prepare,
  'a second hello': Buffer.concat([hello, hello]),
  'another version': protocol.encode({ kind: 'hello', version: 99 }),
  'a frame of length 0': Buffer.concat([hello, u32(0)]),
  'a frame that is too long': Buffer.concat([hello, u32(protocol.FRAME_MAX + 1)]),
  'an unknown kind': Buffer.concat([hello, framed(200)]),
  'a kind of the other direction': Buffer.concat([hello, framed(73)]),
  'too few fields': Buffer.concat([hello, framed(4, 0, 0)]),
  'too many fields': Buffer.concat([hello, framed(9, 0)]),
  'a signal that there is not': Buffer.concat([hello, framed(6, 65, 0)]),
  'a start without a preparation': Buffer.concat([hello, start]),
  'a second preparation': Buffer.concat([hello, prepare, prepare]),
  'a second start': Buffer.concat([hello, prepare, start, start]),
  'an environment without a value': Buffer.concat([hello, prepare, framed(3, 65, 0)]),
  'an environment without its end': Buffer.concat([hello, prepare, framed(3, 65, 61)]),
  'an end in the middle of a frame': Buffer.concat([hello, prepare, start.subarray(0, 3)]),
};

for (const [what, bytes] of Object.entries(MALFORMED)) {
  test(`${what}: the guard counts as gone`, async () => {
    const alice = supervise(['sh', '-c', 'while :; do sleep 1000; done'], { stderr: 'pipe' });
    alice.socket.write(bytes);
    if (what.startsWith('an end')) alice.socket.end();
    assert.equal(await alice.ended, 0);
  });
}

test('messages that arrive a byte at a time are understood', async () => {
  const alice = supervise(['sh', '-c', 'exit 3']);
  for (const byte of Buffer.concat([hello, prepare, start])) {
    alice.socket.write(Buffer.of(byte));
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal((await alice.next('exited')).code, 3);
  alice.send({ kind: 'end', callerSees: 'endOfCommand' });
  await alice.ended;
});

test('what no supervisor says is refused: a length, a message, a reason, a field too few; and what few say is understood', () => {
  const decoded = (hex: string) => protocol.createDecoder()(Buffer.from(hex, 'hex'));
  for (const hex of ['00000000', 'ffffffff', '0100000001', '020000004cff', '010000004b'])
    assert.throws(() => decoded(hex), RangeError);
  assert.deepEqual(decoded('01000000480900000' + '04a0700000005000000'), [
    { kind: 'continued' },
    { kind: 'cannotKill', pid: 7, uid: 5 },
  ]);
});

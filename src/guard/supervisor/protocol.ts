/**
 * The messages between guard and supervisor, as protocol.h has them (a test compares the two): encoding and decoding, nothing else. A frame is its
 * length (u32, of what follows), its kind (u8) and its fields, all little-endian. Moments are milliseconds of the clock that `hello` tells.
 */
export const PROTOCOL_VERSION = 1;
export const FRAME_MAX = 65_536;
/** A moment that never comes. */
export const NEVER_MS = Number.POSITIVE_INFINITY;

/** Where a controlling terminal is shared, `signal` with `unlessGroupHadIt` does not pass on what the command has had from the terminal. */
export type ToSupervisor =
  | { kind: 'hello'; version: number }
  /** `index` of the command in the arguments of the program; 0 in the npm package. The grace is for every end that `terminate` does not begin. */
  | { kind: 'prepare'; index: number; graceMs: number }
  | { kind: 'start'; environment: Readonly<Record<string, string>> }
  | { kind: 'deadline'; terminateAtMs: number; killAtMs: number }
  | { kind: 'terminate'; graceMs: number }
  | { kind: 'signal'; signal: number; unlessGroupHadIt: boolean }
  | { kind: 'orphans'; policy: 'stop' | 'wait' }
  /** Under `first`: what the caller is told. */
  | { kind: 'end'; callerSees: 'exitCodeOfGuard' | 'endOfCommand' }
  | { kind: 'clock' }
  | { kind: 'log'; format: 'text' | 'json'; lock: string };

export type TerminationReason = 'asked' | 'deadline' | 'guardGone' | 'callerGone' | 'leftBehind';

export type FromSupervisor =
  | { kind: 'hello'; version: number; nowMs: number; sharesTerminal: boolean; underFirst: boolean; findsAll: boolean }
  | { kind: 'ready'; pid: number }
  | { kind: 'cannotStart'; errno: number }
  | { kind: 'signal'; signal: number; byTerminal: boolean }
  | { kind: 'started'; pid: number }
  | { kind: 'exited'; code: number; left: number }
  | { kind: 'killed'; signal: number; left: number }
  | { kind: 'stopped'; signal: number }
  | { kind: 'continued' }
  | { kind: 'allGone' }
  | { kind: 'cannotKill'; pid: number; uid: number }
  | { kind: 'clock'; nowMs: number }
  | { kind: 'terminating'; reason: TerminationReason };

/** Number and sizes of the fields of each kind. */
export const FROM_GUARD = {
  hello: [1, '4'],
  prepare: [2, '44'],
  start: [3, '*'],
  deadline: [4, '88'],
  terminate: [5, '4'],
  signal: [6, '11'],
  orphans: [7, '1'],
  end: [8, '1'],
  clock: [9, ''],
  log: [10, '1*'],
} as const;

export const FROM_SUPERVISOR = {
  hello: [65, '481'],
  ready: [66, '4'],
  cannot_start: [67, '4'],
  signal: [68, '11'],
  started: [69, '4'],
  exited: [70, '114'],
  stopped: [71, '1'],
  continued: [72, ''],
  all_gone: [73, ''],
  cannot_kill: [74, '44'],
  clock: [75, '8'],
  terminating: [76, '1'],
} as const;

const REASONS: readonly TerminationReason[] = ['asked', 'deadline', 'guardGone', 'callerGone', 'leftBehind'];
const NEVER = 0xffff_ffff_ffff_ffffn;

export function encode(message: ToSupervisor): Buffer {
  const [number, layout] = FROM_GUARD[message.kind];
  const fields = Buffer.concat([fieldsOf(layout, valuesOf(message)), restOf(message)]);
  const length = 1 + fields.length;
  if (length > FRAME_MAX) throw new RangeError(`a message to the supervisor can have ${FRAME_MAX} bytes, not ${length}`);
  const head = Buffer.alloc(5);
  head.writeUInt32LE(length);
  head.writeUInt8(number, 4);
  return Buffer.concat([head, fields]);
}

/** Takes bytes as they arrive, in pieces of any size, and returns the messages that are complete. Throws for what is none. */
export function createDecoder(): (bytes: Uint8Array) => FromSupervisor[] {
  let rest: Buffer = Buffer.alloc(0);
  return (bytes) => {
    rest = Buffer.concat([rest, bytes]);
    const messages: FromSupervisor[] = [];
    while (rest.length >= 4) {
      const length = rest.readUInt32LE();
      if (length < 1 || length > FRAME_MAX) throw new RangeError(`a frame of ${length} bytes from the supervisor`);
      if (rest.length < 4 + length) break;
      messages.push(decode(rest.subarray(4, 4 + length)));
      rest = rest.subarray(4 + length);
    }
    return messages;
  };
}

/** What "*" in a layout stands for. */
function restOf(message: ToSupervisor): Buffer {
  if (message.kind === 'start') return environmentText(message.environment);
  return Buffer.from(message.kind === 'log' ? message.lock : '');
}

function valuesOf(message: ToSupervisor): (number | bigint)[] {
  switch (message.kind) {
    case 'hello':
      return [message.version];
    case 'prepare':
      return [message.index, wholeMs(message.graceMs)];
    case 'deadline':
      return [moment(message.terminateAtMs), moment(message.killAtMs)];
    case 'terminate':
      return [wholeMs(message.graceMs)];
    case 'signal':
      return [message.signal, message.unlessGroupHadIt ? 1 : 0];
    case 'orphans':
      return [message.policy === 'wait' ? 1 : 0];
    case 'end':
      return [message.callerSees === 'endOfCommand' ? 1 : 0];
    case 'clock':
    case 'start':
      return [];
    case 'log':
      return [message.format === 'json' ? 1 : 0];
    default:
      return message satisfies never;
  }
}

/** Down: a deadline may be early, not late. */
const moment = (ms: number): bigint => (ms === NEVER_MS ? NEVER : BigInt(Math.max(0, Math.floor(ms))));
const wholeMs = (ms: number): number => Math.min(0xffff_ffff, Math.max(0, Math.floor(ms)));

function fieldsOf(layout: string, values: readonly (number | bigint)[]): Buffer {
  return Buffer.concat(
    [...layout.replace('*', '')].map((size, index) => {
      const field = Buffer.alloc(8);
      field.writeBigUInt64LE(BigInt(values[index] ?? 0));
      return field.subarray(0, Number(size));
    }),
  );
}

function environmentText(environment: Readonly<Record<string, string>>): Buffer {
  const entries = Object.entries(environment).map(([name, value]) => {
    if (name === '' || /[=\0]/.test(name) || value.includes('\0'))
      throw new RangeError(`invalid environment variable ${JSON.stringify(name)}`);
    return `${name}=${value}\0`;
  });
  return Buffer.from(entries.join(''));
}

type Kind = keyof typeof FROM_SUPERVISOR;

function decode(frame: Buffer): FromSupervisor {
  const found = (Object.entries(FROM_SUPERVISOR) as [Kind, readonly [number, string]][]).find(
    ([, [number]]) => number === frame[0],
  );
  if (!found) throw new RangeError(`message ${frame[0]} from the supervisor is unknown`);
  const [kind, [, layout]] = found;
  const values = readFields(frame.subarray(1), layout);
  return messageOf(kind, (index) => values[index] ?? 0);
}

function readFields(fields: Buffer, layout: string): number[] {
  const sizes = [...layout].map(Number);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  if (fields.length !== total) throw new RangeError(`${fields.length} bytes of fields from the supervisor, not ${total}`);
  let at = 0;
  return sizes.map((size) => {
    at += size;
    return size === 8 ? Number(fields.readBigUInt64LE(at - 8)) : fields.readUIntLE(at - size, size);
  });
}

function messageOf(kind: Kind, value: (index: number) => number): FromSupervisor {
  switch (kind) {
    case 'hello':
      return {
        kind,
        version: value(0),
        nowMs: value(1),
        sharesTerminal: (value(2) & 1) !== 0,
        underFirst: (value(2) & 2) !== 0,
        findsAll: (value(2) & 4) !== 0,
      };
    case 'ready':
    case 'started':
      return { kind, pid: value(0) };
    case 'cannot_start':
      return { kind: 'cannotStart', errno: value(0) };
    case 'signal':
      return { kind, signal: value(0), byTerminal: value(1) === 1 };
    case 'exited':
      return value(0) === 1
        ? { kind: 'killed', signal: value(1), left: value(2) }
        : { kind: 'exited', code: value(1), left: value(2) };
    case 'stopped':
      return { kind, signal: value(0) };
    case 'continued':
      return { kind };
    case 'all_gone':
      return { kind: 'allGone' };
    case 'cannot_kill':
      return { kind: 'cannotKill', pid: value(0), uid: value(1) };
    case 'clock':
      return { kind, nowMs: value(0) };
    case 'terminating': {
      const reason = REASONS[value(0)];
      if (reason === undefined) throw new RangeError(`reason ${value(0)} from the supervisor is unknown`);
      return { kind, reason };
    }
    default:
      return kind satisfies never;
  }
}

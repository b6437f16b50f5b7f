/** Locks in the format that was asked for, as lines. */
import { describeLease } from '../../src/names.ts';
import type { HolderReport, LockReport, WaiterReport } from '../../src/protocol/report.ts';
import { permitsTaken } from '../../src/protocol/room.ts';
import { visible, visibleJson } from '../../src/visible.ts';
import type { OUTPUTS } from '../option-table.ts';
import { wrapped } from '../wrapped.ts';
import type { Paint } from './colour.ts';
import { describeAbsent, type Lock } from './locks.ts';
import { age, type Column, printTable } from './table.ts';
import { valuesOf } from './values.ts';
import { COLOURS, describeClient, describeLife, describeNext, type StateWord, stateOf } from './words.ts';

export type Output = (typeof OUTPUTS)[number];

export interface Printing {
  output: Output;
  /** One lock was named. */
  single: boolean;
  /** A column for the namespace. */
  namespaces: boolean;
  paint: Paint;
  /** Of the terminal, for sentences; undefined elsewhere, where a line is a line. Tables are as wide as they are, as those of kubectl. */
  columns: number | undefined;
}

export async function printLocks(
  locks: readonly Lock[],
  { output, single, namespaces, paint, columns }: Printing,
): Promise<string[]> {
  switch (output) {
    case 'text':
      return locks.flatMap((lock, i) => [
        ...(i > 0 ? [''] : []),
        ...textOf(lock, paint).flatMap((text) => inWidth(text, columns)),
      ]);
    case 'table':
    case 'wide':
      return printTable(columnsOf({ wide: output === 'wide', namespaces, paint }), locks);
    case 'json':
      return [visibleJson(valuesOf(locks, single), 2)];
    case 'yaml': {
      const { stringify } = await import('yaml');
      // With quotes around what older parsers take for a time, or for true.
      return [stringify(valuesOf(locks, single), { version: '1.1' }).trimEnd()];
    }
    case 'name':
      return locks.filter(({ kind }) => kind !== 'absent').map(({ name }) => `lease.coordination.k8s.io/${name}`);
    default:
      return output satisfies never;
  }
}

const wordOf = (lock: Lock): StateWord =>
  lock.kind === 'report' ? stateOf(lock.report) : lock.kind === 'absent' ? 'Absent' : 'Unknown';

export function columnsOf({ wide, namespaces, paint }: { wide: boolean; namespaces: boolean; paint: Paint }): Column<Lock>[] {
  const holder = (read: (report: HolderReport) => string | undefined) => (lock: Lock) => {
    const [first] = lock.kind === 'report' ? lock.report.holders : [];
    return first && read(first);
  };
  const more: Column<Lock>[] = [
    { head: 'WHO', cell: holder(({ holder: { about } }) => about.who) },
    { head: 'HOST', cell: holder(({ holder: { about } }) => about.host) },
    { head: 'LEASE', cell: holder(({ holder: { durationMs } }) => age(durationMs)) },
    { head: 'LINK', cell: holder(({ holder: { about } }) => about.url) },
  ];
  return [
    ...(namespaces ? [{ head: 'NAMESPACE', cell: ({ namespace }: Lock) => namespace }] : []),
    { head: 'NAME', cell: ({ name }) => name },
    { head: 'STATE', cell: wordOf, paint: (text, lock) => paint(COLOURS[wordOf(lock)], text) },
    { head: 'HOLDER', cell: holderCell },
    { head: 'HELD', cell: holder(({ heldMs }) => age(heldMs)) },
    { head: 'RENEWED', cell: holder(({ renewedAgoMs: ms }) => (ms === undefined ? undefined : `${age(ms)} ago`)) },
    { head: 'EXPIRES', cell: holder(({ expiresInMs: ms }) => (ms !== undefined && ms < 0 ? `${age(-ms)} ago` : age(ms))) },
    { head: 'WAITING', cell: (lock) => (lock.kind === 'report' ? String(lock.report.queue.length) : undefined) },
    { head: 'REASON', cell: holder(({ holder: { about } }) => about.reason) },
    ...(wide ? more : []),
  ];
}

function textOf(lock: Lock, paint: Paint): string[] {
  if (lock.kind === 'absent') return [describeAbsent(lock)];
  if (lock.kind === 'unreadable') return [lock.message];
  const { report } = lock;
  const word = stateOf(report);
  return [
    paint('bold', describeLease(lock)),
    line('State', paint(COLOURS[word], word)),
    ...permitsLines(report),
    ...report.holders.flatMap((holder) => holderLines(holder)),
    ...stopLines(report),
    ...unlockedLines(report),
    ...queueLines(report.queue),
    line('Next', describeNext(report)),
  ];
}

/** Those that share the lock are several. */
function holderCell(lock: Lock): string | undefined {
  const [first, ...others] = lock.kind === 'report' ? lock.report.holders : [];
  return first && `${first.holder.id}${others.length > 0 ? ` + ${others.length} more` : ''}`;
}

function permitsLines({ state }: LockReport): string[] {
  const taken = permitsTaken(state.holders);
  if (state.permits === undefined && taken === 0) return [];
  return [line('Permits', state.permits === undefined ? `${taken} taken, no limit` : `${taken} of ${state.permits} taken`)];
}

const LABEL = 11;
const SENTENCE = /^ *(?:Next|Life|Client|Stop|Forced|Reason): +/;

/** Sentences continue under their beginning. */
function inWidth(text: string, columns: number | undefined): string[] {
  const [label] = SENTENCE.exec(text) ?? [];
  if (columns === undefined || label === undefined) return [text];
  return `${label}${wrapped(text.slice(label.length), columns - label.length, ' '.repeat(label.length))}`.split('\n');
}

const line = (label: string, text: string): string => `${`${label}:`.padEnd(LABEL)}${text}`;
const inner = (label: string, text: string | undefined): string[] =>
  text === undefined || text === '' ? [] : [`  ${`${label}:`.padEnd(LABEL)}${visible(text)}`];

function holderLines(report: HolderReport): string[] {
  const { holder, heldMs, expiresInMs } = report;
  const { id, since, durationMs, about, key } = holder;
  const who = [about.who, about.host && `on ${about.host}`].filter(Boolean).join(' ');
  const lease = durationMs === undefined ? '' : ` (lease of ${age(durationMs)})`;
  const expires = expiresInMs === undefined ? undefined : expiresInMs < 0 ? `${age(-expiresInMs)} ago` : `in ${age(expiresInMs)}`;
  return [
    line('Holder', visible(id)),
    ...inner('Life', describeLife(report)),
    ...inner('Client', describeClient(report)),
    ...inner('Who', who),
    ...inner('Since', since && `${since.slice(0, 19).replace('Z', '')}Z${heldMs === undefined ? '' : `, for ${age(heldMs)}`}`),
    ...inner('Expires', expires && `${expires}${lease}`),
    ...inner('Weight', holder.weight === undefined ? undefined : String(holder.weight)),
    ...inner('Reason', about.reason),
    ...inner('Link', about.url),
    ...(holder.standing === 'foreign' ? [] : inner('Key', key)),
  ];
}

function stopLines({ stop, holders }: LockReport): string[] {
  if (!stop) return [];
  const { by, kind, reason, at } = stop;
  // The request may name the key.
  const holder = holders.find((each) => each.holder.key === stop.holder)?.holder.id ?? stop.holder;
  const why = [kind && `(${kind})`, reason].filter(Boolean).join(' ');
  return [
    line('Stop', visible(`asked of ${holder} by ${by || 'an unnamed client'}${at ? ` at ${at}` : ''}${why ? `: ${why}` : ''}`)),
  ];
}

function unlockedLines({ unlocked }: LockReport): string[] {
  if (!unlocked) return [];
  const { holder, by, at, reason } = unlocked;
  return [line('Forced', visible(`${by} cleared the holder ${holder} at ${at}${reason ? `: ${reason}` : ''}`))];
}

export const printQueue = (queue: readonly WaiterReport[]): string[] => printTable(QUEUE, queue);

const QUEUE: Column<WaiterReport>[] = [
  { head: 'PLACE', cell: ({ place }) => String(place) },
  { head: 'WAITING', cell: ({ waitingMs }) => age(waitingMs) },
  { head: 'PRIORITY', cell: ({ waiter }) => String(waiter.priority) },
  { head: 'KEY', cell: ({ waiter }) => waiter.key },
  { head: 'ID', cell: ({ waiter }) => waiter.id },
  { head: 'WHO', cell: ({ waiter }) => waiter.about.who },
  { head: 'REASON', cell: ({ waiter }) => waiter.about.reason },
];

function queueLines(queue: readonly WaiterReport[]): string[] {
  if (queue.length === 0) return [line('Queue', 'nobody waits')];
  return [line('Queue', `${queue.length} waiting`), ...printQueue(queue).map((text) => `  ${text}`)];
}

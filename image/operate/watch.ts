/**
 * Locks as they change, until interrupted: redrawn in place on a terminal, elsewhere a line for each lock that has changed. It asks every two seconds,
 * with one request for all locks: a watch of the API server would not bring the time that passes.
 */
import type { LeaseReader } from '../../src/api/lease-list.ts';
import { type Clock, later, type Monotonic, waitUntil } from '../../src/clock.ts';
import type { Log } from '../../src/log.ts';
import { printLine, write } from '../stdout.ts';
import { reportAnswer } from './answers.ts';
import { type Lock, readLocks, type Wanted } from './locks.ts';
import { columnsOf, type Printing, printLocks } from './print.ts';
import { printTable } from './table.ts';

const EVERY_MS = 2000;
/** How long an API server may be silent: as for those who wait. */
const SILENCE_MS = 120_000;

export interface Watching {
  reader: LeaseReader;
  wanted: Wanted;
  clock: Clock;
  log: Log;
  printing: Printing;
}

/** Ends when the API server refuses, or has been silent for long; else with the process. */
export async function watchLocks({ reader, wanted, clock, log, printing }: Watching): Promise<number> {
  const show = process.stdout.isTTY ? redraw(printing) : append(printing);
  let silentSince: Monotonic | undefined;
  for (;;) {
    const found = await readLocks(reader, wanted, clock);
    if (found.kind === 'refused') return reportAnswer(found, log, reader.server);
    if (found.kind === 'failed') {
      if (silentSince === undefined) log('info', `${found.message}; trying again`);
      silentSince ??= clock.now();
      if (clock.now() >= later(silentSince, SILENCE_MS)) return reportAnswer(found, log, reader.server);
    } else {
      silentSince = undefined;
      await show(found.locks);
    }
    await waitUntil(clock, later(clock.now(), EVERY_MS));
  }
}

type Show = (locks: readonly Lock[]) => Promise<void>;

/** From the top of what was drawn last; what is longer than the window, or wider, is cut. */
function redraw(printing: Printing): Show {
  let drawn = 0;
  return async (locks) => {
    // A terminal may not know its size, and say 0.
    const [columns, rows] = [process.stdout.columns || 80, process.stdout.rows || 24];
    const lines = (await printLocks(locks, { ...printing, columns })).slice(0, rows - 1).map((line) => cut(line, columns));
    const up = drawn > 0 ? `\x1b[${drawn}A` : '';
    await write(`${up}\r\x1b[J${lines.map((line) => `${line}\n`).join('')}`);
    drawn = lines.length;
  };
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: our own colours
const COLOURED = /\x1b\[\d+m/g;

/** Colours take no room. */
function cut(line: string, width: number): string {
  const bare = line.replace(COLOURED, '');
  return bare.length <= width ? line : bare.slice(0, width);
}

/** The times that pass are no change. */
function append({ output, namespaces, paint }: Printing): Show {
  const columns = columnsOf({ wide: output === 'wide', namespaces, paint });
  const shown = new Map<string, string>();
  let heads = true;
  return async (locks) => {
    const changed = locks.filter((lock) => {
      const key = `${lock.namespace}/${lock.name}`;
      const is = fingerprintOf(lock);
      const differs = shown.get(key) !== is;
      shown.set(key, is);
      return differs;
    });
    if (changed.length > 0) for (const line of printTable(columns, changed, { heads })) await printLine(line);
    if (changed.length > 0) heads = false;
  };
}

function fingerprintOf(lock: Lock): string {
  if (lock.kind !== 'report') return lock.kind;
  const { holders, queue, stop } = lock.report;
  return JSON.stringify([holders.map(({ holder, life }) => [holder.key, life]), queue.map(({ waiter }) => waiter.key), stop]);
}

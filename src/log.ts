/**
 * Lines for people and for machines, on one file descriptor. Writing never blocks and never throws: a pipe that nobody reads, or one that
 * is closed, costs lines and nothing else, since a guard's deadlines must not wait for its words.
 */
import { write } from 'node:fs';
import { type Clock, later, waitUntil } from './clock.ts';
import { visible } from './visible.ts';

export type Level = 'error' | 'info' | 'debug';
export type LogFormat = 'text' | 'json';

export interface Log {
  (level: Level, message: string, fields?: Readonly<Record<string, unknown>>): void;
  /** Waits until what was said is written, or for half a second. */
  flush(): Promise<void>;
}

export interface LogOptions {
  clock: Clock;
  format: LogFormat;
  /** Least important level that is still written. */
  level: Level;
  fd: number;
}

/** How many writes are under way in threads of this process: one to a pipe that nobody reads never ends, and process.exit() waits for it. */
let underWay = 0;
export const isStuckWriting = (): boolean => underWay > 0;

const RANK: Record<Level, number> = { error: 0, info: 1, debug: 2 };
/** Lines kept while nobody reads; the oldest are dropped beyond. */
const BACKLOG = 1000;
const FLUSH_MS = 500;
const AGAIN_MS = 50;

export function logTo({ clock, format, level: least, fd }: LogOptions): Log {
  let backlog: string[] = [];
  let writing = false;
  let written = () => {};

  const pump = () => {
    if (writing) return;
    if (backlog.length === 0) return written();
    writing = true;
    put(Buffer.from(backlog.join('')));
    backlog = [];
  };
  const put = (bytes: Buffer) => {
    underWay++;
    write(fd, bytes, (error, count) => {
      underWay--;
      if (error?.code === 'EAGAIN') {
        clock.at(later(clock.now(), AGAIN_MS), () => put(bytes));
      } else if (!error && count < bytes.length) {
        put(bytes.subarray(count));
      } else {
        writing = false; // Any other error: nobody can be told, and the next line may find a reader again.
        pump();
      }
    });
  };
  const log = (level: Level, message: string, fields: Readonly<Record<string, unknown>> = {}) => {
    if (RANK[level] > RANK[least]) return;
    const json = () => JSON.stringify({ time: clock.wall().toISOString(), level, message, ...fields });
    backlog.push(format === 'json' ? `${json()}\n` : `k8s-lease-lock: ${visible(message)}\n`);
    if (backlog.length > BACKLOG) backlog.shift();
    pump();
  };
  const flush = async () => {
    const done = new AbortController();
    written = () => done.abort();
    pump();
    if (writing) await waitUntil(clock, later(clock.now(), FLUSH_MS), done.signal);
  };
  return Object.assign(log, { flush });
}

/**
 * Lines for people and for machines, on one file descriptor. Writing never blocks and never throws: a pipe that nobody reads, or one that
 * is closed, costs lines and nothing else, since a guard's deadlines must not wait for its words.
 */
import { write } from 'node:fs';
import { type Clock, later, waitUntil } from './clock.ts';
import { describeLease } from './names.ts';
import { visible, visibleJson } from './visible.ts';

export type Level = 'error' | 'info' | 'debug';
export type LogFormat = 'text' | 'json';

export interface Log {
  (level: Level, message: string, fields?: Readonly<Record<string, unknown>>): void;
  /** On a terminal, for people: one last line that is rewritten in place; undefined removes it. Undefined as a whole elsewhere. */
  live: ((line: string | undefined) => void) | undefined;
  /** Waits until what was said is written, or for half a second. */
  flush(): Promise<void>;
}

export interface LogOptions {
  clock: Clock;
  format: LogFormat;
  /** Least important level that is still written. */
  level: Level;
  fd: number;
  /** How many columns there are, where people look at it: a terminal that can erase a line. */
  columns?: (() => number) | undefined;
}

/** How many writes are under way in threads of this process: one to a pipe that nobody reads never ends, and the end of the process waits for it. */
let underWay = 0;
export const isStuckWriting = (): boolean => underWay > 0;

const RANK: Record<Level, number> = { error: 0, info: 1, debug: 2 };
/** Lines kept while nobody reads; the oldest are dropped beyond. */
const BACKLOG = 1000;
const FLUSH_MS = 500;
const AGAIN_MS = 50;
const PREFIX = 'k8s-lease-lock: ';
const ERASE = '\r\x1b[K';

export function logTo({ clock, format, level: least, fd, columns }: LogOptions): Log {
  let backlog: string[] = [];
  let writing = false;
  let written = () => {};
  /** The last line of the terminal: as it is, and as it should be. */
  let shown = '';
  let wanted = '';

  const pump = () => {
    if (writing) return;
    if (backlog.length === 0 && shown === wanted) return written();
    writing = true;
    writeAll({ fd, clock }, Buffer.from(`${shown && ERASE}${backlog.join('')}${wanted}`), () => {
      writing = false;
      pump();
    });
    backlog = [];
    shown = wanted;
  };
  const log = (level: Level, message: string, fields: Readonly<Record<string, unknown>> = {}) => {
    if (RANK[level] > RANK[least]) return;
    const json = () => visibleJson({ time: clock.wall().toISOString(), level, message, ...fields });
    backlog.push(format === 'json' ? `${json()}\n` : `${PREFIX}${visible(message)}\n`);
    if (backlog.length > BACKLOG) backlog.shift();
    pump();
  };
  const flush = async () => {
    const done = new AbortController();
    written = () => done.abort();
    pump();
    if (writing) await waitUntil(clock, later(clock.now(), FLUSH_MS), done.signal);
  };
  const live = (columns: () => number) => (line: string | undefined) => {
    wanted = line === undefined ? '' : cut(`${PREFIX}${visible(line)}`, columns());
    // What is said in the same turn goes along in the same write, before a command that is started now says anything.
    queueMicrotask(pump);
  };
  const lives = format === 'text' && RANK.info <= RANK[least];
  return Object.assign(log, { flush, live: lives && columns ? live(columns) : undefined });
}

/** `done` also where it can't be written: nobody can be told, and the next line may find a reader again. */
function writeAll(to: { fd: number; clock: Clock }, bytes: Buffer, done: () => void): void {
  const { fd, clock } = to;
  underWay++;
  write(fd, bytes, (error, count) => {
    underWay--;
    if (error?.code === 'EAGAIN') clock.at(later(clock.now(), AGAIN_MS), () => writeAll(to, bytes, done));
    else if (!error && count < bytes.length) writeAll(to, bytes.subarray(count), done);
    else done();
  });
}

/** One column less than there are: a full line would wrap on some terminals. What is not ASCII may take two. */
function cut(line: string, columns: number): string {
  let room = columns - 1;
  let kept = '';
  for (const character of line) {
    room -= character <= '~' ? 1 : 2;
    if (room < 0) break;
    kept += character;
  }
  return kept;
}

/** The log of one lock: every line names it, for those who read the lines of many. */
export function logOf(log: Log, lock: { namespace: string; name: string }): Log {
  const subject = describeLease(lock);
  const named = (level: Level, message: string, fields: Readonly<Record<string, unknown>> = {}) =>
    log(level, message.includes(subject) ? message : `${subject}: ${message}`, {
      ...fields,
      lock: `${lock.namespace}/${lock.name}`,
    });
  return Object.assign(named, { flush: log.flush, live: log.live });
}

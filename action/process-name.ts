/** Names of processes, to find one again that another process has written down. A process id is used again: only together with its start does it name one. */
import { readFileSync } from 'node:fs';

export interface ProcessName {
  pid: number;
  /** When it was started, in the kernel's ticks; undefined where there is no /proc to see it in. */
  startedTicks: number | undefined;
}

export interface ProcessEntry {
  pid: number;
  /** Cut by the kernel at 15 characters. */
  name: string;
  parent: number;
  startedTicks: number;
  dead: boolean;
}

export function nameOf(pid: number): ProcessName {
  return { pid, startedTicks: readProcess(pid)?.startedTicks };
}

/** Whether the process of that name lives, stopped ones included. */
export function isAlive({ pid, startedTicks }: ProcessName): boolean {
  if (startedTicks === undefined) return canSignal(pid);
  const entry = readProcess(pid);
  return entry !== undefined && !entry.dead && entry.startedTicks === startedTicks;
}

/** Undefined if no such process exists, or there is no /proc to see it in. */
export function readProcess(pid: number): ProcessEntry | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name in parentheses may hold anything, parentheses and spaces too: what follows its last one is regular (proc(5)).
    const end = stat.lastIndexOf(')');
    const fields = stat.slice(end + 2).split(' ');
    const [state = '', parent] = fields;
    return {
      pid,
      name: stat.slice(stat.indexOf('(') + 1, end),
      parent: Number(parent),
      startedTicks: Number(fields[19]),
      // A process whose main thread has ended is a zombie to look at, while its other threads run on (num_threads, the 20th field).
      dead: (state === 'Z' || state === 'X') && Number(fields[17]) <= 1,
    };
  } catch {
    return undefined; // Gone between listing and reading.
  }
}

/** Another user's counts. */
function canSignal(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

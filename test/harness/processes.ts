/** The processes of this machine as /proc shows them. One that has ended between two looks reads as empty, and is no error. */
import { readdirSync, readFileSync } from 'node:fs';
import { isRunning } from './guards.ts';

export interface Seen {
  pid: number;
  command: string;
  /** As `name=value`. */
  environment: string[];
}

/** Every process besides this one that runs code and has this, `name=value`, in its environment. */
export function processesHaving(variable: string): Seen[] {
  const pids = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
  return pids.flatMap((pid) => {
    if (pid === process.pid || !isRunning(pid)) return [];
    const environment = contentOf(`/proc/${pid}/environ`).split('\0');
    return environment.includes(variable) ? [{ pid, environment, command: commandOf(pid) }] : [];
  });
}

export const commandOf = (pid: number): string => contentOf(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').trim();

/** An empty text where there is no such file, or no longer. */
export function contentOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return ''; // It has gone meanwhile, or belongs to another user.
  }
}

export function kill(pid: number, signal: NodeJS.Signals = 'SIGKILL'): void {
  try {
    // 0 and 1 would be this process's group, and everything.
    if (pid > 1) process.kill(pid, signal);
  } catch {
    // It has ended by itself.
  }
}

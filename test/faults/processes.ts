/** Which processes of a story have ever started, which are alive, and when each contender's last sign of life was. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { machineMs } from '../harness/fault-exchange.ts';
import { contentOf } from '../harness/processes.ts';

/** The start time tells a process from a later one with its id. */
export interface Process {
  pid: number;
  startTime: string;
}

interface Started extends Process {
  who: string;
}

/** Every process of a story, guards and their helpers, too, has this in its environment, with the story's folder. */
export const MARK = 'FAULT_STORY';

const LOOK_MS = 10;

export function started(folder: string): Started[] {
  return lines(join(folder, 'processes')).map((line) => {
    const [who = '', pid = '0', startTime = ''] = line.split(' ');
    return { who, pid: Number(pid), startTime };
  });
}

export const startedBy = ({ folder }: { folder: string }, who: string): Started[] =>
  started(folder).filter((process) => process.who === who);

export function isAlive({ pid, startTime }: Process): boolean {
  const stat = statOf(pid);
  return stat !== undefined && stat.startTime === startTime && stat.state !== 'Z' && stat.state !== 'X';
}

export const livingOf = (folder: string, who: string): Started[] =>
  started(folder).filter((process) => process.who === who && isAlive(process));

/** When a contender's command first ran: by the kernel's clock since boot, to 10 ms, rounded down. */
export function firstRun(folder: string, who: string): number | undefined {
  const first = lines(join(folder, 'runs')).find((line) => line.startsWith(`${who} `));
  if (first === undefined) return undefined;
  const sinceBoot = Number(readFileSync('/proc/uptime', 'latin1').split(' ')[0]) * 1000;
  return machineMs() - sinceBoot + Number(first.split(' ')[1]) * 1000;
}

/** What its own processes wrote, and what was seen in the process table by `watchProcesses`. */
export function lastLife(folder: string, who: string): number {
  return Math.max(
    0,
    ...lines(join(folder, 'life'))
      .filter((line) => line.split(' ')[1] === who)
      .map((line) => Number(line.split(' ')[0])),
  );
}

export interface ProcessWatch {
  lastSeen(who: string): number;
  end(): void;
}

/** Looks for processes that are alive and give no sign of it: stopped ones, say. */
export function watchProcesses(folder: string): ProcessWatch {
  const lastSeen = new Map<string, number>();
  const gone = new Set<number>();
  const timer = setInterval(() => {
    for (const process of started(folder)) {
      if (gone.has(process.pid)) continue;
      const at = machineMs();
      if (isAlive(process)) lastSeen.set(process.who, at);
      else gone.add(process.pid);
    }
  }, LOOK_MS);
  return { lastSeen: (who) => lastSeen.get(who) ?? 0, end: () => clearInterval(timer) };
}

/** Guards, commands, and whatever else carries the mark. */
export function marked(folder: string): Process[] {
  return living().filter(({ pid }) => contentOf(`/proc/${pid}/environ`).split('\0').includes(`${MARK}=${folder}`));
}

export function childrenOf(parent: number): Process[] {
  return living().filter((process) => process.parent === parent);
}

export const describe = ({ pid }: Process): string =>
  `${pid} ${contentOf(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').slice(0, 200)}`;

function living(): (Process & { parent: number })[] {
  return readdirSync('/proc').flatMap((name) => {
    const stat = /^\d+$/.test(name) ? statOf(Number(name)) : undefined;
    return stat && stat.state !== 'Z' ? [{ pid: Number(name), startTime: stat.startTime, parent: stat.parent }] : [];
  });
}

function statOf(pid: number): { state: string; parent: number; startTime: string } | undefined {
  const stat = contentOf(`/proc/${pid}/stat`);
  if (stat === '') return undefined;
  const [state = '', parent = '', ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { state, parent: Number(parent), startTime: fields[17] ?? '' };
}

function lines(file: string): string[] {
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : [];
}

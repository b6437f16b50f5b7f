/**
 * The processes of a command: those of its group and session, its descendants, and those that carry its mark in the environment, which a daemon
 * that left group, session and parent still does. The dead that nobody has reaped don't count: they run no code any more.
 * Not seen: a process that has left all of these *and* cleared its environment; and, outside Linux, processes that have left the group.
 */
import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { type Clock, later, type Monotonic, waitUntil } from '../clock.ts';
import { canSignal, type ProcessEntry, readProcess } from './proc-stat.ts';

export interface ProcessTree {
  /** Process id of the command itself. */
  leader: number;
  /** It leads a session of its own; else it shares ours with a terminal, and a signal to the group would hit us as well. */
  ownSession: boolean;
  /** A text that only its environment holds, handed down to its children. */
  mark: string;
  /** When the leader was started, in the kernel's ticks: nothing older belongs to its tree. */
  startedTicks: number;
  /** All that have ever been found, by process id, with their start: a process that was found once belongs to the tree, whatever becomes of its parents. */
  known: Record<number, number>;
}

/** How often the process table is looked at while a tree is being stopped; a look costs a millisecond or two. */
const LOOK_MS = 20;
/** Reading an environment takes microseconds, unless its process is stuck in the kernel: then it is passed over. */
const READ_MS = 500;

export function treeOf(leader: number, ownSession: boolean, mark: string): ProcessTree {
  const startedTicks = readProcess(leader)?.startedTicks ?? 0;
  return { leader, ownSession, mark, startedTicks, known: { [leader]: startedTicks } };
}

/** The tree of a command that is not started yet: found by its mark alone. */
export function treeToBe(mark: string): ProcessTree {
  return { leader: NOBODY, ownSession: false, mark, startedTicks: 0, known: {} };
}

export const NOBODY = 0;

/** Process ids of those that are alive; each is remembered. A single look may miss a process that is being started: see isGone. */
export async function livingOf(tree: ProcessTree, clock: Clock): Promise<number[]> {
  const table = process.platform === 'linux' ? readTable() : undefined;
  // Without /proc the kernel still answers for the group.
  if (!table && tree.leader === NOBODY) return [];
  if (!table) return groupLives(tree) ? [tree.leader] : [];
  const living = await membersOf(table, tree, clock);
  // A parent that has forked and ended while the table was read has left a child that is not in it. Again, until nobody is new.
  for (;;) {
    const fresh = new Map(entriesOf(listPids().filter((pid) => !table.has(pid))));
    if (fresh.size === 0) break;
    for (const [pid, entry] of fresh) table.set(pid, entry);
    living.push(...(await membersOf(table, tree, clock, (pid) => fresh.has(pid))));
  }
  for (const pid of Object.keys(tree.known)) if (!table.has(Number(pid))) delete tree.known[Number(pid)];
  for (const { pid, startedTicks } of living) tree.known[pid] = startedTicks;
  if (living.length > 0) return living.map(({ pid }) => pid);
  // With hidepid=2 the processes of other users are not in the table; the kernel counts those of the group all the same.
  return readProcess(1) === undefined && groupLives(tree) ? [tree.leader] : [];
}

/** Whether the kernel knows a process of the command's group: also one that is dead and not reaped yet. */
const groupLives = ({ leader, ownSession }: ProcessTree): boolean =>
  leader !== NOBODY && canSignal(ownSession ? -leader : leader);

async function membersOf(
  table: Map<number, ProcessEntry>,
  tree: ProcessTree,
  clock: Clock,
  wanted: (pid: number) => boolean = () => true,
): Promise<ProcessEntry[]> {
  const found: ProcessEntry[] = [];
  const others: ProcessEntry[] = [];
  for (const entry of table.values()) {
    if (!wanted(entry.pid) || entry.dead || entry.startedTicks < tree.startedTicks || entry.pid === process.pid) continue;
    (belongs(entry, tree, table) ? found : others).push(entry);
  }
  for (const { pid, startedTicks } of found) tree.known[pid] = startedTicks;
  const marked = await Promise.all(others.map(({ pid }) => carries(pid, tree.mark, clock)));
  return [...found, ...others.filter((_, i) => marked[i])];
}

/** A process just inside execve shows an empty environment, and so is not recognised by its mark: it is by the second look. */
const SECOND_LOOK_MS = 20;

/** Whether nothing of the command is alive: by two looks that find nobody. */
export async function isGone(tree: ProcessTree, clock: Clock): Promise<boolean> {
  if ((await livingOf(tree, clock)).length > 0) return false;
  await waitUntil(clock, later(clock.now(), SECOND_LOOK_MS));
  return (await livingOf(tree, clock)).length === 0;
}

/** Passes a signal on: to the group, not to those that have left it. */
export function signalGroup(tree: ProcessTree, signal: NodeJS.Signals, clock: Clock): void {
  if (tree.ownSession) send(-tree.leader, signal);
  else void signalProcessTree(tree, signal, clock);
}

/** To the whole group where it is the tree's own, and to each of the others. */
export async function signalProcessTree(tree: ProcessTree, signal: NodeJS.Signals, clock: Clock): Promise<void> {
  // Looked for first: a process that loses its parent to the signal is no longer found by it.
  const living = await livingOf(tree, clock);
  if (tree.ownSession) send(-tree.leader, signal);
  for (const pid of living) {
    if (!tree.ownSession || readProcess(pid)?.group !== tree.leader) send(pid, signal);
  }
}

export interface TerminateOptions {
  /** Between SIGTERM and SIGKILL. */
  graceMs: number;
  /** What is given to SIGKILL where `until` is past. */
  reapMs: number;
  /** By when all must be over; it may move. */
  until(): Monotonic;
  /** Aborts to cut the grace short. */
  hurry: AbortSignal;
}

/** SIGTERM, the grace, SIGKILL. True once every process is gone, false if that could not be seen in time. */
export async function terminate(
  tree: ProcessTree,
  clock: Clock,
  { graceMs, reapMs, until, hurry }: TerminateOptions,
): Promise<boolean> {
  const graceEnds = later(clock.now(), graceMs);
  await signalProcessTree(tree, 'SIGTERM', clock);
  // A stopped process gets its SIGTERM only once it goes on.
  await signalProcessTree(tree, 'SIGCONT', clock);
  if (await waitUntilGone(tree, clock, { until: () => Math.min(graceEnds, until()) as Monotonic, hurry })) return true;
  const reaped = later(clock.now(), reapMs);
  return await waitUntilGone(tree, clock, {
    until: () => Math.max(reaped, until()) as Monotonic,
    eachLook: () => signalProcessTree(tree, 'SIGKILL', clock),
  });
}

interface GoneOptions {
  until(): Monotonic;
  hurry?: AbortSignal;
  eachLook?: () => Promise<void>;
}

/** Waits until all are gone, or for `until`. */
export async function waitUntilGone(tree: ProcessTree, clock: Clock, { until, hurry, eachLook }: GoneOptions): Promise<boolean> {
  for (;;) {
    await eachLook?.();
    if (await isGone(tree, clock)) return true;
    if (clock.now() >= until() || hurry?.aborted) return false;
    await waitUntil(clock, later(clock.now(), LOOK_MS), hurry);
  }
}

function belongs(entry: ProcessEntry, { leader, ownSession, known }: ProcessTree, table: Map<number, ProcessEntry>): boolean {
  if (ownSession && (entry.group === leader || entry.session === leader)) return true;
  for (let at: ProcessEntry | undefined = entry, steps = 0; at && steps < 1000; at = table.get(at.parent), steps++) {
    // The start as well: a process id is used again.
    if (known[at.pid] === at.startedTicks) return true;
  }
  return false;
}

function readTable(): Map<number, ProcessEntry> | undefined {
  const entries = entriesOf(listPids());
  return entries.length > 0 ? new Map(entries) : undefined;
}

function listPids(): number[] {
  try {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
  } catch {
    return []; // A container without /proc.
  }
}

function entriesOf(pids: readonly number[]): [number, ProcessEntry][] {
  return pids.flatMap((pid) => {
    const entry = readProcess(pid);
    return entry ? [[pid, entry]] : [];
  });
}

async function carries(pid: number, mark: string, clock: Clock): Promise<boolean> {
  const late = new AbortController();
  // Not readable: it is another user's, or has gone. Either way it can't be told to be ours.
  const environment = readFile(`/proc/${pid}/environ`, { encoding: 'latin1', signal: late.signal }).catch(() => '');
  const undo = clock.at(later(clock.now(), READ_MS), () => late.abort());
  const text = await Promise.race([
    environment,
    new Promise<string>((resolve) => late.signal.addEventListener('abort', () => resolve(''))),
  ]);
  undo();
  // In a variable of ours: a workflow hands the holder's name on to later steps in variables of its own, and those are none of the command.
  return text.split('\0').some((variable) => variable.startsWith('LEASE_LOCK_') && variable.includes(mark));
}

function send(target: number, signal: NodeJS.Signals): void {
  try {
    process.kill(target, signal);
  } catch (error) {
    // ESRCH: it has gone by itself. EPERM: some of the group run as another user; whoever could be signalled was.
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ESRCH' && code !== 'EPERM') throw error;
  }
}

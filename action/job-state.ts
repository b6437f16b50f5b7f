/**
 * The folder that the phases of a step and its keeper share: a status, a log for people, and marks that others leave. Nothing secret is ever in it. Other
 * steps of the job find it under RUNNER_TEMP, which ends with the job. All that it needs is allocated when it is made, and rewritten in place: a disk that
 * has filled up since neither ends a lock nor hides that it is held.
 */
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { type Clock, fromMachineTime, later, type MachineTime, systemClock, waitUntil } from '../src/clock.ts';
import type { LockName } from '../src/names.ts';
import { isAlive, type ProcessName, readProcess } from './process-name.ts';

export type Phase =
  | 'starting'
  | 'waiting'
  | 'held'
  /** Somebody has asked the holder to give the lock up; it is still held. */
  | 'stop-requested'
  /** The rest are final. */
  | 'lost'
  | 'busy'
  /** A policy says that it is not needed any more. */
  | 'skipped'
  | 'aborted'
  | 'refused'
  | 'unreachable'
  | 'released'
  /** Held, and not given back: it expires by itself. */
  | 'not-released';

/** Whether a step that wants these locks means any of the others. */
export const meansAnyOf = (wanted: readonly LockName[], { locks }: Status, namespace?: string): boolean =>
  wanted.some((one) => {
    const where = one.namespace ?? namespace;
    return locks.some((lock) => lock.name === one.name && (where === undefined || lock.namespace === where));
  });

export interface Status {
  phase: Phase;
  keeper: ProcessName;
  /** Their namespaces are known once the cluster is. */
  locks: readonly LockName[];
  holder: string;
  nonce: string;
  /** Why it has come to this phase, for people. */
  message?: string;
  /** When it did, by the wall clock, for people. */
  since: string;
  /** Somebody has replaced this job, and has to wait until it ends. */
  replaced?: string;
  acquiredAt?: string;
  /** It was held already, by the holder that several jobs agree on. */
  extended?: boolean;
  /** The same, as a sentence for people. */
  resumed?: string;
  heldMs?: number;
  /** No credentials, or bad ones: an empty secret looks like that. */
  noCredentials?: boolean;
  waitedMs: number;
  /** Those before us in the queue. */
  position: number;
  heldBy: string[];
  /** Of several locks one word for each, as they were acquired; transitions likewise. */
  token?: string;
  transitions?: string;
  /** From when on the lock counts as lost unless it has been renewed. */
  stopBy?: MachineTime;
}

/** `release`: the lock is not wanted any more. `taken`: the step knows that it is held, and has ended. */
export type Mark = (typeof MARKS)[number];
const MARKS = ['release', 'taken'] as const;
const [ABSENT, PRESENT] = ['-', 'x'];

/** Written in turn, so that one of them is whole at any time; of those that are, the newer counts. */
const SLOTS = ['status-0.json', 'status-1.json'] as const;
const SLOT_BYTES = 64 * 1024;

const PREFIX = 'k8s-lease-lock-';

export interface Session {
  readonly folder: string;
  readonly logFile: string;
  /** Undefined before the keeper's first word. */
  status(): Status | undefined;
  write(status: Status): void;
  leave(mark: Mark): void;
  has(mark: Mark): boolean;
  /** False once the folder has been taken away: the job that it belonged to is over. */
  exists(): boolean;
}

/** Makes the folder of a new one, readable by its user only. */
export function newSession(tempFolder: string, nonce: string): Session {
  const folder = join(tempFolder, PREFIX + nonce);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  for (const slot of SLOTS) writeFileSync(join(folder, slot), ' '.repeat(SLOT_BYTES));
  for (const mark of MARKS) writeFileSync(join(folder, mark), ABSENT);
  return sessionIn(folder);
}

/** All of a job's. */
export function sessionsIn(tempFolder: string): Session[] {
  const names = readdirSync(tempFolder).filter((name) => name.startsWith(PREFIX));
  return names.map((name) => sessionIn(join(tempFolder, name)));
}

export function sessionIn(folder: string): Session {
  const contentOf = (name: string): string => {
    try {
      return readFileSync(join(folder, name), 'utf8');
    } catch {
      return ''; // The folder has gone with the job's other temporary files.
    }
  };
  const newest = () => SLOTS.flatMap((slot) => readSlot(contentOf(slot))).sort((a, b) => b.count - a.count)[0];
  let written = 0;
  return {
    folder,
    logFile: join(folder, 'keeper.log'),
    status: () => newest()?.status,
    write(status) {
      written = (written || (newest()?.count ?? 0)) + 1;
      const text = Buffer.from(JSON.stringify({ count: written, status }));
      if (text.length > SLOT_BYTES) throw new Error(`the status has ${text.length} bytes`);
      overwrite(join(folder, SLOTS[written % 2] ?? ''), Buffer.concat([text, Buffer.alloc(SLOT_BYTES - text.length, ' ')]));
    },
    leave: (mark) => overwrite(join(folder, mark), Buffer.from(PRESENT ?? '')),
    has: (mark) => contentOf(mark) === PRESENT,
    exists: () => existsSync(folder),
  };
}

/** A file that is there, from its beginning. */
function overwrite(file: string, bytes: Buffer): void {
  const handle = openSync(file, 'r+');
  try {
    writeSync(handle, bytes, 0, bytes.length, 0);
  } finally {
    closeSync(handle);
  }
}

/** None where it is being written, or was never. */
function readSlot(text: string): { count: number; status: Status }[] {
  try {
    return [JSON.parse(text) as { count: number; status: Status }];
  } catch {
    return [];
  }
}

const FINAL: readonly Phase[] = ['lost', 'busy', 'skipped', 'aborted', 'refused', 'unreachable', 'released', 'not-released'];

export const isFinal = (status: Status): boolean => FINAL.includes(status.phase);

/** The last renewal is still good, by the clocks that all processes of this machine share. */
export function isCurrent({ stopBy }: Status): boolean {
  const clock = systemClock();
  return stopBy !== undefined && clock.now() < fromMachineTime(clock, stopBy);
}

/** What the keeper has logged. */
export function logOf({ logFile }: Session): string {
  try {
    return readFileSync(logFile, 'utf8');
  } catch {
    return ''; // The folder has gone with the job's other temporary files.
  }
}

/** How often the status is looked at. */
export const LOOK_MS = 50;

/** True once the keeper has ended. */
export async function untilEnded(session: Session, clock: Clock, ms: number): Promise<boolean> {
  const until = later(clock.now(), ms);
  for (;;) {
    const status = session.status();
    if (status && !isAlive(status.keeper)) return true;
    if (clock.now() >= until) return false;
    await waitUntil(clock, later(clock.now(), LOOK_MS));
  }
}

/** The name of the process that runs all steps of a job, in GitHub's runner. */
const RUNNER = 'Runner.Worker';

/** The runner among our ancestors, where /proc shows them: what lies between may end with the step. */
export function findRunner(): ProcessName | undefined {
  for (let pid = process.ppid, steps = 0; pid > 1 && steps < 100; steps++) {
    const entry = readProcess(pid);
    if (!entry || entry.name === RUNNER) return entry && { pid, startedTicks: entry.startedTicks };
    pid = entry.parent;
  }
  return undefined;
}

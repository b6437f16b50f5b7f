/** What the Action says of itself: outputs, one annotation for a failure, and a summary for the run's page. */
import { debug, error, info, notice, setOutput, summary, warning } from '@actions/core';
import { formatDuration } from '../src/durations.ts';
import { visible } from '../src/visible.ts';
import type { Status } from './job-state.ts';

/** The one annotation of a step that fails. */
export function fail(title: string, message: string): void {
  error(visible(message), { title: visible(title) });
  process.exitCode = 1;
}

/** Nobody reads a stack trace: what is most likely is that the disk is full, or a folder not writable. */
export function sayWhatFailed(error: Error & { code?: string; path?: string }): void {
  debug(error.stack ?? '');
  const where = error.path === undefined ? '' : ` (${error.path})`;
  const cause = CAUSES[error.code ?? ''];
  if (cause !== undefined) fail('k8s-lease-lock: not written', `${cause}${where}: the lock is not held, or given back`);
  else fail('k8s-lease-lock: failed', `${error.message}; this is a fault of the Action, please report it`);
}

const CAUSES: Record<string, string> = {
  ENOSPC: "the runner's disk is full",
  EDQUOT: "the quota of the runner's disk is used up",
  EROFS: "the runner's disk is read-only",
  EACCES: 'a folder of the runner may not be written',
  EPERM: 'a folder of the runner may not be written',
  ENOENT: 'a folder of the runner has gone',
  EIO: "the runner's disk has an error",
};

export const warn = (title: string, message: string): void => warning(visible(message), { title: visible(title) });
export const say = (message: string): void => info(visible(message));
export const note = (title: string, message: string): void => notice(visible(message), { title: visible(title) });

export type Outcome = Pick<Status, 'locks' | 'holder' | 'waitedMs' | 'position' | 'heldBy' | 'token' | 'transitions'>;

export function setOutputs(acquired: boolean, outcome: Outcome): void {
  const { locks, holder, token, transitions, waitedMs, position, heldBy } = outcome;
  const outputs = {
    acquired,
    lease: locks.map(({ name }) => name).join(' '),
    namespace: locks.map(({ namespace }) => namespace ?? '').join(' '),
    holder,
    token: token ?? '',
    transitions: transitions ?? '',
    'waited-seconds': Math.round(waitedMs / 1000),
    position,
    'held-by': heldBy.join('; '),
  };
  for (const [output, value] of Object.entries(outputs)) setOutput(output, value);
}

/** One row; never a reason to fail. */
export async function summarise(outcome: Outcome, heldMs: number | undefined, how: string): Promise<void> {
  const header = ['Lock', 'Result', 'Waited', 'Held', 'Holder before'].map((data) => ({ data, header: true }));
  const held = heldMs === undefined ? '' : formatDuration(heldMs);
  // The table of @actions/core is broken by an empty cell.
  const row = [
    outcome.locks.map(({ namespace, name }) => `${namespace}/${name}`).join(', '),
    how,
    formatDuration(outcome.waitedMs),
    held,
    outcome.heldBy.join('; '),
  ].map((cell) => cell || '–');
  try {
    await summary.addTable([header, row.map(escaped)]).write();
  } catch {
    // Not every runner has a page for it.
  }
}

/** Names and reasons of others become part of a page. */
const escaped = (text: string): string => visible(text).replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);

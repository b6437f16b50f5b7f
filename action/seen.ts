/** What has happened to the locks of a step that runs a command: for its outputs and its summary, once it is over. */
import { saveState } from '@actions/core';
import { summariseHolder } from '../src/lock/describe.ts';
import type { LockEvent, Participant } from '../src/lock/index.ts';
import { type Connected, lockOf } from './connect.ts';
import type { Outcome } from './report.ts';

/** What happened so far, for outputs and summary. */
export interface Seen {
  onEvent(event: LockEvent, of: Participant): void;
  outcome(): Outcome;
  acquired(): boolean;
  /** Why the lock was lost. */
  lost(): string | undefined;
  elapsedMs(): number;
}

export function watchOutcome({ participants, clock }: Connected & { kind: 'participants' }, holder: string): Seen {
  const locks = participants.map(lockOf);
  const startedAt = clock.now();
  const acquired = new Map<Participant, LockEvent & { type: 'acquired' }>();
  let outcome: Outcome = { locks, holder, waitedMs: 0, position: 0, heldBy: [] };
  let held = false;
  let lost: string | undefined;
  return {
    onEvent(event, of) {
      // What cleans up after this step has to know.
      if (event.type === 'renamed') saveState('holder', event.id);
      if (event.type === 'renamed') outcome = { ...outcome, holder: event.id };
      if (event.type === 'waiting') outcome = { ...outcome, position: event.position, heldBy: event.heldBy.map(summariseHolder) };
      if (event.type === 'lost') lost = event.reason;
      if (event.type === 'released') acquired.delete(of);
      if (event.type !== 'acquired') return;
      acquired.set(of, event);
      held ||= acquired.size === participants.length;
      if (!held) return;
      const words = (text: (one: LockEvent & { type: 'acquired' }) => string | number) =>
        [...acquired.values()].map(text).join(' ');
      const waitedMs = clock.now() - startedAt;
      outcome = {
        ...outcome,
        locks: [...acquired.keys()].map(lockOf),
        waitedMs,
        token: words((one) => one.token),
        transitions: words((one) => one.transitions),
        position: 0,
      };
    },
    outcome: () => outcome,
    acquired: () => held,
    lost: () => lost,
    elapsedMs: () => clock.now() - startedAt,
  };
}

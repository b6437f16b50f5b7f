/**
 * Removes one's entry from a lock, as holder or as waiter. It ends within two request timeouts, whatever the API server does, except that a holder whom
 * others outpace goes on for up to half of its lease. It never touches an entry of anybody else; if it fails, the entry expires by itself.
 */
import type { Answer } from '../api/answers.ts';
import { later, type Monotonic, waitUntil } from '../clock.ts';
import { parseLease } from '../protocol/document.ts';
import type { LockState } from '../protocol/lock-state.ts';
import { managerOf } from '../protocol/stamps.ts';
import { withoutMe } from '../protocol/writes.ts';
import { momentOf, type Participant, type Released } from './participant.ts';

/** Between two tries: an API server that refuses connections immediately must not be asked in a tight loop. */
const PAUSE_MS = 100;

/** A holder keeps everybody waiting: it tries so often without a pause, where others write as well. */
const EAGER_TRIES = 6;

/** What remains of a holder: until when the lock stays taken, and whether the work has succeeded. */
export interface Leaving {
  keepUntil?: Monotonic;
  succeeded?: boolean;
}

/** `known`: the Lease as last read, undefined if a write of mine is in doubt. */
export async function release(
  participant: Participant,
  known: LockState | undefined,
  { keepUntil, succeeded = false }: Leaving = {},
): Promise<Released> {
  const { client, clock, me, timings, random } = participant;
  const patientMs = 2 * timings.requestTimeoutMs;
  let until = later(clock.now(), patientMs);
  // Everybody would have to wait for all of the lease.
  const last = later(clock.now(), Math.max(patientMs, timings.durationMs / 2));
  const timeoutMs = () => Math.min(timings.requestTimeoutMs, Math.max(1, until - clock.now()));
  let state = known;
  // A write of mine without an answer may still land: then nothing of mine to be found means that it has.
  let wrote = false;
  let eager = EAGER_TRIES;
  for (;;) {
    let answer: Answer | undefined;
    if (!state) {
      answer = await client.read({ timeoutMs: timeoutMs() });
      if (answer.kind === 'absent') return { kind: wrote ? 'released' : 'gone' };
      if (answer.kind === 'lease') {
        const parsed = parseLease(answer.lease);
        if (parsed.kind === 'refused') return { kind: 'failed', message: parsed.message };
        state = parsed.state;
      }
    }
    if (state) {
      const without = withoutMe(state, me, momentOf(participant), {
        keepMs: keepUntil === undefined ? 0 : keepUntil - clock.now(),
        succeeded,
      });
      if (!without) return { kind: wrote ? 'released' : 'gone' };
      wrote = true;
      eager = without.asHolder ? eager - 1 : 0;
      answer = await client.write(without.lease, {
        manager: managerOf(without.asHolder ? 'holder' : 'waiter', me),
        timeoutMs: timeoutMs(),
      });
      if (answer.kind === 'lease') return { kind: 'released' };
      if (answer.kind === 'conflict' && without.asHolder) until = Math.min(last, later(clock.now(), patientMs)) as Monotonic;
      // A conflict: somebody wrote in between, or my own last renewal has landed only now. Read, and look for mine again.
      state = undefined;
    }
    if (answer?.kind === 'refused' || clock.now() >= until) return failed(answer);
    if (answer?.kind !== 'conflict') await waitUntil(clock, later(clock.now(), PAUSE_MS));
    else if (wrote && eager <= 0) await waitUntil(clock, later(clock.now(), random() * PAUSE_MS));
  }
}

function failed(answer: Answer | undefined): Released {
  const message = answer && 'message' in answer ? answer.message : 'others kept changing the Lease';
  return { kind: 'failed', message, ...(answer?.kind === 'refused' && { reason: answer.reason }) };
}

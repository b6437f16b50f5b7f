/**
 * The held lock, as whoever holds it has it: it says when it is lost and when somebody wants it, and is released once. renew.ts keeps it.
 */

import type { WatchEvent } from '../api/answers.ts';
import { later, type Monotonic } from '../clock.ts';
import { deadlinesOf } from '../protocol/deadlines.ts';
import type { Key, LockState } from '../protocol/lock-state.ts';
import { judgeHold } from '../protocol/rules.ts';
import type { Timings } from '../protocol/timings.ts';
import { watchClocks } from './clock-step.ts';
import type { Emit } from './events.ts';
import { arm, deadlinesFor, expireIfDue, type Hold } from './held.ts';
import type { HeldLock, Participant, Released, Work } from './participant.ts';
import { release } from './release.ts';
import { applyJudgement, confirmNow, keepRenewing, onWatchEvent, renewNow } from './renew.ts';

export interface Acquired {
  state: LockState;
  key: Key;
  /** Just before the send of the write that acquired, or of the request from which a grant counts. */
  sentAt: Monotonic;
  /** Of a grant. */
  grant?: Timings | undefined;
  /** What the watch of the waiter has shown since: the one of the holder may be slow to show it again. */
  news: readonly WatchEvent[];
}

/**
 * Where nobody waits. Many a command is over sooner: neither its start nor its release shall wait for a connection that nobody needs. Nothing is missed, since
 * a watch shows what has happened from its version on; longer, and whoever joins the queue meanwhile makes the release of a short hold collide.
 */
const WATCH_AFTER_MS = 20;

export function hold(participant: Participant, acquired: Acquired, emit: Emit): HeldLock {
  const { client, clock, me, timings } = participant;
  const { state } = acquired;
  const held = newHold(participant, acquired, emit);
  arm(held);
  const unwatch = client.watch(
    {
      onEvent: (event) => onWatchEvent(held, event),
      onTrouble: (trouble) => emit({ type: 'trouble', doing: 'watching', ...trouble }),
    },
    state.resourceVersion,
    state.waiters.length > 0 ? 0 : WATCH_AFTER_MS,
  );
  const unlook = watchClocks(clock, timings.renewEveryMs / 4, {
    onStep: () => renewNow(held),
    onDoubt: () => confirmNow(held),
  });
  const unjudge = takeNews(held, acquired);
  const end = () => {
    unjudge();
    held.ended.abort();
    // It waits by no AbortSignal.any of the two: on Node 22 each would remain with the one that lives long.
    held.requests.nudge();
    held.disarm();
    unwatch();
    unlook();
  };
  held.lost.signal.addEventListener('abort', end, { once: true });
  const acquiredAt = clock.now();
  void keepRenewing(held);
  return {
    holder: me.id,
    token: state.resourceVersion ?? '0',
    transitions: state.transitions,
    lost: held.lost.signal,
    isLost() {
      expireIfDue(held);
      return held.lost.signal.aborted;
    },
    stopRequested: held.stop.signal,
    deadlines: () => deadlinesFor(held),
    abandon: end,
    async release(work = 'ended') {
      end();
      return await leave(held, work, acquiredAt);
    },
  };
}

/** It may have been asked to stop before it knew that it has the lock. Not yet: whoever gets the lock has to be able to listen. */
function takeNews(held: Hold, { state, key, news }: Acquired): () => void {
  const { clock, me } = held.participant;
  const judged = judgeHold(state, me, key);
  if (news.length === 0 && !(judged.kind === 'mine' && judged.stop !== undefined)) return () => {};
  return clock.at(clock.now(), () => {
    for (const event of news) onWatchEvent(held, event);
    if (!held.ended.signal.aborted) applyJudgement(held, held.known.state.lease);
  });
}

async function leave({ participant, emit, known, lost, stop }: Hold, work: Work, acquiredAt: Monotonic): Promise<Released> {
  const { clock, me } = participant;
  // Whoever has asked it to stop wants the lock.
  const keeps = work !== 'not-begun' && !stop.signal.aborted;
  const keepUntil = later(acquiredAt, keeps ? (me.policies?.minHoldMs ?? 0) : 0);
  // After a loss nothing that I know of the Lease is certain: release reads it first.
  const certain = known.exists && !lost.signal.aborted;
  const heldMs = clock.now() - acquiredAt;
  const remains = { keepUntil, succeeded: work === 'succeeded' };
  const released = await release(participant, certain ? known.state : undefined, remains);
  if (released.kind === 'released') emit({ type: 'released', heldMs, keptMs: Math.max(0, keepUntil - acquiredAt - heldMs) });
  if (released.kind === 'failed') emit({ type: 'release-failed', message: released.message });
  return released;
}

function newHold(participant: Participant, { state, key, sentAt, grant }: Acquired, emit: Emit): Hold {
  const renewAt = grant ? participant.clock.now() : deadlinesOf(sentAt, participant.timings).renewAt;
  return {
    participant,
    emit,
    key,
    known: { state, exists: true, sentAt, grant },
    requests: { attempts: new Map(), renewAt, failures: 0, lastFailure: undefined, nudge: () => {}, nudged: false },
    lost: new AbortController(),
    stop: new AbortController(),
    ended: new AbortController(),
    disarm: () => {},
  };
}

/** What `acquire` gives: one lock that is held, or several together. */
import { type HeldLock, type OneHeld, type Participant, stopRequestOf, whenAny } from '../lock/index.ts';
import { verify } from '../lock/operate.ts';
import type { Held, HeldAll, ReleaseOptions } from './create-lock-types.ts';
import { failureOf, lostError, requestOf } from './translate.ts';
import type { ReleaseResult } from './types.ts';

export function heldOf(participant: Participant, lock: HeldLock): Held {
  const lost = new AbortController();
  const stop = new AbortController();
  const onLost = () => lost.abort(lostError(participant, lock.lost.reason));
  lock.lost.addEventListener('abort', onLost, { once: true });
  lock.stopRequested.addEventListener('abort', () => stop.abort(requestOf(stopRequestOf(lock))), { once: true });
  // It may have been asked to stop, or lost, in the moment in which it was acquired.
  if (lock.lost.aborted) onLost();
  if (lock.stopRequested.aborted) stop.abort(requestOf(stopRequestOf(lock)));
  let released: Promise<ReleaseResult> | undefined;
  const release = ({ succeeded = false }: ReleaseOptions = {}) => {
    released ??= lock.release(succeeded ? 'succeeded' : 'ended').finally(() => participant.client.close());
    return released;
  };
  return {
    signal: lost.signal,
    isHeld() {
      return released === undefined && !lock.isLost();
    },
    stopRequested: stop.signal,
    token: lock.token,
    transitions: lock.transitions,
    holder: lock.holder,
    async verify() {
      if (released !== undefined || lock.isLost()) return false;
      const { holder, token, transitions } = lock;
      const verified = await verify(participant, { holder, token, transitions });
      if (verified.kind === 'failed' || verified.kind === 'refused') throw failureOf(verified);
      return verified.kind === 'held' && !lock.isLost();
    },
    release,
    async [Symbol.asyncDispose]() {
      await release();
    },
  };
}

/** Lost, or asked for, as soon as any of them is. */
export function heldAllOf(locks: readonly OneHeld[]): HeldAll {
  const all = locks.map(({ participant, lock }) => ({ held: heldOf(participant, lock), me: participant.me }));
  const every = all.map(({ held }) => held);
  const release = async (options?: ReleaseOptions): Promise<ReleaseResult> => {
    const results = await Promise.all(every.toReversed().map((held) => held.release(options)));
    return results.find(({ kind }) => kind === 'failed') ?? results.find(({ kind }) => kind === 'gone') ?? { kind: 'released' };
  };
  return {
    signal: whenAny(every.map(({ signal }) => signal)).signal,
    isHeld: () => every.every((held) => held.isHeld()),
    stopRequested: whenAny(every.map(({ stopRequested }) => stopRequested)).signal,
    locks: all.map(({ held: { token, transitions, holder }, me: { namespace, name } }) => ({
      ...{ namespace, name, token, transitions, holder },
    })),
    verify: async () => (await Promise.all(every.map((held) => held.verify()))).every(Boolean),
    release,
    async [Symbol.asyncDispose]() {
      await release();
    },
  };
}

/** One try: it does not join the queue, and gets all the same what is long free, or held by the long dead. */
import { later } from '../clock.ts';
import type { Me } from '../protocol/me.ts';
import type { Decision } from '../protocol/rules.ts';
import type { View } from '../protocol/sightings.ts';
import { freeFor, mayBeDead, suspects } from '../protocol/turns.ts';
import type { Acquisition } from './participant.ts';
import { serverTime } from './server-clock.ts';
import { giveUp, takeStamp, type Wait, waitInQueue } from './wait.ts';

/**
 * One try does not join the queue, and must all the same get a lock that is long free, or whose holder is long dead. First the API server stamps a
 * write that it does not do; then, if whoever is in the way may be dead, it is watched for as long as that takes: until it is free, or shows itself.
 */
export async function tryOnce(wait: Wait, decision: Decision & { kind: 'wait' | 'enqueue' }): Promise<Acquisition | undefined> {
  const { participant, known } = wait;
  const { me, timings, clock } = participant;
  const busy = () => giveUp(wait, decision.heldBy, decision.position);
  const { view } = known;
  if (!view?.exists) return busy();
  if (!wait.tried) {
    takeStamp(wait, await serverTime(participant, view, wait.signal));
    wait.tried = { since: fingerprintOf(known.view ?? view, me) };
    return undefined;
  }
  if (!mayBeDead(view, me) || fingerprintOf(view, me) !== wait.tried.since) return busy();
  const until = 'until' in decision ? decision.until : freeFor(view, me, clock.steady(), known.ticket);
  wait.giveUpAt = later(clock.now(), until - clock.steady() + 2 * timings.requestTimeoutMs);
  await waitInQueue(wait, { ...decision, kind: 'wait', until }, view.state.lease);
  return undefined;
}

/** Changes whenever somebody who is in the way does anything. */
const fingerprintOf = (view: View, me: Me): string =>
  JSON.stringify([view.state.uid, view.state.transitions, suspects(view, me), view.state.waiters.map(({ key }) => key)]);

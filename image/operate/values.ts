/** A lock as a value for scripts: `-o json` and `-o yaml`. Fields are added, and never change their meaning. */
import type { HolderReport, WaiterReport } from '../../src/protocol/report.ts';
import { visible } from '../../src/visible.ts';
import { describeAbsent, type Lock } from './locks.ts';
import { describeClient, describeNext, stateOf } from './words.ts';

export function valueOfLock(lock: Lock): object {
  const { namespace, name } = lock;
  if (lock.kind === 'absent') return { namespace, name, exists: false, state: 'Absent', message: describeAbsent(lock) };
  if (lock.kind === 'unreadable') return { namespace, name, exists: true, state: 'Unknown', message: lock.message };
  const { report } = lock;
  const { state, holders, queue, stop } = report;
  return {
    namespace,
    name,
    exists: true,
    state: stateOf(report),
    ...(state.permits !== undefined && { permits: state.permits }),
    holders: holders.map(holderValue),
    queue: queue.map(waiterValue),
    ...(stop && { stop }),
    ...(report.unlocked && { unlocked: report.unlocked }),
    next: describeNext(report),
    transitions: state.transitions,
    resourceVersion: state.resourceVersion,
  };
}

/** One lock that was named is an object, as kubectl has it; everything else is a list. */
export function valuesOf(locks: readonly Lock[], single: boolean): object {
  const values = locks.map(valueOfLock);
  return (single && values[0]) || { items: values };
}

function holderValue(report: HolderReport): object {
  const { holder, life, heldMs, renewedAgoMs, renewedBy, expiresInMs, neverRenewed } = report;
  const { key, id, since, durationMs, about, weight } = holder;
  return defined({
    key,
    id: visible(id),
    state: life,
    client: report.client,
    clientDescription: describeClient(report),
    since: since ? visible(since) : undefined,
    heldSeconds: secondsOf(heldMs),
    leaseDurationSeconds: secondsOf(durationMs),
    weight,
    renewedSecondsAgo: secondsOf(renewedAgoMs),
    renewedByClockOf: renewedBy,
    neverRenewed: neverRenewed || undefined,
    expiresInSeconds: secondsOf(expiresInMs),
    ...about,
  });
}

function waiterValue({ waiter, place, waitingMs }: WaiterReport): object {
  const { key, id, since, priority, weight, about } = waiter;
  return defined({ place, key, id: visible(id), since, waitingSeconds: secondsOf(waitingMs), priority, weight, ...about });
}

const secondsOf = (ms: number | undefined): number | undefined => (ms === undefined ? undefined : Math.round(ms / 1000));

const defined = (fields: object): object => Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));

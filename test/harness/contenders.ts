/**
 * Named contenders for one lock on an API server in memory, all on one manual clock. What one of them is: contender.ts. A test may write to
 * the Lease as somebody else would.
 */
import { parseLease } from '../../src/protocol/document.ts';
import type { RawLease } from '../../src/protocol/lease.ts';
import type { LockState } from '../../src/protocol/lock-state.ts';
import { createLeaseStore, type LeaseStore, type Reply } from '../../src/server/store.ts';
import { type Contender, type ContenderOptions, NAME, NAMESPACE, newContender } from './contender.ts';
import { type ManualClock, manualClock, settle } from './manual-clock.ts';

export interface World {
  clock: ManualClock;
  store: LeaseStore;
  /** `alice GET`, `alice PUT`, in the order in which they were sent. */
  requests: string[];
  contender(name: string, options?: ContenderOptions): Contender;
  lease(): RawLease;
  state(): LockState;
  /** Writes as somebody else would, whatever is there. */
  overwrite(change: (lease: RawLease) => RawLease): void;
  /** The same, of the annotations alone. */
  annotate(change: (annotations: Record<string, string>) => Record<string, string>): void;
  remove(): void;
  /** Carries out the writes that were held back, oldest first, and returns the codes they got. */
  land(): number[];
}

export function world(): World {
  const clock = manualClock();
  const requests: string[] = [];
  const heldBack: (() => Reply)[] = [];
  let uids = 0;
  const store = createLeaseStore({ now: () => clock.wall(), uid: () => `uid-${++uids}` });
  const lease = () => {
    const { code, body } = store.get(NAMESPACE, NAME);
    if (code !== 200) throw new Error(`the Lease can't be read: ${code}`);
    return body as unknown as RawLease;
  };
  const overwrite: World['overwrite'] = (change) => {
    const { code } = store.put(NAMESPACE, NAME, change(lease()), { manager: 'somebody' });
    if (code !== 200) throw new Error(`the Lease can't be overwritten: ${code}`);
  };
  return {
    clock,
    store,
    requests,
    contender: (name, options) => newContender({ clock, store, requests, heldBack }, name, options),
    lease,
    state: () => stateOf(lease()),
    overwrite,
    annotate: (change) =>
      overwrite((found) => ({
        ...found,
        metadata: { ...found.metadata, annotations: change({ ...found.metadata.annotations }) },
      })),
    remove: () => store.delete(NAMESPACE, NAME),
    land: () => heldBack.splice(0).map((act) => act().code),
  };
}

export function stateOf(lease: RawLease): LockState {
  const parsed = parseLease(lease);
  if (parsed.kind === 'refused') throw new Error(parsed.message);
  return parsed.state;
}

/** True once the promise has settled, as far as it can without time passing. */
export async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const mark = () => {
    settled = true;
  };
  promise.then(mark, mark);
  await settle();
  return settled;
}

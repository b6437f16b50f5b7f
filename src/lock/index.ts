/**
 * One participant of one lock: `acquire` waits in the queue and returns a held lock, or why there is none; the held lock renews itself,
 * says when it is lost, and is released once. Promised: while `lost` has not aborted, nobody else who follows the protocol has it.
 * Not promised: that anything stops when it aborts; that is up to whoever holds the lock (src/guard).
 */
export { acquire } from './acquire.ts';
export type { Emit, LockEvent } from './events.ts';
export { endedOnceQueued, holdsAlready } from './extend.ts';
export { type Identity, newIdentity, podOf, sharedIdentity } from './identity.ts';
export { newParticipant } from './new-participant.ts';
export * from './participant.ts';
export { release } from './release.ts';
export { serverTime } from './server-clock.ts';
export {
  type AcquireAllRequest,
  type AcquisitionOfAll,
  acquireAll,
  type HeldLocks,
  namedTwice,
  type OneHeld,
  whenAny,
} from './several.ts';

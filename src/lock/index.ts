/**
 * One participant of one lock: `acquire` waits in the queue and returns a held lock, or why there is none; the held lock renews itself,
 * says when it is lost, and is released once. Promised: while `lost` has not aborted, nobody else who follows the protocol has it.
 * Not promised: that anything stops when it aborts; that is the part of whoever holds the lock (src/guard).
 */
export { acquire } from './acquire.ts';
export * from './participant.ts';

/** The one error that the library throws. Its code is for programs, its message says to people what is wrong and what to do about it. */
import { visible } from '../visible.ts';
import type { LockHolder } from './types.ts';

/**
 * What went wrong.
 *
 * - `configuration`: an option is wrong, no cluster is found, or no request can be made to it: a certificate, a host name,
 *   a credential plugin. Nothing was asked of the API server.
 * - `refused`: the API server said no (see `status`), or this Lease can't be a lock. Trying again changes nothing.
 * - `unreachable`: no answer from the API server for too long. Trying again may help.
 * - `busy`: somebody else has the lock (see `heldBy`), and the time for waiting is over.
 * - `aborted`: waiting was ended by the signal that was given; its reason is the `cause`.
 * - `stopped`: somebody has asked this participant to leave the queue.
 * - `skipped`: the lock is not needed any more: a newer participant of the group has come (`supersede`).
 * - `lost`: the lock was held, and is not any more. Another may run now: stop the work.
 *
 * @public
 */
export type LockErrorCode = 'configuration' | 'refused' | 'unreachable' | 'busy' | 'aborted' | 'stopped' | 'skipped' | 'lost';

/** More about an error, for programs. @public */
export interface LockErrorDetails {
  /** What led to it. */
  cause?: unknown;
  /** The status that the API server answered with, where it was the API server that refused. */
  status?: number | undefined;
  /** Who has the lock, where it is busy. Empty if it is just passing on to somebody who waited for longer. */
  heldBy?: readonly LockHolder[];
}

/** Everything that `createLock` and `K8SLock` throw, and the reason of their signals. @public */
export class LockError extends Error {
  /** Always `LockError`. */
  override readonly name = 'LockError';
  /** What went wrong, for programs. */
  readonly code: LockErrorCode;
  /** The status that the API server answered with, where it was the API server that refused. */
  readonly status: number | undefined;
  /** Who has the lock, where it is busy. Else empty. */
  readonly heldBy: readonly LockHolder[];

  /** Made by the library. */
  constructor(code: LockErrorCode, message: string, { cause, status, heldBy = [] }: LockErrorDetails = {}) {
    super(visible(message), cause === undefined ? undefined : { cause });
    this.code = code;
    this.status = status;
    this.heldBy = heldBy;
  }
}

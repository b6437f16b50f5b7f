/**
 * Read, create, replace and watch one Lease. What an answer means for the lock is decided elsewhere: here every answer, and every lack of
 * one, becomes a tagged value with a plain sentence. A write without a clear answer is `failed`, and may have been done all the same.
 */
import type { RawLease } from './state.ts';

export type Answer =
  | { kind: 'lease'; lease: RawLease; serverMs: number | undefined }
  /** No such Lease (its namespace may not exist either: the API doesn't say on a read). */
  | { kind: 'absent' }
  /** 409, or 422 for a create that found one: somebody was faster. */
  | { kind: 'conflict' }
  /** The API understood and said no: trying again changes nothing. */
  | { kind: 'refused'; status: number; message: string }
  /** No answer, or none that says anything. `applied: 'no'` only where the API server surely did not act. */
  | { kind: 'failed'; message: string; retryAfterMs?: number; applied: 'no' | 'unknown' };

/** `lease` undefined: the Lease was deleted. */
export type WatchEvent = { lease: RawLease | undefined };

export interface WriteOptions {
  /** Holders and waiters write as two managers, so that managedFields tells when a *holder* last wrote. */
  as: 'holder' | 'waiter';
  timeoutMs: number;
  signal?: AbortSignal | undefined;
}

export interface LeaseClient {
  /** For messages: the API server as the user gave it. */
  readonly server: string;
  read(options: { timeoutMs: number; signal?: AbortSignal | undefined }): Promise<Answer>;
  /** A PUT of the whole object: creates where it carries no uid, else replaces just that version. */
  write(lease: RawLease, options: WriteOptions): Promise<Answer>;
  /** Hints of changes until undone; it reconnects by itself. An event may be late, doubled or missing. */
  watch(onEvent: (event: WatchEvent) => void): () => void;
  close(): void;
}

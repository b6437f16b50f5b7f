/**
 * What happened in a run, in true time, as values. Whoever checks a run, or tells its story, knows it from these alone; a run against a real
 * API server can be written down in the same words.
 */
import type { RawLease } from '../../src/protocol/lease.ts';
import type { Policies } from '../../src/protocol/me.ts';
import type { Timings } from '../../src/protocol/timings.ts';

export interface Author {
  /** For people. */
  name: string;
  kind: 'ours' | 'elector' | 'legacy' | 'admin';
  id: string;
  /** Names one run of one participant: "me" is this id and this nonce. */
  nonce: string;
  durationMs: number;
  /** Of one of ours: what its lease leaves time for. */
  times?: Timings;
  priority?: number;
  labels?: Record<string, string> | undefined;
  policies?: Policies | undefined;
  /** Which of several locks it is about. */
  lock?: string;
}

export type Occurrence =
  /** A write came true; `before`, `after` undefined: no Lease. */
  | {
      type: 'commit';
      author: Author;
      before: RawLease | undefined;
      after: RawLease | undefined;
      sent?: Sent;
      deed?: Deed;
      /** Whom it hands the lock to, where nothing else tells who waits. */
      to?: Author;
    }
  /** An author has been shown the Lease by an answer or a watch. */
  | { type: 'shown'; author: Author; lease: RawLease | undefined; byAnswer: boolean }
  | { type: 'queued'; author: Author; patient: boolean; oneTry?: boolean; timeoutMs?: number | undefined }
  /** A request leaves. */
  | { type: 'asked'; author: Author }
  /** It wants the lock no longer, or has it. */
  | { type: 'unqueued'; author: Author; outcome: string; patient?: boolean }
  /** The protected interval: from just before the first process starts until the last one is reaped. */
  | { type: 'started'; author: Author; token: string }
  | { type: 'ended'; author: Author; clock: number; how: string }
  /** `calmForMs`: how long the network had been good for this author by then. */
  | { type: 'lost'; author: Author; reason: string; calmForMs?: number }
  /** It ends its work because somebody wants it to. */
  | { type: 'stopping'; author: Author; kind: string }
  /** Its work has, and it will say so in the Lease. */
  | { type: 'succeeded'; author: Author }
  /** Something keeps this author from being punctual: until now, or (`lasting`) until the same source says otherwise. */
  | {
      type: 'troubled';
      author: Author;
      source: 'request' | 'watch' | 'process' | 'clock';
      by: string;
      lasting?: boolean;
      comeBack?: true;
    }
  /** What it says of itself. */
  | { type: 'said'; author: Author; what: 'released' | 'left-queue' | 'could-not-leave' }
  | { type: 'told'; author: Author; text: string };

/** When a write was sent: by its author's clock, and in true time. */
export interface Sent {
  local: number;
  time: number;
}

/** What an administrator does to a Lease, as far as promises depend on it. */
export type Deed = 'delete' | 'unlock' | 'clear' | 'restore' | 'other';

export type Listener = (at: number, occurrence: Occurrence) => void;

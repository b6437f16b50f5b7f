/**
 * Watches one Lease until undone, reconnecting by itself from where it was. What it delivers are hints. A connection that says nothing for
 * longer than a bookmark takes is cut, since it may be half open; where something may have been missed, that is a hint, too.
 */
import { backoffMs } from '../backoff.ts';
import { type Clock, later, untilAborted, waitUntil } from '../clock.ts';
import type { RawLease } from '../protocol/lease.ts';
import type { Answer, WatchEvent } from './answers.ts';
import type { Connection, Reply } from './http.ts';

/** API servers send a bookmark about once a minute, so that silence for longer means that nothing comes through. */
const SILENCE_MS = 90_000;
/** How long one watch lasts before the API server closes it; it spreads reconnections over time. */
const LASTS_SECONDS = 300;
const ANSWER_MS = 10_000;
const RETRY_MS = 500;
const RETRY_LIMIT_MS = 30_000;
/** A Lease is at most 1.5 MB: a longer line is something else. */
const LINE_LIMIT = 8 * 1024 * 1024;

export interface WatchListener {
  onEvent(event: WatchEvent): void;
  /** There is no watch just now, with the reason as a sentence: nothing is wrong with the lock then, only slower. */
  onTrouble(trouble: { message: string; retryInMs: number }): void;
}

export interface WatchOptions {
  connection: Connection;
  /** Of the watch request, with its query. */
  path: string;
  clock: Clock;
  random(): number;
  /** What an answer other than 200 means. */
  describe(reply: Reply): Answer;
  listener: WatchListener;
  /** The version after which events are wanted; undefined: whatever is there, first. */
  since: string | undefined;
  /** Until the first connection. */
  afterMs: number;
}

export function watchLease(options: WatchOptions): () => void {
  const undone = new AbortController();
  void keepWatching(options, undone.signal);
  return () => undone.abort();
}

async function keepWatching(options: WatchOptions, undone: AbortSignal): Promise<void> {
  const { clock, random, describe, listener, afterMs } = options;
  let { since } = options;
  let failures = 0;
  if (afterMs > 0) await waitUntil(clock, later(clock.now(), afterMs), undone);
  while (!undone.aborted) {
    const end = await watchOnce({ ...options, since }, undone);
    if (undone.aborted) return;
    const answer = end.reply.kind === 'reply' && end.reply.status === 200 ? undefined : describe(end.reply);
    failures = answer ? failures + 1 : 0;
    if (end.broken || answer) {
      // The version may be too old, or of a future that a restored backup has undone. Starting anew tells nothing of a Lease that is gone.
      if (since !== undefined) listener.onEvent({ lease: undefined });
      since = undefined;
    } else {
      since = end.since;
    }
    const asked = answer?.kind === 'failed' ? (answer.retryAfterMs ?? 0) : 0;
    const retryInMs = Math.max(asked, backoffMs(failures, { firstMs: RETRY_MS, limitMs: RETRY_LIMIT_MS }, random));
    if (answer && 'message' in answer) listener.onTrouble({ message: answer.message, retryInMs });
    await waitUntil(clock, later(clock.now(), retryInMs), undone);
  }
}

interface WatchEnd {
  reply: Reply;
  /** It said something that can't be gone on from. */
  broken: boolean;
  /** The newest version that was heard of. */
  since: string | undefined;
}

/** One connection, from its request to its end. */
async function watchOnce(
  { connection, path, clock, random, listener, since }: WatchOptions,
  undone: AbortSignal,
): Promise<WatchEnd> {
  const cut = new AbortController();
  const signal = AbortSignal.any([undone, cut.signal]);
  let disarm = () => {};
  const end = { broken: false, since };
  const breakOff = () => {
    end.broken = true;
    cut.abort();
  };
  const heard = () => {
    disarm();
    disarm = clock.at(later(clock.now(), SILENCE_MS), breakOff);
  };
  const lines = splitLines((line) => {
    if (signal.aborted) return;
    const said = readLine(line);
    if (said === 'broken') return breakOff();
    end.since = said.version ?? end.since;
    if (said.event) listener.onEvent(said.event);
  });
  let closed = () => {};
  const close = new Promise<void>((resolve) => {
    closed = resolve;
  });
  heard();
  const stream = {
    onData(text: string) {
      heard();
      if (!lines(text)) breakOff();
    },
    onEnd: closed,
  };
  const query = `timeoutSeconds=${Math.round(LASTS_SECONDS * (1 + random()))}${since === undefined ? '' : `&resourceVersion=${since}`}`;
  try {
    const reply = await connection.stream({ method: 'GET', path: `${path}&${query}`, timeoutMs: ANSWER_MS, signal }, stream);
    if (reply.kind === 'reply' && reply.status === 200) await Promise.race([close, untilAborted(signal)]);
    return { reply, ...end };
  } finally {
    disarm();
    connection.close();
  }
}

/** Calls `onLine` for each whole line, however the text was cut; false once a line is longer than any Lease. */
export function splitLines(onLine: (line: string) => void): (text: string) => boolean {
  let rest = '';
  return (text) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (line !== '') onLine(line);
    return rest.length <= LINE_LIMIT;
  };
}

interface Said {
  event?: WatchEvent;
  version?: string | undefined;
}

/** `broken`: an error of the API server (410 and the like) or no JSON. A bookmark is a version without an event. */
export function readLine(line: string): Said | 'broken' {
  try {
    const { type, object } = JSON.parse(line) as { type?: string; object?: RawLease };
    if (typeof object?.metadata !== 'object' || object.metadata === null) return 'broken';
    const version = object.metadata.resourceVersion;
    if (type === 'ADDED' || type === 'MODIFIED') return { event: { lease: object }, version };
    if (type === 'DELETED') return { event: { lease: undefined }, version };
    return type === 'BOOKMARK' ? { version } : 'broken';
  } catch {
    return 'broken';
  }
}

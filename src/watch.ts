/**
 * Watches one Lease until undone, reconnecting by itself. What it delivers are hints: every connection begins with the present state, and
 * one that says nothing for longer than a bookmark takes is cut, since it may be half open.
 */
import { type Clock, later, waitUntil } from './clock.ts';
import type { Connection, Reply } from './http.ts';
import type { Answer, WatchEvent } from './lease-client.ts';
import type { RawLease } from './state.ts';

/** API servers send a bookmark about once a minute, so that silence for longer means that nothing comes through. */
const SILENCE_MS = 90_000;
/** How long one watch lasts before the API server closes it; it spreads reconnections over time. */
const LASTS_SECONDS = 300;
const ANSWER_MS = 10_000;
const RETRY_MS = 500;
const RETRY_LIMIT_MS = 30_000;
/** A Lease is at most 1.5 MB: a line longer than this is none. */
const LINE_LIMIT = 8 * 1024 * 1024;

export interface WatchOptions {
  connection: Connection;
  /** Of the watch request, with its query. */
  path: string;
  clock: Clock;
  random(): number;
  /** What an answer other than 200 means. */
  describe(reply: Reply): Answer;
  onEvent(event: WatchEvent): void;
  onWatchTrouble(message: string): void;
}

export function watchLease(options: WatchOptions): () => void {
  const undone = new AbortController();
  void keepWatching(options, undone.signal);
  return () => undone.abort();
}

async function keepWatching(options: WatchOptions, undone: AbortSignal): Promise<void> {
  const { clock, random, describe, onWatchTrouble } = options;
  let failures = 0;
  while (!undone.aborted) {
    const reply = await watchOnce(options, undone);
    if (undone.aborted) return;
    const answer = reply.kind === 'reply' && reply.status === 200 ? undefined : describe(reply);
    failures = answer ? failures + 1 : 0;
    if (answer && 'message' in answer) onWatchTrouble(answer.message);
    const asked = answer?.kind === 'failed' ? (answer.retryAfterMs ?? 0) : 0;
    const backoff = Math.min(RETRY_LIMIT_MS, RETRY_MS * 2 ** Math.min(failures, 10)) * (0.5 + random() / 2);
    await waitUntil(clock, later(clock.now(), Math.max(asked, backoff)), undone);
  }
}

/** One connection, from its request to its end. */
async function watchOnce({ connection, path, clock, random, onEvent }: WatchOptions, undone: AbortSignal): Promise<Reply> {
  const cut = new AbortController();
  const signal = AbortSignal.any([undone, cut.signal]);
  let disarm = () => {};
  const heard = () => {
    disarm();
    disarm = clock.at(later(clock.now(), SILENCE_MS), () => cut.abort());
  };
  const lines = splitLines((line) => {
    const event = readEvent(line);
    if (event === 'broken') cut.abort();
    else if (event && !signal.aborted) onEvent(event);
  });
  const seconds = Math.round(LASTS_SECONDS * (1 + random()));
  let ended = () => {};
  const end = new Promise<void>((resolve) => {
    ended = resolve;
  });
  heard();
  const listener = {
    onData(text: string) {
      heard();
      if (!lines(text)) cut.abort();
    },
    onEnd: ended,
  };
  try {
    const reply = await connection.stream(
      { method: 'GET', path: `${path}&timeoutSeconds=${seconds}`, timeoutMs: ANSWER_MS, signal },
      listener,
    );
    if (reply.kind === 'reply' && reply.status === 200) await Promise.race([end, aborted(signal)]);
    return reply;
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

/** `broken`: an error of the API server (410 and the like) or no JSON: only a new watch helps. Undefined: nothing to tell, as a bookmark. */
export function readEvent(line: string): WatchEvent | 'broken' | undefined {
  try {
    const { type, object } = JSON.parse(line) as { type?: string; object?: RawLease };
    if (type === 'ADDED' || type === 'MODIFIED') return typeof object?.metadata === 'object' ? { lease: object } : 'broken';
    if (type === 'DELETED') return { lease: undefined };
    return type === 'BOOKMARK' ? undefined : 'broken';
  } catch {
    return 'broken';
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

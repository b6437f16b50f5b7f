/**
 * One watch over HTTP: a line of JSON for each event, until the client goes, the time it asked for is over, or it falls too far
 * behind. Every event is handed to the connection before the write that caused it is answered. A version that is no longer
 * remembered is answered with one ERROR event, 410 Expired.
 */
import type { ServerResponse } from 'node:http';
import type { Matches, WatchEvent } from './history.ts';
import { badRequest, type Cause, invalidOptions, type Status, serverError } from './status.ts';
import type { LeaseStore } from './store.ts';

export interface WatchRequest {
  matches: Matches;
  since?: bigint;
  timeoutMs: number;
  bookmarks: boolean;
}

/** The real server ends a watch after 30 to 60 minutes if the client names no time. */
const DEFAULT_TIMEOUT_S = 1800;
const BOOKMARK_EVERY_MS = 60_000;
/** Unread bytes after which a client has to start over. More costs memory, less cuts off who is merely slow. */
const BACKLOG_LIMIT = 16 << 20;

export function watchRequest(query: URLSearchParams, matches: Matches): WatchRequest | Status {
  const version = query.get('resourceVersion') ?? '';
  if (!/^\d*$/.test(version)) {
    const text = JSON.stringify(version);
    return serverError(`resourceVersion: Invalid value: ${text}: strconv.ParseUint: parsing ${text}: invalid syntax`);
  }
  if (query.get('sendInitialEvents') === 'true' && query.get('resourceVersionMatch') !== 'NotOlderThan')
    return initialEventsNeedMatch();
  const seconds = query.get('timeoutSeconds') || '0';
  if (!/^[+-]?\d+$/.test(seconds)) return badRequest(`strconv.ParseInt: parsing ${JSON.stringify(seconds)}: invalid syntax`);
  return {
    matches,
    // 0 and nothing mean the same here: the current state first.
    ...(/[1-9]/.test(version) && { since: BigInt(version) }),
    timeoutMs: (Number(seconds) > 0 ? Number(seconds) : DEFAULT_TIMEOUT_S) * 1000,
    bookmarks: query.get('allowWatchBookmarks') === 'true' || query.get('allowWatchBookmarks') === '1',
  };
}

/** `render` turns the object of an event into what the client wants to see. */
export function serveWatch(
  store: LeaseStore,
  response: ServerResponse,
  watch: WatchRequest,
  render: (event: WatchEvent) => object,
): void {
  response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-cache, private' });
  // A watch on something that does not exist yet has no event to send, and its client waits for this answer.
  response.flushHeaders();
  const send = (type: string, object: object) => {
    if (response.writableLength > BACKLOG_LIMIT) response.destroy();
    else response.write(`${JSON.stringify({ type, object })}\n`);
  };
  const subscription = store.subscribe(watch, (event) => send(event.type, render(event)));
  if ('kind' in subscription) {
    send('ERROR', subscription);
    response.end();
    return;
  }
  if (watch.bookmarks && watch.since === undefined) send('BOOKMARK', bookmark(store, { 'k8s.io/initial-events-end': 'true' }));
  const bookmarks = watch.bookmarks ? setInterval(() => send('BOOKMARK', bookmark(store)), BOOKMARK_EVERY_MS) : undefined;
  const timeout = setTimeout(() => response.end(), watch.timeoutMs);
  response.on('close', () => {
    subscription.undo();
    clearInterval(bookmarks);
    clearTimeout(timeout);
  });
}

function bookmark(store: LeaseStore, annotations?: Record<string, string>): object {
  const metadata = { resourceVersion: store.resourceVersion(), ...(annotations && { annotations }) };
  return { kind: 'Lease', apiVersion: 'coordination.k8s.io/v1', metadata, spec: {} };
}

function initialEventsNeedMatch(): Status {
  const message = 'Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan';
  const cause: Cause = { reason: 'FieldValueForbidden', message, field: 'resourceVersionMatch' };
  return invalidOptions('ListOptions', [cause]);
}

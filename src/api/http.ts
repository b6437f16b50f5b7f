/**
 * One kept-alive connection to one API server. It knows requests, deadlines and credentials, and nothing of Leases: it returns what came
 * back, or why nothing did. Nothing is retried here, except once after a 401, with credentials made anew. After a 401, a 5xx or a failure the next
 * request uses a new connection: the old one may lead to a server that is being removed, and answers nothing else any more.
 */
import * as http from 'node:http';
import * as https from 'node:https';
import { type Clock, later } from '../clock.ts';
import { formatDuration } from '../durations.ts';
import type { Cluster, Credentials, TlsOptions } from './cluster.ts';
import { whyBroken } from './failures.ts';
import { type Route, routeTo } from './route.ts';

export type Reply =
  | { kind: 'reply'; status: number; headers: http.IncomingHttpHeaders; body: string }
  /** `sent`: whether the API server may have seen the request. `unusable`: it can't work, however often it is tried. */
  | { kind: 'broken'; message: string; sent: boolean; unusable?: true };

export interface Request {
  method: 'GET' | 'PUT' | 'POST';
  path: string;
  body?: string | undefined;
  /** Of the body; JSON where it is not said. */
  contentType?: string | undefined;
  /** From when there are credentials, which have deadlines of their own. */
  timeoutMs: number;
  signal?: AbortSignal | undefined;
}

export interface Connection {
  send(request: Request): Promise<Reply>;
  /** Resolves with the answer's head; its body goes to `onData` until `onEnd`, which is called once. The deadline is that of the head. */
  stream(request: Request, listener: StreamListener): Promise<Reply>;
  /** Ends all that is under way. Whoever sends again, as to release a lock that was abandoned, gets a new connection. */
  close(): void;
}

export interface StreamListener {
  onData(text: string): void;
  onEnd(): void;
}

/** Somebody may have to log in first, in a browser. Sources of credentials that need nobody have shorter limits of their own. */
const CREDENTIALS_MS = 600_000;
/** A Lease is at most 1.5 MB in etcd; whatever is longer is no answer of an API server. */
const BODY_LIMIT = 8 * 1024 * 1024;

export function connect(cluster: Pick<Cluster, 'server' | 'credentials'>, clock: Clock, userAgent: string): Connection {
  const { server } = cluster;
  let closed = new AbortController();
  let last: Credentials | undefined;
  let route: Route | undefined;

  const routeFor = (credentials: Credentials): Route => {
    // A rotated certificate or CA means a new connection, nothing else does.
    if (route && last && last.proxy === credentials.proxy && sameTls(last.tls, credentials.tls)) return route;
    route?.close();
    route = routeTo(server, credentials.tls, credentials.proxy);
    return route;
  };

  const attempt = async (request: Request, refused: Credentials | undefined, listener?: StreamListener): Promise<Reply> => {
    const { signal, abort, unlink } = abortedWith([closed.signal, request.signal]);
    const limit = (ms: number, problem: string) =>
      clock.at(later(clock.now(), ms), () => abort(new Error(`${problem} within ${formatDuration(ms)}`)));
    let undo = limit(CREDENTIALS_MS, 'no credentials');
    try {
      const credentials = await unlessAborted(cluster.credentials({ refused, clock, signal }), signal);
      undo();
      undo = limit(request.timeoutMs, 'no answer');
      const { options, secure } = routeFor(credentials);
      last = credentials;
      const headers = { ...bytesOf(credentials.headers), accept: 'application/json', 'user-agent': userAgent };
      return await exchange({ ...request, signal, server, to: options(request.path), secure, headers }, listener);
    } catch (error) {
      return { kind: 'broken', sent: false, ...whyBroken(error, server) };
    } finally {
      undo();
      unlink();
    }
  };

  const twice = async (request: Request, listener?: StreamListener): Promise<Reply> => {
    const reply = await attempt(request, undefined, listener);
    return reply.kind === 'reply' && reply.status === 401 ? await attempt(request, last, listener) : reply;
  };

  return {
    send: (request) => twice(request),
    stream: twice,
    close() {
      route?.close();
      closed.abort(new Error('the connection was closed'));
      closed = new AbortController();
    },
  };
}

/** Aborts with the first of these, until unlinked: by AbortSignal.any each request would remain with a signal that lives as long as a hold, on Node 22. */
function abortedWith(signals: readonly (AbortSignal | undefined)[]) {
  const over = new AbortController();
  const undos = signals.map((signal) => {
    const onAbort = () => over.abort(signal?.reason);
    if (signal?.aborted) onAbort();
    signal?.addEventListener('abort', onAbort, { once: true });
    return () => signal?.removeEventListener('abort', onAbort);
  });
  const unlink = () => {
    for (const undo of undos) undo();
  };
  return { signal: over.signal, abort: (reason: Error) => over.abort(reason), unlink };
}

function sameTls(one: TlsOptions, other: TlsOptions): boolean {
  const fields = ['ca', 'cert', 'key', 'servername', 'rejectUnauthorized'] as const;
  return fields.every((field) => one[field] === other[field]);
}

/** Node writes headers as latin1, the API server reads them as UTF-8. */
function bytesOf(headers: Credentials['headers']): Credentials['headers'] {
  const bytes = (value: string) => Buffer.from(value).toString('latin1');
  const entries = Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.map(bytes) : bytes(value)]);
  return Object.fromEntries(entries);
}

interface Exchange extends Request {
  server: string;
  to: http.RequestOptions;
  secure: boolean;
  headers: http.OutgoingHttpHeaders;
  signal: AbortSignal;
}

function exchange(asked: Exchange, listener: StreamListener | undefined): Promise<Reply> {
  const { method, to, secure, headers, body, contentType = 'application/json', signal, server } = asked;
  return new Promise((resolve) => {
    let sent = false;
    const broken = (error: unknown) => {
      signal.removeEventListener('abort', onAbort);
      resolve({ kind: 'broken', sent, ...whyBroken(error, server) });
    };
    const length = body === undefined ? {} : { 'content-type': contentType, 'content-length': Buffer.byteLength(body) };
    const options = { ...to, method, headers: { ...to.headers, ...headers, ...length } };
    const request = (secure ? https : http).request(options);
    // Destroying is what frees the connection: the next request must not wait behind one that is never answered.
    const onAbort = () => {
      request.destroy();
      broken(signal.reason);
    };
    // First of all: a request that is destroyed says so, and nobody listening would be an uncaught exception.
    request.on('error', broken);
    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    request.on('socket', (socket) => {
      // Connected already: used before, or by a proxy. Then the request is on its way from now on.
      if (!socket.connecting) sent = true;
      else socket.once(secure ? 'secureConnect' : 'connect', () => (sent = true));
    });
    request.on('response', (response) => {
      sent = true;
      const { statusCode: status = 0, headers } = response;
      const head = { kind: 'reply' as const, status, headers };
      // The next request makes a new connection.
      if (status === 401 || status >= 500) request.shouldKeepAlive = false;
      if (listener && status === 200) {
        signal.removeEventListener('abort', onAbort);
        follow(response, request, listener);
        return resolve({ ...head, body: '' });
      }
      collect(response, (text, complete) => {
        signal.removeEventListener('abort', onAbort);
        if (complete) resolve({ ...head, body: text });
        else broken(new Error(`the answer (${status}) broke off after ${text.length} characters`));
      });
    });
    // As bytes: Node sends the headers along with a text, and then as UTF-8.
    request.end(body === undefined ? undefined : Buffer.from(body));
  });
}

function collect(response: http.IncomingMessage, done: (text: string, complete: boolean) => void): void {
  let text = '';
  response.setEncoding('utf8');
  response.on('data', (chunk: string) => {
    text += chunk;
    if (text.length > BODY_LIMIT) response.destroy();
  });
  response.on('error', () => {}); // 'close' follows, and `complete` is false.
  response.on('close', () => done(text, response.complete));
}

function follow(response: http.IncomingMessage, request: http.ClientRequest, { onData, onEnd }: StreamListener): void {
  response.setEncoding('utf8');
  response.on('data', onData);
  response.on('error', () => {}); // 'close' follows.
  response.on('close', () => {
    request.destroy();
    onEnd();
  });
}

function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

/**
 * One kept-alive connection to one API server. It knows requests, deadlines and credentials, and nothing of Leases: it returns what came
 * back, or why nothing did. Nothing is retried here, except once after a 401, with credentials read anew.
 */
import * as http from 'node:http';
import * as https from 'node:https';
import { type Clock, later } from '../clock.ts';
import { formatDuration } from '../durations.ts';
import type { Cluster, Credentials } from './cluster.ts';

export type Reply =
  | { kind: 'reply'; status: number; headers: http.IncomingHttpHeaders; body: string }
  /** `sent`: whether the API server may have seen the request. */
  | { kind: 'broken'; message: string; sent: boolean };

export interface Request {
  method: 'GET' | 'PUT' | 'POST';
  path: string;
  body?: string | undefined;
  timeoutMs: number;
  signal?: AbortSignal | undefined;
}

export interface Connection {
  send(request: Request): Promise<Reply>;
  /** Resolves with the answer's head; its body goes to `onData` until `onEnd`, which is called once. The deadline is that of the head. */
  stream(request: Request, listener: StreamListener): Promise<Reply>;
  close(): void;
}

export interface StreamListener {
  onData(text: string): void;
  onEnd(): void;
}

/** A Lease is at most 1.5 MB in etcd; whatever is longer is no answer of an API server. */
const BODY_LIMIT = 8 * 1024 * 1024;
/** First probe of an idle connection: a half-open one is found before the next renewal needs it. */
const KEEP_ALIVE_MS = 10_000;

export function connect(cluster: Cluster, clock: Clock, userAgent: string): Connection {
  let agent: http.Agent | undefined;
  let agentFor = '';

  const agentOf = async ({ tls, proxy }: Credentials): Promise<http.Agent> => {
    // A rotated certificate or CA means a new connection, nothing else does.
    const wanted = JSON.stringify([tls, proxy]);
    if (agent && agentFor === wanted) return agent;
    agent?.destroy();
    agent = await newAgent(cluster.server, tls, proxy);
    agentFor = wanted;
    return agent;
  };

  const attempt = async (request: Request, renew: boolean, listener?: StreamListener): Promise<Reply> => {
    const aborted = new AbortController();
    const undo = clock.at(later(clock.now(), request.timeoutMs), () =>
      aborted.abort(new Error(`no answer within ${formatDuration(request.timeoutMs)}`)),
    );
    const signal = request.signal ? AbortSignal.any([request.signal, aborted.signal]) : aborted.signal;
    try {
      const credentials = await unlessAborted(cluster.credentials(renew), signal);
      const agent = await unlessAborted(agentOf(credentials), signal);
      const headers = { ...credentials.headers, accept: 'application/json', 'user-agent': userAgent };
      return await exchange({ ...request, signal, url: cluster.server + request.path, headers, agent }, listener);
    } catch (error) {
      return { kind: 'broken', message: sentence(error), sent: false };
    } finally {
      undo();
    }
  };

  const twice = async (request: Request, listener?: StreamListener): Promise<Reply> => {
    const reply = await attempt(request, false, listener);
    return reply.kind === 'reply' && reply.status === 401 ? await attempt(request, true, listener) : reply;
  };

  return { send: (request) => twice(request), stream: twice, close: () => agent?.destroy() };
}

interface Exchange extends Request {
  url: string;
  headers: http.OutgoingHttpHeaders;
  agent: http.Agent;
  signal: AbortSignal;
}

function exchange({ url, method, headers, agent, body, signal }: Exchange, listener: StreamListener | undefined): Promise<Reply> {
  return new Promise((resolve) => {
    let sent = false;
    const broken = (error: unknown) => {
      signal.removeEventListener('abort', onAbort);
      resolve({ kind: 'broken', message: sentence(error), sent });
    };
    const length = body === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    const secure = url.startsWith('https:');
    const request = (secure ? https : http).request(url, { method, agent, headers: { ...headers, ...length } });
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
      // Connected already: used before, or by a proxy's agent. Then the request is on its way from now on.
      if (!socket.connecting) sent = true;
      else socket.once(secure ? 'secureConnect' : 'connect', () => (sent = true));
    });
    request.on('response', (response) => {
      sent = true;
      const head = { kind: 'reply' as const, status: response.statusCode ?? 0, headers: response.headers };
      if (listener && response.statusCode === 200) {
        signal.removeEventListener('abort', onAbort);
        follow(response, request, listener);
        return resolve({ ...head, body: '' });
      }
      collect(response, (text, complete) => {
        signal.removeEventListener('abort', onAbort);
        if (complete) resolve({ ...head, body: text });
        else broken(new Error(`the answer (${head.status}) broke off after ${text.length} characters`));
      });
    });
    request.end(body);
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

async function newAgent(server: string, tls: Credentials['tls'], proxy: string | undefined): Promise<http.Agent> {
  const options = { keepAlive: true, keepAliveMsecs: KEEP_ALIVE_MS, maxSockets: 1, ...tls };
  const secure = server.startsWith('https:');
  if (proxy?.startsWith('socks')) {
    const { SocksProxyAgent } = await import('socks-proxy-agent');
    return new SocksProxyAgent(proxy, options) as unknown as http.Agent;
  }
  if (proxy) {
    const { HttpProxyAgent, HttpsProxyAgent } = await import('hpagent');
    return secure ? new HttpsProxyAgent({ ...options, proxy }) : new HttpProxyAgent({ ...options, proxy });
  }
  return secure ? new https.Agent(options) : new http.Agent(options);
}

function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

const SENTENCES: Record<string, string> = {
  ECONNREFUSED: 'the connection was refused: nothing listens there',
  ECONNRESET: 'the connection was reset',
  EPIPE: 'the connection was closed',
  ENOTFOUND: 'host name not found (DNS)',
  EAI_AGAIN: 'the host name could not be looked up (DNS)',
  ETIMEDOUT: 'the connection timed out',
  EHOSTUNREACH: 'the host cannot be reached',
  ENETUNREACH: 'the network cannot be reached',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is self-signed and not trusted: name its certificate authority',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate is not trusted: name its certificate authority',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate is not trusted: name its certificate authority',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its certificate is not trusted: name its certificate authority',
  CERT_HAS_EXPIRED: 'its certificate has expired',
};

function sentence(error: unknown): string {
  const { code = '', message = String(error) } = error as NodeJS.ErrnoException;
  return SENTENCES[code] ?? message;
}

/**
 * A reverse proxy between one guard and a real API server that gives wrong answers on purpose: HTTP on loopback in front, the real TLS
 * behind. A rule says for each request what becomes of it; without one all pass. It writes down which writes came by, when, and what
 * the API server made of them, so that a test knows what the guard may not know.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import * as https from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { ApiObject } from './api.ts';

export interface Asked {
  verb: 'read' | 'write' | 'watch';
  method: string;
  path: string;
  /** Counts the requests of this verb since the rule was set, from 1. */
  nth: number;
  token: string;
  lease: ApiObject | undefined;
}

export interface Exchange {
  asked: Asked;
  request: IncomingMessage;
  response: ServerResponse;
  /** Hands the request to the API server, once; it is carried out even if the guard has hung up by then. */
  forward(): Promise<Forwarded>;
  /** For a watch: lets its lines through, each changed. */
  stream(change?: (lease: ApiObject) => void): void;
}

export interface Forwarded {
  status: number;
  headers: IncomingMessage['headers'];
  text: string;
}

export type Behaviour = (exchange: Exchange) => void | Promise<void>;
export type Rule = (asked: Asked) => Behaviour;

export interface ProxiedWrite {
  /** When it came by, on the machine's monotonic clock, in milliseconds. */
  at: number;
  /** Undefined until the API server has answered. */
  status: number | undefined;
  holder: string;
  renewTime: string;
}

export interface FaultProxy {
  url: string;
  writes: readonly ProxiedWrite[];
  /** `verb status` of each answer that the proxy gave or passed on; `-` where there was none. */
  readonly answers: readonly string[];
  /** What becomes of requests from now on; undefined: all pass. Those under way keep what they were given. */
  set(rule: Rule | undefined): void;
  /** Nothing more is said on the watches that are open now, and they stay open. */
  muteWatches(): void;
  /** Says one line on each open watch, then ends it. */
  endWatches(line: object): void;
  openWatches(): number;
  close(): Promise<void>;
}

/** Milliseconds on CLOCK_MONOTONIC, which all processes of a machine share. */
export const machineMs = (): number => Number(process.hrtime.bigint()) / 1e6;

export interface Upstream {
  url: string;
  ca?: string;
}

interface OpenWatch {
  response: ServerResponse;
  muted: boolean;
}

export async function faultProxy(upstream: Upstream): Promise<FaultProxy> {
  const agent = new https.Agent({ keepAlive: true, ca: upstream.ca });
  const writes: ProxiedWrite[] = [];
  const answers: string[] = [];
  const watches = new Set<OpenWatch>();
  let rule: Rule | undefined;
  let counts = { read: 0, write: 0, watch: 0 };

  const server = createServer(async (request, response) => {
    // The guard hangs up when its patience ends: that is what many of these tests want to see.
    request.on('error', () => {});
    response.on('error', () => {});
    const asked = await askedOf(request, counts);
    const now = rule;
    const exchange = exchangeOf({ asked, request, response, agent, upstream, watches, writes });
    response.on('close', () => answers.push(`${asked.verb} ${response.headersSent ? response.statusCode : '-'}`));
    try {
      await (now ? now(asked) : pass)(exchange);
    } catch {
      request.socket.destroy(); // The API server is away: so is the proxy.
    }
  });
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await listen(server);
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    writes,
    answers,
    set(next) {
      rule = next;
      counts = { read: 0, write: 0, watch: 0 };
    },
    muteWatches() {
      for (const watch of watches) watch.muted = true;
    },
    endWatches(line) {
      for (const { response } of watches) response.end(`${JSON.stringify(line)}\n`);
    },
    openWatches: () => watches.size,
    async close() {
      for (const socket of sockets) socket.destroy();
      agent.destroy();
      await new Promise((closed) => server.close(closed));
    },
  };
}

export const pass: Behaviour = async (exchange) => {
  if (exchange.asked.verb === 'watch') return exchange.stream();
  relay(exchange.response, await exchange.forward());
};

/** The proxy answers by itself, and the API server never learns of the request. */
export const respond =
  (status: number, body: string | object, headers: Record<string, string> = {}): Behaviour =>
  ({ response }) => {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    response.writeHead(status, { 'content-type': typeof body === 'string' ? 'text/html' : 'application/json', ...headers });
    response.end(text);
  };

export const failure = (code: number, reason: string, message: string): object => ({
  kind: 'Status',
  apiVersion: 'v1',
  status: 'Failure',
  code,
  reason,
  message,
});

/** Takes the request, and says nothing ever; what follows on the connection goes the same way. */
export const silence: Behaviour = () => {};

export const reset: Behaviour = ({ request }) => {
  request.socket.resetAndDestroy();
};

/** The API server does it, and the connection breaks before its answer is through. */
export const lostAnswer: Behaviour = async (exchange) => {
  await exchange.forward();
  exchange.request.socket.resetAndDestroy();
};

/** Only answers that say "done" are lost. */
export const lostSuccess: Behaviour = async (exchange) => {
  const answer = await exchange.forward();
  if (answer.status < 300) exchange.request.socket.resetAndDestroy();
  else relay(exchange.response, answer);
};

export const truncated: Behaviour = async ({ forward, response, request }) => {
  const { status, text } = await forward();
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
  response.write(text.slice(0, text.length / 2), () => request.socket.destroy());
};

/** The API server does it at once; its answer arrives so much later. */
export const late =
  (ms: number): Behaviour =>
  async ({ forward, response }) => {
    const answer = await forward();
    setTimeout(() => relay(response, answer), ms).unref();
  };

/** Every Lease that passes towards the guard is changed, those of a watch, too. */
export const altered =
  (change: (lease: ApiObject) => void): Behaviour =>
  async (exchange) => {
    if (exchange.asked.verb === 'watch') return exchange.stream(change);
    const answer = await exchange.forward();
    relay(exchange.response, { ...answer, text: alter(answer.text, change) });
  };

function alter(text: string, change: (lease: ApiObject) => void): string {
  const body = JSON.parse(text) as ApiObject & { object?: ApiObject };
  const lease = body.object ?? body;
  if (lease.kind === 'Lease') change(lease);
  return JSON.stringify(body);
}

function relay(response: ServerResponse, { status, headers, text }: Forwarded): void {
  if (response.destroyed) return;
  const { 'content-type': type = 'text/plain', date } = headers;
  const after = headers['retry-after'];
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(text),
    ...(date && { date }),
    ...(after && { 'retry-after': after }),
  });
  response.end(text);
}

async function askedOf(request: IncomingMessage, counts: Record<Asked['verb'], number>): Promise<Asked> {
  const body = await textOf(request).catch(() => '');
  const path = request.url ?? '/';
  const verb = request.method === 'PUT' ? 'write' : /[?&]watch=1(&|$)/.test(path) ? 'watch' : 'read';
  counts[verb] += 1;
  return {
    verb,
    method: request.method ?? 'GET',
    path,
    nth: counts[verb],
    token: (request.headers.authorization ?? '').replace(/^Bearer /, ''),
    lease: body === '' ? undefined : (JSON.parse(body) as ApiObject),
  };
}

interface Parts {
  asked: Asked;
  request: IncomingMessage;
  response: ServerResponse;
  agent: https.Agent;
  upstream: Upstream;
  watches: Set<OpenWatch>;
  writes: ProxiedWrite[];
}

function exchangeOf({ asked, request, response, agent, upstream, watches, writes }: Parts): Exchange {
  const open = () =>
    new Promise<IncomingMessage>((resolve, reject) => {
      const { host: _, connection: __, ...headers } = request.headers;
      const outgoing = https.request(new URL(asked.path, upstream.url), {
        method: asked.method,
        agent: asked.verb === 'watch' ? new https.Agent({ ca: upstream.ca }) : agent,
        headers,
      });
      outgoing.on('response', resolve).on('error', reject);
      if (asked.verb === 'watch') response.on('close', () => outgoing.destroy());
      outgoing.end(asked.lease && JSON.stringify(asked.lease));
    });
  return {
    asked,
    request,
    response,
    async forward() {
      const { holderIdentity: holder = '', renewTime = '' } = asked.lease?.spec ?? {};
      const write: ProxiedWrite = { at: machineMs(), status: undefined, holder, renewTime };
      if (asked.verb === 'write') writes.push(write);
      const answer = await open();
      const forwarded = { status: answer.statusCode ?? 0, headers: answer.headers, text: await textOf(answer) };
      write.status = forwarded.status;
      return forwarded;
    },
    stream(change) {
      void open().then(
        (answer) => follow(answer, response, watches, change),
        () => request.socket.destroy(),
      );
    },
  };
}

function follow(
  answer: IncomingMessage,
  response: ServerResponse,
  watches: Set<OpenWatch>,
  change: ((lease: ApiObject) => void) | undefined,
): void {
  const watch: OpenWatch = { response, muted: false };
  watches.add(watch);
  response.on('close', () => watches.delete(watch));
  response.writeHead(answer.statusCode ?? 0, { 'content-type': 'application/json' });
  response.flushHeaders();
  let rest = '';
  answer.setEncoding('utf8');
  answer.on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    if (!watch.muted) for (const line of lines) response.write(`${change ? alter(line, change) : line}\n`);
  });
  answer.on('error', () => {}); // 'close' follows.
  answer.on('close', () => {
    if (!watch.muted) response.end();
  });
}

async function textOf(stream: IncomingMessage): Promise<string> {
  stream.setEncoding('utf8');
  let text = '';
  for await (const chunk of stream) text += chunk;
  return text;
}

function listen(server: Server): Promise<void> {
  return new Promise((listening) => server.listen(0, '127.0.0.1', listening));
}

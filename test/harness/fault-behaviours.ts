/** What a fault proxy can make of a request: let it pass, answer by itself, lose the answer, be late, or say nothing. */
import type { IncomingMessage, ServerResponse } from 'node:http';
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
  /** For a watch: lets its lines through, each changed, and so much later. */
  stream(change?: (lease: ApiObject) => void, lateMs?: number): void;
}

export interface Forwarded {
  status: number;
  headers: IncomingMessage['headers'];
  text: string;
}

export type Behaviour = (exchange: Exchange) => void | Promise<void>;
export type Rule = (asked: Asked) => Behaviour;

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

/** The API server does it immediately; its answer arrives so much later. */
export const late =
  (ms: number): Behaviour =>
  async ({ forward, response }) => {
    const answer = await forward();
    setTimeout(() => relay(response, answer), ms).unref();
  };

/** What a watch says arrives so much later, as from an API server whose cache is behind. */
export const lagging =
  (ms: number): Behaviour =>
  (exchange) =>
    exchange.asked.verb === 'watch' ? exchange.stream(undefined, ms) : pass(exchange);

/** Whatever stands between has a clock of its own. */
export const dated =
  (date: string): Behaviour =>
  async (exchange) => {
    if (exchange.asked.verb === 'watch') return exchange.stream();
    const answer = await exchange.forward();
    relay(exchange.response, { ...answer, headers: { ...answer.headers, date } });
  };

/** Every Lease that passes towards the guard is changed, those of a watch, too. */
export const altered =
  (change: (lease: ApiObject) => void): Behaviour =>
  async (exchange) => {
    if (exchange.asked.verb === 'watch') return exchange.stream(change);
    const answer = await exchange.forward();
    relay(exchange.response, { ...answer, text: alter(answer.text, change) });
  };

export function alter(text: string, change: (lease: ApiObject) => void): string {
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

/** One request on its way through a fault proxy: what it asks for, and how it is handed to the API server behind, over TLS. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import * as https from 'node:https';
import type { ApiObject } from './api.ts';
import { type Asked, alter, type Exchange } from './fault-behaviours.ts';

export interface ProxiedWrite {
  /** When it came by, on the machine's monotonic clock, in milliseconds. */
  at: number;
  /** Undefined until the API server has answered. */
  status: number | undefined;
  holder: string;
  renewTime: string;
}

/** Milliseconds on CLOCK_MONOTONIC, which all processes of a machine share. */
export const machineMs = (): number => Number(process.hrtime.bigint()) / 1e6;

export interface Upstream {
  url: string;
  ca?: string;
}

export interface OpenWatch {
  response: ServerResponse;
  muted: boolean;
}

export async function askedOf(request: IncomingMessage, counts: Record<Asked['verb'], number>): Promise<Asked> {
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

export interface Parts {
  asked: Asked;
  request: IncomingMessage;
  response: ServerResponse;
  agent: https.Agent;
  upstream: Upstream;
  watches: Set<OpenWatch>;
  writes: ProxiedWrite[];
}

export function exchangeOf({ asked, request, response, agent, upstream, watches, writes }: Parts): Exchange {
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
    stream(change, lateMs = 0) {
      void open().then(
        (answer) => follow(answer, { response, watches, change, lateMs }),
        () => request.socket.destroy(),
      );
    },
  };
}

interface Following {
  response: ServerResponse;
  watches: Set<OpenWatch>;
  change: ((lease: ApiObject) => void) | undefined;
  lateMs: number;
}

function follow(answer: IncomingMessage, { response, watches, change, lateMs }: Following): void {
  const watch: OpenWatch = { response, muted: false };
  watches.add(watch);
  response.on('close', () => watches.delete(watch));
  response.writeHead(answer.statusCode ?? 0, { 'content-type': 'application/json' });
  response.flushHeaders();
  const then = (act: () => void) => (lateMs > 0 ? void setTimeout(act, lateMs).unref() : act());
  let rest = '';
  answer.setEncoding('utf8');
  answer.on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    if (!watch.muted) for (const line of lines) then(() => response.write(`${change ? alter(line, change) : line}\n`));
  });
  answer.on('error', () => {}); // 'close' follows.
  answer.on('close', () => {
    if (!watch.muted) then(() => response.end());
  });
}

async function textOf(stream: IncomingMessage): Promise<string> {
  stream.setEncoding('utf8');
  let text = '';
  for await (const chunk of stream) text += chunk;
  return text;
}

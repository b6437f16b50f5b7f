/**
 * The server of the page, on 127.0.0.1. Every web page that its user looks at could send requests to it: so it answers under its own names alone (a name of
 * others may lead to this machine), says nothing to other origins, and changes something only for who has the token that the terminal shows.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Outcome } from './acts.ts';
import type { Feed } from './feed.ts';
import { page } from './page.ts';
import { SCRIPT } from './script.ts';
import { stream } from './stream.ts';
import { STYLE } from './style.ts';

/** Pages of one person. */
const PAGES_MOST = 20;
const BODY_MOST = 4096;

export interface PageOptions {
  port: number;
  /** What the page shows above the locks. */
  where: string;
  /** They are of several namespaces. */
  namespaces: boolean;
  feed: Feed;
  /** Undefined: read-only. */
  act: ((asked: unknown) => Promise<Outcome>) | undefined;
}

export interface PageServer {
  /** With the token in its fragment, which no browser sends anywhere. */
  url: string;
  close(): Promise<void>;
}

export async function servePage({ port, where, namespaces, feed, act }: PageOptions): Promise<PageServer> {
  const token = act && randomBytes(24).toString('base64url');
  const files: Record<string, [string, string]> = {
    '/': ['text/html; charset=utf-8', page({ where, namespaces, writes: act !== undefined })],
    '/style.css': ['text/css; charset=utf-8', STYLE],
    '/script.js': ['text/javascript; charset=utf-8', SCRIPT],
  };
  let pages = 0;

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
    const problem = unwelcome(request, addressesOf(server));
    if (problem) return say(response, ...problem);
    const path = request.url ?? '';
    if (request.method === 'POST' && path === '/act' && act && token) return await write(request, response, { act, token });
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return say(response, 405, act ? 'method not allowed' : 'this page is read-only: start it with --write');
    const [type, text] = files[path] ?? [];
    if (type && text) {
      response.writeHead(200, { 'content-type': type });
      return void response.end(request.method === 'HEAD' ? '' : text);
    }
    if (path !== '/events') return say(response, 404, 'not found');
    if (pages >= PAGES_MOST) return say(response, 503, `${PAGES_MOST} pages are open already: close one`);
    pages += 1;
    response.on('close', () => {
      pages -= 1;
    });
    stream(response, feed);
  }

  const server = createServer((request, response) => {
    answer(request, response).catch((error: Error) => {
      if (response.headersSent) response.destroy();
      else say(response, 500, error.message);
    });
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  return {
    url: token === undefined ? url : `${url}#token=${token}`,
    async close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

const HEADERS = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-store',
};

function addressesOf(server: Server): string[] {
  const { port } = server.address() as AddressInfo;
  return [`127.0.0.1:${port}`, `localhost:${port}`];
}

/** Status and sentence, if this is no request of the page itself, or of somebody who has typed its address. */
function unwelcome({ headers, method }: IncomingMessage, own: readonly string[]): [number, string] | undefined {
  const { host = '', origin } = headers;
  if (!own.includes(host)) return [421, `the Host header "${host}" is not an address of this server: use http://${own[0]}/`];
  if (origin !== undefined ? origin !== `http://${host}` : method === 'POST')
    return [403, `the request is of another web page (Origin "${origin ?? ''}")`];
  const site = headers['sec-fetch-site'];
  // A link that is followed shows the page, and no more.
  const opened = headers['sec-fetch-mode'] === 'navigate';
  if (site !== undefined && site !== 'same-origin' && site !== 'none' && !opened)
    return [403, 'the request is of another web page'];
  return undefined;
}

async function write(
  request: IncomingMessage,
  response: ServerResponse,
  { act, token }: { act: (asked: unknown) => Promise<Outcome>; token: string },
): Promise<void> {
  if (!isToken(request.headers.authorization, token))
    return say(response, 401, 'the token is missing or wrong: open the address that the terminal shows');
  if (request.headers['content-type'] !== 'application/json') return say(response, 415, 'the request is not application/json');
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) {
    text += chunk;
    if (text.length > BODY_MOST) return say(response, 413, 'the request is too large');
  }
  const outcome = await act(parsed(text));
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(JSON.stringify(outcome));
}

/** In the same time, wherever they differ. */
function isToken(header: string | undefined, token: string): boolean {
  const [given, wanted] = [Buffer.from(header ?? ''), Buffer.from(`Bearer ${token}`)];
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // It is refused as every other that says nothing.
  }
}

function say(response: ServerResponse, status: number, sentence: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', connection: 'close' });
  response.end(`${sentence}\n`);
}

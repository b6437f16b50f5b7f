/**
 * An HTTP server that misbehaves on purpose: each request is answered by the next of the behaviours given, the last one over and over.
 * It listens on a free loopback port and ends with the test.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { TestContext } from 'node:test';

export type Behaviour = (request: IncomingMessage, response: ServerResponse) => void;

export interface BadServer {
  url: string;
  /** `METHOD path` of each request, in order. */
  requests: string[];
  headers: IncomingMessage['headers'][];
  /** How many connections were made. */
  connections(): number;
}

export async function badServer(t: TestContext, ...behaviours: Behaviour[]): Promise<BadServer> {
  const requests: string[] = [];
  const headers: IncomingMessage['headers'][] = [];
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createServer((request, response) => {
    const behave = behaviours[Math.min(requests.length, behaviours.length - 1)];
    requests.push(`${request.method} ${request.url}`);
    headers.push(request.headers);
    request.resume();
    request.on('end', () => behave?.(request, response));
  });
  server.on('connection', (socket) => {
    connections += 1;
    sockets.add(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests, headers, connections: () => connections };
}

export const respond =
  (status: number, body: string | object, headers: Record<string, string> = {}): Behaviour =>
  (_, response) => {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    response.writeHead(status, { 'content-type': typeof body === 'string' ? 'text/html' : 'application/json', ...headers });
    response.end(text);
  };

export const status = (code: number, reason: string, more: object = {}) => ({
  kind: 'Status',
  apiVersion: 'v1',
  status: 'Failure',
  reason,
  code,
  message: `${reason}, said the server`,
  ...more,
});

/** Takes the request and never answers. */
export const silence: Behaviour = () => {};

export const reset: Behaviour = (request) => {
  request.socket.resetAndDestroy();
};

/** The head promises more than comes. */
export const truncate =
  (body: object): Behaviour =>
  (_, response) => {
    const text = JSON.stringify(body);
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
    response.write(text.slice(0, text.length / 2), () => response.destroy());
  };

/**
 * What stands before the API server of a managed cluster, on loopback: an endpoint with TLS of its own that may have a path before that of the API server, go by
 * the name that TLS asks for, check credentials by itself, have a clock of its own, and cut connections that are idle. Behind it is the real API server.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import * as https from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { TestContext } from 'node:test';
import type { TLSSocket } from 'node:tls';
import type { Certificates } from '../harness/certificates.ts';
import type { Cluster } from '../harness/cluster.ts';
import { failure } from '../harness/fault-behaviours.ts';

export interface Caller {
  token: string;
  /** Of the client's certificate. */
  subject: string;
}

export interface StandInOptions {
  /** Before the path of the API server; all else is not found. */
  prefix?: string;
  /** The only name by which it is reached. */
  servername?: string;
  /** Whether it takes these credentials; to the API server it shows its own. */
  admits?: (caller: Caller) => boolean;
  /** How far its clock is ahead. */
  aheadMs?: number;
  /** After so long without a byte, a connection is cut on both sides. */
  idleMs?: number;
}

export interface StandIn {
  port: number;
  callers: readonly Caller[];
  /** How many connections were cut. */
  cut(): number;
}

export async function standIn(
  t: TestContext,
  cluster: Cluster,
  certificates: Certificates,
  options: StandInOptions,
): Promise<StandIn> {
  const { certificate: cert, key } = certificates.server;
  const callers: Caller[] = [];
  const sockets = new Set<Socket>();
  let cut = 0;
  const agent = new https.Agent({ keepAlive: true, ca: cluster.ca });
  const server = https.createServer({ cert, key, requestCert: true, rejectUnauthorized: false }, (request, response) => {
    const caller = callerOf(request);
    callers.push(caller);
    void answer(cluster, agent, { request, response, caller, options });
  });
  server
    .on('tlsClientError', () => {})
    .on('connection', (socket: Socket) => {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket)).on('error', () => {});
      if (options.idleMs !== undefined)
        socket.setTimeout(options.idleMs, () => {
          cut += 1;
          socket.resetAndDestroy();
        });
    });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    agent.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, callers, cut: () => cut };
}

function callerOf({ headers, socket }: IncomingMessage): Caller {
  const subject = (socket as TLSSocket).getPeerCertificate().subject?.CN ?? '';
  return { token: (headers.authorization ?? '').replace(/^Bearer /, ''), subject: String(subject) };
}

interface Exchange {
  request: IncomingMessage;
  response: ServerResponse;
  caller: Caller;
  options: StandInOptions;
}

async function answer(cluster: Cluster, agent: https.Agent, { request, response, caller, options }: Exchange): Promise<void> {
  const { prefix = '', servername, admits = () => true, aheadMs = 0 } = options;
  const { url = '', method = 'GET', socket } = request;
  const named = (socket as TLSSocket).servername;
  if (servername !== undefined && named !== servername) return void socket.destroy();
  const date = { date: new Date(Date.now() + aheadMs).toUTCString() };
  const say = (status: number, body: string | object) => {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    response.writeHead(status, { ...date, 'content-type': typeof body === 'string' ? 'text/html' : 'application/json' });
    response.end(text);
  };
  if (!url.startsWith(`${prefix}/api`)) return say(404, '<h1>no such cluster</h1>');
  if (!admits(caller)) return say(401, failure(401, 'Unauthorized', 'Unauthorized'));
  const { host: _, connection: __, authorization: ___, ...headers } = request.headers;
  const onward = https.request(new URL(url.slice(prefix.length), cluster.url), {
    method,
    agent,
    headers: { ...headers, authorization: `Bearer ${cluster.adminToken}` },
  });
  onward.on('error', () => response.destroy());
  onward.on('response', (from) => {
    response.writeHead(from.statusCode ?? 502, { ...from.headers, ...date });
    response.flushHeaders();
    from.on('error', () => response.destroy()).pipe(response);
  });
  response.on('close', () => onward.destroy());
  request.pipe(onward);
}

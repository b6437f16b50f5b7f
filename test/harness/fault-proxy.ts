/**
 * A reverse proxy between one guard and a real API server that gives wrong answers on purpose: HTTP on loopback in front, the real TLS
 * behind. A rule says for each request what becomes of it; without one all pass. It writes down which writes came by, when, and what
 * the API server made of them, so that a test knows what the guard may not know.
 */
import { createServer, type Server } from 'node:http';
import * as https from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { pass, type Rule } from './fault-behaviours.ts';
import { askedOf, exchangeOf, type OpenWatch, type ProxiedWrite, type Upstream } from './fault-exchange.ts';

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

function listen(server: Server): Promise<void> {
  return new Promise((listening) => server.listen(0, '127.0.0.1', listening));
}

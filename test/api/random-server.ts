/** An API server for one Lease that answers as a seed says: bytes cut anywhere, late, twice, never; connections that end between two requests. */
import http from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RawLease } from '../../src/protocol/lease.ts';
import type { Random } from '../simulation/random.ts';

export interface RandomServer {
  url: string;
  /** The writes that it has carried out. */
  applied: RawLease[];
  requests: number;
  /** The newest version that a watch was told of. */
  version: number;
  close(): void;
}

/** What becomes of one request: whether it is carried out, and how its answer goes. */
export interface Turn {
  applies: boolean;
  /** 0: the answer that is right; else that status instead. */
  status: number;
  /** After how many bytes of the answer it goes wrong; infinite: it does not. */
  cutAfter: number;
  how: 'end' | 'reset' | 'stall' | 'garbage';
  delayMs: number;
  /** Writes of so many bytes. */
  pieces: number;
}

const NEVER = Number.POSITIVE_INFINITY;
const STATUSES = [400, 401, 403, 404, 409, 410, 422, 429, 500, 502, 503, 504];

export function turnOf(random: Random): Turn {
  const fine = random.chance(0.3);
  return {
    applies: fine || random.chance(0.5),
    status: fine || random.chance(0.6) ? 0 : random.pick(STATUSES as [number, ...number[]]),
    cutAfter: fine || random.chance(0.4) ? NEVER : Math.floor(random.between(0, 600)),
    how: random.pick(['end', 'reset', 'stall', 'garbage']),
    delayMs: random.chance(0.2) ? random.between(0, 300) : 0,
    pieces: random.pick([1, 7, 100, 100_000]),
  };
}

export async function randomServer(random: Random, turn: () => Turn): Promise<RandomServer> {
  const sockets = new Set<Socket>();
  const server = http.createServer(async (request, response) => {
    self.requests++;
    const { socket } = response;
    let body = '';
    for await (const piece of request) body += piece;
    const is = turn();
    if (request.url?.includes('watch=1')) return void (await watched(socket, is));
    if (is.applies && request.method === 'PUT') self.applied.push(JSON.parse(body) as RawLease);
    await sleep(is.delayMs);
    if (socket) await speak(socket, answerTo(request.method ?? '', body, is), is);
    // A server may close what it has said that it keeps open.
    if (random.chance(0.2)) socket?.end();
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
  });
  server.on('clientError', (_error, socket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  /** A stream of versions of the Lease, each one newer, as pieces of any size; it ends as the turn says. */
  async function watched(socket: Socket | null, is: Turn): Promise<void> {
    if (!socket) return;
    if (is.status) return await speak(socket, answerTo('GET', '', is), is);
    const lines = Array.from({ length: 5 }, () => {
      const object = { metadata: { name: 'deploy', namespace: 'team', resourceVersion: String(++self.version) }, spec: {} };
      return `${JSON.stringify({ type: random.pick(['ADDED', 'MODIFIED', 'BOOKMARK']), object })}\n`;
    });
    const text = lines.map((line) => `${Buffer.byteLength(line).toString(16)}\r\n${line}\r\n`).join('');
    await speak(socket, `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${text}`, is);
    if (random.chance(0.5)) socket.end('0\r\n\r\n');
  }
  const self: RandomServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    applied: [],
    requests: 0,
    version: 0,
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
  return self;
}

function answerTo(method: string, body: string, { status, applies }: Turn): string {
  const code = status || (method === 'PUT' && !applies ? 500 : 200);
  const details = { kind: 'leases', group: 'coordination.k8s.io', name: 'deploy' };
  const failure = {
    kind: 'Status',
    apiVersion: 'v1',
    status: 'Failure',
    reason: 'Random',
    message: 'as the seed says',
    code,
    details,
  };
  const lease = { metadata: { name: 'deploy', namespace: 'team', uid: 'u', resourceVersion: '8' }, spec: {} };
  const text = code !== 200 ? JSON.stringify(failure) : method === 'PUT' ? body : JSON.stringify(lease);
  return `HTTP/1.1 ${code} Random\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`;
}

async function speak(socket: Socket, text: string, { cutAfter, how, pieces }: Turn): Promise<void> {
  const said = text.slice(0, cutAfter === NEVER ? text.length : cutAfter);
  for (let at = 0; at < said.length; at += pieces) {
    socket.write(said.slice(at, at + pieces));
    if (pieces < 1000) await sleep(0);
  }
  if (said.length === text.length || how === 'stall') return;
  if (how === 'garbage') socket.write('\r\n\0\x01{"nonsense":');
  if (how === 'reset') socket.resetAndDestroy();
  else socket.end();
}

/**
 * A server that answers every request with what it has received: path, the headers that say who asks, the name that TLS was asked for, the client's
 * certificate, and the proxies in between. So two clients can be compared by what they really send. It listens on 127.0.0.1 and ::1, with and
 * without TLS, and ends with the test.
 */
import { createServer, type IncomingMessage, request as plainRequest, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, connect, createServer as createTcpServer, type Server as NetServer, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import type { TLSSocket } from 'node:tls';
import type { Certificates, Pair } from './certificates.ts';

export interface Received {
  path: string;
  host: string;
  authorization: string;
  /** `Impersonate-…: value`, sorted, names in lower case. */
  impersonate: string[];
  /** Undefined without TLS; empty where no name was asked for. */
  servername?: string;
  /** Subject of the client's certificate. */
  certificate?: string;
  /** What was asked of the proxies on the way. */
  through: string[];
}

export interface Recorder {
  /** Of each a URL without a path: `https` and `http` with 127.0.0.1. */
  urls: Record<'http' | 'https' | 'httpV6' | 'httpsV6' | 'expired' | 'elsewhere' | 'below', string>;
  /** Proxies, each as a URL without credentials. */
  proxies: Record<'http' | 'https' | 'socks', string>;
  /** Every request that was received, in order. */
  received: Received[];
}

export async function startRecorder(t: TestContext, certificates: Certificates): Promise<Recorder> {
  const received: Received[] = [];
  const routes = new Map<number, string[]>();
  const answer = (request: IncomingMessage, response: ServerResponse) => {
    const got = describe(request, routes);
    received.push(got);
    request.resume();
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(got));
  };
  const plain = (host: string) => listen(t, createServer(answer), host);
  const secure = (host: string, { certificate: cert, key }: Pair) =>
    listen(t, createTlsServer({ cert, key, requestCert: true, rejectUnauthorized: false }, answer), host);
  const v4 = '127.0.0.1';
  const { server, expired, elsewhere, serverBelow } = certificates;
  return {
    urls: {
      http: `http://${v4}:${await plain(v4)}`,
      https: `https://${v4}:${await secure(v4, server)}`,
      httpV6: `http://[::1]:${await plain('::1')}`,
      httpsV6: `https://[::1]:${await secure('::1', server)}`,
      expired: `https://${v4}:${await secure(v4, expired)}`,
      elsewhere: `https://${v4}:${await secure(v4, elsewhere)}`,
      below: `https://${v4}:${await secure(v4, serverBelow)}`,
    },
    proxies: {
      http: `http://${v4}:${await listen(t, httpProxy(createServer(), 'http', routes), v4)}`,
      https: `https://${v4}:${await listen(t, httpProxy(createTlsServer({ cert: server.certificate, key: server.key }), 'https', routes), v4)}`,
      socks: `socks5://${v4}:${await listen(t, socksProxy(routes), v4)}`,
    },
    received,
  };
}

/** What was asked of a proxy, by the local port of the connection that it has made, for as long as that is open. */
type Routes = Map<number, string[]>;

function note(routes: Routes, made: Socket, asked: string): void {
  const port = made.localPort ?? 0;
  routes.set(port, [asked.trim()]);
  made.on('close', () => routes.delete(port));
}

function describe(request: IncomingMessage, routes: Routes): Received {
  const socket = request.socket as TLSSocket;
  const impersonate: string[] = [];
  for (let i = 0; i < request.rawHeaders.length; i += 2) {
    const name = String(request.rawHeaders[i]).toLowerCase();
    if (name.startsWith('impersonate-')) impersonate.push(`${name}: ${utf8(request.rawHeaders[i + 1])}`);
  }
  return {
    path: request.url ?? '',
    host: request.headers.host ?? '',
    authorization: utf8(request.headers.authorization),
    impersonate: impersonate.sort(),
    ...(socket.encrypted && { servername: socket.servername || '' }),
    ...(socket.encrypted && { certificate: String(socket.getPeerCertificate().subject?.CN ?? '') }),
    through: routes.get(socket.remotePort ?? 0) ?? [],
  };
}

/** Node shows the bytes of a header as latin1. */
const utf8 = (value: string | undefined): string => Buffer.from(value ?? '', 'latin1').toString();

/** Names that only the proxy knows lead to loopback. */
const hostOf = (name: string): string => (name.endsWith('.lock.test') ? '127.0.0.1' : name.replace(/^\[|\]$/g, ''));

function httpProxy(server: Server, kind: string, routes: Routes): Server {
  const authorizationOf = ({ headers }: IncomingMessage) =>
    Buffer.from((headers['proxy-authorization'] ?? '').replace('Basic ', ''), 'base64').toString();
  server.on('connect', (request: IncomingMessage, socket: Socket) => {
    const { hostname, port } = new URL(`http://${request.url}`);
    onward(socket, { host: hostOf(hostname), port: Number(port || 80) }, (made) => {
      note(routes, made, `${kind} CONNECT ${request.url} ${authorizationOf(request)}`);
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
    });
  });
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    if (!request.url?.startsWith('http://')) return response.writeHead(400).end('a proxy wants a whole URL');
    const { hostname, port, pathname, search } = new URL(request.url);
    const { 'proxy-authorization': _, ...headers } = request.headers;
    const to = { host: hostOf(hostname), port, path: pathname + search, method: request.method, headers, agent: false };
    const forwarded = plainRequest(to, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    forwarded.on('error', () => response.writeHead(502).end());
    forwarded.once('socket', (made) =>
      made.once('connect', () => {
        note(routes, made, `${kind} ${request.method} ${request.url} ${authorizationOf(request)}`);
        request.pipe(forwarded);
      }),
    );
    return response;
  });
  return server;
}

/** As RFC 1928 and 1929 have it, as far as a client of one connection needs it. */
function socksProxy(routes: Routes): NetServer {
  return createTcpServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', (greeting) => {
      const wantsPassword = greeting.subarray(2).includes(2);
      if (!wantsPassword) {
        socket.write(Buffer.from([5, 0]));
        return socket.once('data', (asked) => follow(asked, ''));
      }
      socket.write(Buffer.from([5, 2]));
      return socket.once('data', (login) => {
        const [user, rest] = counted(login.subarray(1));
        const [password] = counted(rest);
        socket.write(Buffer.from([1, 0]));
        socket.once('data', (asked) => follow(asked, `${user}:${password}`));
      });
    });
    const follow = (asked: Buffer, login: string) => {
      const port = asked.readUInt16BE(asked.length - 2);
      const kind = { 1: 'IPv4', 3: 'name', 4: 'IPv6' }[asked[3] ?? 0] ?? '';
      const address = asked.subarray(4, -2);
      const name = kind === 'name' ? String(counted(address)[0]) : kind === 'IPv4' ? address.join('.') : address.toString('hex');
      const host = kind === 'IPv6' ? '::1' : hostOf(name);
      onward(socket, { host, port }, (made) => {
        note(routes, made, `socks ${kind} ${name}:${port} ${login}`);
        socket.write(Buffer.from([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]));
      });
    };
  });
}

/** A length, and as many bytes; with what is behind it. */
const counted = (bytes: Buffer): [Buffer, Buffer] => [
  bytes.subarray(1, 1 + (bytes[0] ?? 0)),
  bytes.subarray(1 + (bytes[0] ?? 0)),
];

function onward(socket: Socket, to: { host: string; port: number }, ready: (made: Socket) => void): void {
  const next = connect(to, () => {
    ready(next);
    next.pipe(socket).pipe(next);
  });
  next.on('error', () => socket.destroy());
  socket.on('error', () => next.destroy());
  socket.on('close', () => next.destroy());
}

async function listen(t: TestContext, server: NetServer, host: string): Promise<number> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  server.on('tlsClientError', () => {});
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/**
 * How requests get to an API server: straight, through an HTTP proxy, or through a SOCKS5 proxy. At most one connection at a time, kept alive. A proxy
 * looks the server's name up by itself, as with kubectl.
 */
import * as http from 'node:http';
import * as https from 'node:https';
import * as net from 'node:net';
import type { Duplex } from 'node:stream';
import * as tls from 'node:tls';
import { type TlsOptions, Unusable } from './cluster.ts';

export interface Route {
  /** For http.request, of this path on the server. `secure`: whether https.request has to make it. */
  options(path: string): http.RequestOptions;
  secure: boolean;
  close(): void;
}

/** First probe of an idle connection: a half-open one is found before the next renewal needs it. */
const KEEP_ALIVE_MS = 10_000;
/** A proxy that says nothing for so long is given up. */
const PROXY_MS = 30_000;

export function routeTo(server: string, tlsOptions: TlsOptions, proxy: string | undefined): Route {
  // As for Go, whatever is given as an authority is one, also if it is itself below another.
  const options = { ...tlsOptions, allowPartialTrustChain: true };
  const { protocol, hostname, port, pathname } = new URL(server);
  const secure = protocol === 'https:';
  const host = hostname.replace(/^\[|\]$/g, '');
  const prefix = pathname.replace(/\/+$/, '');
  const agentOptions = { keepAlive: true, keepAliveMsecs: KEEP_ALIVE_MS, maxSockets: 1, ...options };
  const via = proxy === undefined ? undefined : new URL(proxy);
  if (via && !secure && via.protocol.startsWith('http')) return forwarded(server, via, agentOptions);
  const agent = secure ? new https.Agent(agentOptions) : new http.Agent(agentOptions);
  if (via) throughTunnel(agent, via, options);
  return {
    secure,
    options: (path) => ({
      agent,
      host,
      port: port || (secure ? 443 : 80),
      path: prefix + path,
      headers: { host: new URL(server).host },
    }),
    close: () => agent.destroy(),
  };
}

/** Without TLS a proxy is asked for the whole URL. */
function forwarded(server: string, via: URL, agentOptions: http.AgentOptions): Route {
  const secure = via.protocol === 'https:';
  const agent = secure ? new https.Agent(agentOptions) : new http.Agent(agentOptions);
  return {
    secure,
    options: (path) => ({
      ...addressOf(via),
      agent,
      path: server + path,
      headers: { host: new URL(server).host, ...authorizationFor(via) },
      servername: net.isIP(addressOf(via).host) ? '' : addressOf(via).host,
    }),
    close: () => agent.destroy(),
  };
}

type Made = (error: Error | null, socket?: Duplex) => void;
type Target = tls.ConnectionOptions & { host: string; port: number };

/** Connections of this agent are made through a proxy, and end with the agent also while they are being made. */
function throughTunnel(agent: http.Agent, via: URL, options: TlsOptions): void {
  const making = new Set<net.Socket>();
  const create = agent.createConnection.bind(agent) as (target: Target & { socket?: net.Socket }) => Duplex;
  const destroy = agent.destroy.bind(agent);
  const open = via.protocol.startsWith('socks5') ? openSocks : openConnect;
  agent.createConnection = ((target: Target, made: Made) => {
    const toProxy = connectTo(via, options);
    making.add(toProxy);
    open(toProxy, via, target)
      .then(
        () => {
          // From here on silence is for those to judge who wait for something.
          toProxy.off('timeout', giveUp);
          made(null, agent instanceof https.Agent ? create({ ...target, socket: toProxy }) : toProxy);
        },
        (error) => {
          toProxy.destroy();
          made(error);
        },
      )
      .finally(() => making.delete(toProxy));
    return undefined;
  }) as unknown as typeof agent.createConnection;
  agent.destroy = () => {
    for (const socket of making) socket.destroy(new Error('the connection was closed'));
    destroy();
  };
}

function addressOf({ protocol, hostname, port }: URL): { host: string; port: number } {
  const usual = protocol === 'https:' ? 443 : protocol.startsWith('socks5') ? 1080 : 80;
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) || usual };
}

function connectTo(via: URL, options: TlsOptions): net.Socket {
  const address = { ...addressOf(via), timeout: PROXY_MS };
  const socket =
    via.protocol === 'https:'
      ? tls.connect({ ...options, ...address, servername: net.isIP(address.host) ? '' : address.host })
      : net.connect(address);
  socket.on('timeout', giveUp);
  return socket;
}

function giveUp(this: net.Socket): void {
  this.destroy(new Error('the proxy does not answer'));
}

const userOf = ({ username, password }: URL) => ({ user: decodeURIComponent(username), password: decodeURIComponent(password) });

function authorizationFor(via: URL): { 'proxy-authorization'?: string } {
  const { user, password } = userOf(via);
  if (user === '' && password === '') return {};
  return { 'proxy-authorization': `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` };
}

function openConnect(socket: net.Socket, via: URL, { host, port }: Target): Promise<void> {
  return new Promise((resolve, reject) => {
    const target = `${net.isIPv6(host) ? `[${host}]` : host}:${port}`;
    const request = http.request({
      method: 'CONNECT',
      path: target,
      headers: { host: target, ...authorizationFor(via) },
      createConnection: () => socket,
    });
    request.on('connect', ({ statusCode, statusMessage }) => {
      if (statusCode === 200) return resolve();
      const message = `the proxy ${via.host} does not connect to ${target}: ${statusCode} ${statusMessage}`;
      return reject(
        statusCode === 407 ? new Unusable(`${message}; put the user and the password into the proxy's URL`) : new Error(message),
      );
    });
    request.on('error', reject);
    request.end();
  });
}

async function openSocks(socket: net.Socket, via: URL, { host, port }: Target): Promise<void> {
  const { SocksClient } = await import('socks');
  await new Promise<void>((resolve, reject) => {
    socket
      .once('connect', resolve)
      .once('error', reject)
      .once('close', () => reject(new Error('the connection was closed')));
  });
  const { user, password } = userOf(via);
  await SocksClient.createConnection({
    command: 'connect',
    proxy: { ...addressOf(via), type: 5, ...(user !== '' && { userId: user, password }) },
    destination: { host, port: Number(port) },
    existing_socket: socket,
    timeout: PROXY_MS,
  });
}

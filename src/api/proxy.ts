/**
 * Which proxy a request goes through, from HTTPS_PROXY, HTTP_PROXY and NO_PROXY as Go's net/http reads them, since that is what kubectl
 * does: a loopback address never, NO_PROXY as host names (with their subdomains), addresses, CIDR blocks, each with an optional port, or `*`.
 */
import { BlockList, isIP } from 'node:net';

type Env = Readonly<Record<string, string | undefined>>;

export function proxyFor(server: string, env: Env): string | undefined {
  const { protocol, hostname, port } = new URL(server);
  const https = protocol === 'https:';
  const proxy = (https ? (env.HTTPS_PROXY ?? env.https_proxy) : (env.HTTP_PROXY ?? env.http_proxy)) || undefined;
  const host = hostname.replace(/^\[|\]$/g, '').toLowerCase();
  if (!proxy || isLoopback(host)) return undefined;
  const excluded = (env.NO_PROXY ?? env.no_proxy ?? '').split(/[\s,]+/).filter((entry) => entry !== '');
  if (excluded.some((entry) => matches(entry.toLowerCase(), host, port || (https ? '443' : '80')))) return undefined;
  return proxy.includes('://') ? proxy : `http://${proxy}`;
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

function matches(entry: string, host: string, port: string): boolean {
  if (entry === '*') return true;
  if (entry.includes('/')) return inBlock(entry, host);
  const { name, only } = splitPort(entry);
  if (only !== undefined && only !== port) return false;
  if (isIP(name)) return name === host;
  const domain = name.replace(/^\*/, '');
  return domain.startsWith('.') ? host.endsWith(domain) : host === domain || host.endsWith(`.${domain}`);
}

function splitPort(entry: string): { name: string; only: string | undefined } {
  if (isIP(entry)) return { name: entry, only: undefined };
  const [, name = entry, only] = /^\[?(.*?)\]?(?::(\d+))?$/.exec(entry) ?? [];
  return { name, only };
}

function inBlock(block: string, host: string): boolean {
  const [network = '', bits = ''] = block.split('/');
  const family = isIP(network);
  if (family === 0 || isIP(host) !== family || !/^\d+$/.test(bits) || Number(bits) > (family === 4 ? 32 : 128)) return false;
  const list = new BlockList();
  list.addSubnet(network, Number(bits), family === 4 ? 'ipv4' : 'ipv6');
  return list.check(host, family === 4 ? 'ipv4' : 'ipv6');
}

/**
 * Which proxy a request goes through, from HTTPS_PROXY, HTTP_PROXY and NO_PROXY as Go's net/http reads them, since that is what kubectl does: a
 * loopback address never, and NO_PROXY as host names (with their subdomains), addresses, CIDR blocks, each but the last with an optional port, or `*`.
 */
import { BlockList, isIP, isIPv4, isIPv6 } from 'node:net';
import { domainToASCII } from 'node:url';

type Env = Readonly<Record<string, string | undefined>>;

/** The proxy's URL; undefined: none. Throws a sentence where Go refuses, or would use nonsense. */
export function proxyFor(server: string, env: Env): string | undefined {
  const { protocol, hostname, port } = new URL(server);
  const https = protocol === 'https:';
  const variable = https ? 'HTTPS_PROXY' : 'HTTP_PROXY';
  const proxy = either(env, variable);
  if (proxy === '') return undefined;
  // A web server sets it for its CGI programs from a header that anybody can send.
  if (!https && env.REQUEST_METHOD)
    throw new Error('HTTP_PROXY is not used where REQUEST_METHOD is set (CGI): unset one of them');
  const target = { host: addressOf(hostname.replace(/^\[|\]$/g, '')), port: port || (https ? '443' : '80') };
  if (
    isLoopback(target.host) ||
    either(env, 'NO_PROXY')
      .split(',')
      .some((entry) => covers(entry.trim().toLowerCase(), target))
  )
    return undefined;
  const url = proxy.includes('://') ? proxy : `http://${proxy}`;
  if (!/^[a-z][a-z\d+.-]*:\/\/[^\s/]*[^\s/:](?:\/|$)/i.test(url) || !URL.canParse(url))
    throw new Error(`invalid ${variable}: write it as http://host:port`);
  return url;
}

/** What is empty is as if it were not set. */
const either = (env: Env, name: string): string => env[name] || env[name.toLowerCase()] || '';

interface Target {
  host: string;
  port: string;
}

const isLoopback = (host: string): boolean => host === 'localhost' || inBlock(host, '127.0.0.0/8') || inBlock(host, '::1/128');

function covers(entry: string, { host, port }: Target): boolean {
  if (entry === '*') return true;
  if (isBlock(entry)) return inBlock(host, entry);
  const { name, only } = withPort(entry);
  if (name === '' || (only !== '' && only !== port)) return false;
  const address = addressOf(name);
  if (isIP(address)) return inBlock(host, `${address}/${isIPv4(address) ? 32 : 128}`);
  if (isIP(host)) return false;
  const domain = inAscii(name.replace(/^\*(?=\.)/, ''));
  return domain.startsWith('.') ? host.endsWith(domain) : host === domain || host.endsWith(`.${domain}`);
}

/** What is not ASCII in a name is written in URLs otherwise. */
const inAscii = (name: string): string => (/[^ -~]/.test(name) ? domainToASCII(name) || name : name);

function withPort(entry: string): { name: string; only: string } {
  const [, bracketed, plain, only = ''] = /^(?:\[(.*)\]|([^:]*)):([^:]*)$/.exec(entry) ?? [];
  return { name: bracketed ?? plain ?? entry, only };
}

function isBlock(entry: string): boolean {
  const [network = '', bits = '', ...more] = entry.split('/');
  return more.length === 0 && isIP(network) !== 0 && /^\d+$/.test(bits) && Number(bits) <= (isIPv4(network) ? 32 : 128);
}

function inBlock(host: string, block: string): boolean {
  const [network = '', bits] = block.split('/');
  if (isIP(host) === 0 || isIP(host) !== isIP(network)) return false;
  const family = isIPv4(host) ? 'ipv4' : 'ipv6';
  const list = new BlockList();
  list.addSubnet(network, Number(bits), family);
  return list.check(host, family);
}

/** An IPv4 address that is written as an IPv6 one is the IPv4 address. */
function addressOf(host: string): string {
  if (!isIPv6(host)) return host;
  const [, high, low] = /^\[::ffff:([\da-f]+):([\da-f]+)\]$/.exec(new URL(`http://[${host}]`).hostname) ?? [];
  if (high === undefined || low === undefined) return host;
  const bits = Number.parseInt(high, 16) * 0x10000 + Number.parseInt(low, 16);
  return [24, 16, 8, 0].map((by) => (bits >>> by) & 0xff).join('.');
}

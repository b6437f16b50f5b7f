/** Which proxy a request goes through: the same as by Go's own reading of the environment. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import fc from 'fast-check';
import { proxyFor } from '../../src/api/proxy.ts';
import { clientcmd } from '../cluster/binaries.ts';
import { runsOf } from '../harness/runs.ts';

interface Case {
  http: string;
  https: string;
  no: string;
  cgi: boolean;
  url: string;
}

const program = await clientcmd();

test('HTTPS_PROXY, HTTP_PROXY, NO_PROXY and REQUEST_METHOD lead where they lead Go', {
  skip: typeof program === 'string' ? false : program.missing,
}, async () => {
  const cases = fc.sample(anyCase, runsOf(3000));
  const expected = await goSays(cases);
  cases.forEach((given, i) => {
    assert.equal(ours(given), expected[i], JSON.stringify(given));
  });
});

const HOSTS = [
  ...['localhost', 'api.example', 'example', 'deep.api.example', 'other.example.com', 'xn--bcher-kva.example', 'a-b.example'],
  ...['10.0.0.1', '10.1.2.3', '127.0.0.1', '127.9.9.9', '192.168.1.10', '0.0.0.0'],
  ...['[::1]', '[fd00::1]', '[fd12:3456::1]', '[::ffff:10.0.0.1]', '[2001:db8::a]'],
];
const PORTS = ['', ':443', ':80', ':6443', ':8443'];
const ENTRIES = [
  ...['*', '', ' ', '.', ':', ':443', '*.', 'localhost', 'example', '.example', '*.example', '*example', 'ample', 'API.Example'],
  ...['api.example:443', 'api.example:6443', '.example:6443', '*.example:80', 'example.com', 'http://example', 'api.example/'],
  ...[
    '10.0.0.1',
    '10.0.0.1:443',
    '10.0.0.1:6443',
    '10.0.0.0/8',
    '10.0.0.0/8:443',
    '0.0.1',
    '.0.1',
    '*.0.0.1',
    '10.1.2.3/16',
    '10.0.0.0/99',
    '10.0.0',
    '0.0.0.0/0',
  ],
  ...[
    '::1',
    '[::1]',
    '[::1]:443',
    'fd00::1',
    '[fd00::1]',
    '[fd00::1]:6443',
    'fd00::/8',
    '[fd00::]/8',
    '::/0',
    '2001:DB8::A',
    '::ffff:10.0.0.1',
  ],
  ...['192.168.1.10 10.0.0.1', '10.0.0.1;example', 'bücher.example'],
];
const PROXIES = [
  ...['', 'http://proxy:3128', 'proxy:3128', 'proxy', 'https://proxy', 'socks5://proxy:1080', 'socks5h://proxy', '10.0.0.1:3128'],
  ...[
    'http://user:p%40ss@proxy:3128',
    'user:pw@proxy:3128',
    '[::1]:3128',
    'http://[fd00::2]:3128',
    'HTTP://proxy',
    'http://proxy/',
  ],
];

const anyCase: fc.Arbitrary<Case> = fc.record({
  http: fc.constantFrom(...PROXIES),
  https: fc.constantFrom(...PROXIES),
  no: fc
    .array(fc.tuple(fc.constantFrom(...ENTRIES), fc.constantFrom(',', ', ', ' ,', ',,')), { maxLength: 3 })
    .map((entries) => entries.flat().join('')),
  cgi: fc.boolean(),
  url: fc
    .tuple(fc.constantFrom('http', 'https'), fc.constantFrom(...HOSTS), fc.constantFrom(...PORTS))
    .map(([scheme, host, port]) => `${scheme}://${host}${port}`),
});

function ours({ http, https, no, cgi, url }: Case): string {
  const env = { HTTP_PROXY: http, HTTPS_PROXY: https, NO_PROXY: no, ...(cgi && { REQUEST_METHOD: 'GET' }) };
  try {
    const proxy = proxyFor(url, env);
    return proxy === undefined ? '' : new URL(proxy).href;
  } catch {
    return 'refused';
  }
}

async function goSays(cases: Case[]): Promise<string[]> {
  return await new Promise((resolve, reject) => {
    const child = execFile(String(program), ['--proxies'], { maxBuffer: 64 << 20 }, (error, stdout) =>
      error ? reject(error) : resolve(JSON.parse(stdout).map(sameForm)),
    );
    child.stdin?.end(JSON.stringify(cases));
  });
}

const sameForm = (found: string) => (URL.canParse(found) ? new URL(found).href : found);

test('a proxy that is none is refused, where Go asks for a host of that name or goes without', () => {
  for (const HTTPS_PROXY of ['http://', '://', 'http://%zz', ' http://proxy', 'http:/proxy', 'proxy:port', 'http://a b']) {
    assert.throws(() => proxyFor('https://api.example', { HTTPS_PROXY }), /invalid HTTPS_PROXY: write it as http:/, HTTPS_PROXY);
  }
});

test('an upper-case variable counts before a lower-case one, unless it is empty', () => {
  const url = 'https://api.example';
  assert.equal(proxyFor(url, { HTTPS_PROXY: 'http://upper', https_proxy: 'http://lower' }), 'http://upper');
  assert.equal(proxyFor(url, { HTTPS_PROXY: '', https_proxy: 'http://lower' }), 'http://lower');
  assert.equal(proxyFor(url, { HTTPS_PROXY: 'http://upper', NO_PROXY: '', no_proxy: 'api.example' }), undefined);
  assert.equal(proxyFor(url, { ALL_PROXY: 'http://all', all_proxy: 'http://all' }), undefined);
});

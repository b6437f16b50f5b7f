/** Which proxy a request goes through, as Go and kubectl read the environment. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { proxyFor } from '../../src/api/proxy.ts';

const HTTPS_PROXY = 'http://proxy:3128';

test('an https server goes through HTTPS_PROXY, an http server through HTTP_PROXY', () => {
  const env = { HTTPS_PROXY, HTTP_PROXY: 'plain:80' };
  assert.equal(proxyFor('https://api.example', env), HTTPS_PROXY);
  assert.equal(proxyFor('http://api.example', env), 'http://plain:80');
  assert.equal(proxyFor('https://api.example', { https_proxy: HTTPS_PROXY }), HTTPS_PROXY);
  assert.equal(proxyFor('https://api.example', {}), undefined);
  assert.equal(proxyFor('https://api.example', { HTTPS_PROXY: '' }), undefined);
});

test('a loopback address never goes through a proxy', () => {
  for (const host of ['localhost', '127.0.0.1', '127.8.8.8', '[::1]'])
    assert.equal(proxyFor(`https://${host}:6443`, { HTTPS_PROXY }), undefined, host);
});

test('NO_PROXY takes names with their subdomains, addresses, CIDR blocks, ports, and *', () => {
  const cases: [string, string, boolean][] = [
    ['*', 'https://api.example', true],
    ['example', 'https://api.example', true],
    ['.example', 'https://api.example', true],
    ['*.example', 'https://api.example', true],
    ['.api.example', 'https://api.example', false],
    ['ample', 'https://api.example', false],
    ['API.example', 'https://api.example', true],
    ['other, api.example', 'https://api.example', true],
    ['api.example:6443', 'https://api.example:6443', true],
    ['api.example:443', 'https://api.example', true],
    ['api.example:6443', 'https://api.example', false],
    ['10.0.0.1', 'https://10.0.0.1', true],
    ['10.0.0.1', 'https://10.0.0.11', false],
    ['10.0.0.0/8', 'https://10.9.8.7', true],
    ['10.0.0.0/8', 'https://11.9.8.7', false],
    ['fd00::/8', 'https://[fd12::1]:6443', true],
    ['[fd12::1]:6443', 'https://[fd12::1]:6443', true],
    ['10.0.0.0/99', 'https://10.9.8.7', false],
    ['nonsense/8', 'https://10.9.8.7', false],
    ['', 'https://api.example', false],
  ];
  for (const [NO_PROXY, server, excluded] of cases) {
    assert.equal(proxyFor(server, { HTTPS_PROXY, NO_PROXY }), excluded ? undefined : HTTPS_PROXY, `${NO_PROXY} and ${server}`);
  }
});

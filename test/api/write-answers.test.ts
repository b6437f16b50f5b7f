/** What the client makes of every answer that a write may get, from an API server or from what stands in front of it. */
import assert from 'node:assert/strict';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import type { Answer } from '../../src/api/answers.ts';
import { newLease } from '../../src/protocol/lease.ts';
import { type Behaviour, badServer, reset, respond, status, truncate } from '../harness/bad-server.ts';
import { clientOf, lease, timeoutMs } from './client.ts';

async function writeTo(t: TestContext, ...behaviours: Behaviour[]): Promise<Answer> {
  const client = clientOf((await badServer(t, ...behaviours)).url);
  t.after(() => client.close());
  return await client.write(lease, { manager: 'k8s-lease-lock', timeoutMs });
}

const ANSWERS: { name: string; behaviour: Behaviour; expected: Partial<Answer>; message?: RegExp }[] = [
  { name: '409', behaviour: respond(409, status(409, 'Conflict')), expected: { kind: 'conflict' } },
  {
    name: '404 of the Lease',
    behaviour: respond(404, status(404, 'NotFound', { details: { kind: 'leases', name: 'deploy' } })),
    expected: { kind: 'absent' },
  },
  {
    name: '404 of the namespace',
    behaviour: respond(404, status(404, 'NotFound', { details: { kind: 'namespaces', name: 'team' } })),
    expected: { kind: 'refused', status: 404 },
    message: /the namespace "team" does not exist: create it/,
  },
  {
    name: '404 of the whole API',
    behaviour: respond(404, status(404, 'NotFound')),
    expected: { kind: 'refused' },
    message: /does not serve coordination\.k8s\.io\/v1/,
  },
  {
    name: '401',
    behaviour: respond(401, status(401, 'Unauthorized')),
    expected: { kind: 'refused', status: 401 },
    message: /does not accept the credentials/,
  },
  {
    name: '403',
    behaviour: respond(403, status(403, 'Forbidden')),
    expected: { kind: 'refused', status: 403 },
    message:
      /403: Forbidden, said the server\. Allow get, watch, create and update on leases\.coordination\.k8s\.io with resourceNames \["deploy"\] in namespace team/,
  },
  {
    name: '403 of a policy',
    behaviour: respond(403, status(403, "ValidatingAdmissionPolicy 'x' denied request: no")),
    expected: { kind: 'refused', status: 403 },
    message: /denied request: no, said the server\. More rights do not help/,
  },
  {
    name: '403 of a policy that finds it too early',
    behaviour: respond(403, status(403, 'the lock is held by x and has not expired: only its holder may renew it')),
    expected: { kind: 'failed', applied: 'no', retryAfterMs: 1000 },
    message: /has not expired/,
  },
  {
    name: '422',
    behaviour: respond(422, status(422, 'Invalid')),
    expected: { kind: 'refused', status: 422 },
    message: /422: Invalid/,
  },
  { name: '400', behaviour: respond(400, status(400, 'BadRequest')), expected: { kind: 'refused', status: 400 } },
  {
    name: '429 with Retry-After',
    behaviour: respond(429, status(429, 'TooManyRequests'), { 'retry-after': '3' }),
    expected: { kind: 'failed', retryAfterMs: 3000, applied: 'no' },
    message: /429: TooManyRequests/,
  },
  {
    name: '503 of a proxy',
    behaviour: respond(503, '<html>Service Unavailable</html>'),
    expected: { kind: 'failed', applied: 'unknown' },
    message: /503: text\/html \("<html>Service/,
  },
  {
    name: '504 with seconds in its details',
    behaviour: respond(504, status(504, 'Timeout', { details: { retryAfterSeconds: 2 } })),
    expected: { kind: 'failed', retryAfterMs: 2000, applied: 'unknown' },
  },
  {
    name: 'HTML with 200',
    behaviour: respond(200, '<html>Log in</html>'),
    expected: { kind: 'failed', applied: 'unknown' },
    message: /200 with text\/html \("<html>Log in/,
  },
  {
    name: 'HTML with 404',
    behaviour: respond(404, '<html>nothing here</html>'),
    expected: { kind: 'failed' },
    message: /is http:\S+ a Kubernetes API server, and nothing in between\?/,
  },
  {
    name: 'a redirect to a login page',
    behaviour: respond(302, '', { location: '/login' }),
    expected: { kind: 'failed' },
    message: /302 with an empty body/,
  },
  {
    name: 'JSON that is no Lease',
    behaviour: respond(200, { kind: 'Secret', metadata: {} }),
    expected: { kind: 'failed', applied: 'unknown' },
    message: /instead of a Lease/,
  },
  { name: 'JSON that is none', behaviour: respond(200, '{"kind":"Lease",'), expected: { kind: 'failed', applied: 'unknown' } },
  {
    name: 'a truncated body',
    behaviour: truncate(lease),
    expected: { kind: 'failed', applied: 'unknown' },
    message: /broke off/,
  },
  { name: 'a reset', behaviour: reset, expected: { kind: 'failed', applied: 'unknown' }, message: /the connection was reset/ },
];

for (const { name, behaviour, expected, message } of ANSWERS) {
  test(`a write answered with ${name}`, async (t) => {
    const answer = await writeTo(t, behaviour);
    for (const [field, value] of Object.entries(expected))
      assert.equal((answer as Record<string, unknown>)[field], value, JSON.stringify(answer));
    if (message) assert.match((answer as { message?: string }).message ?? '', message);
  });
}

test('a create that finds one is a conflict, not a refusal', async (t) => {
  const exists = status(422, 'Invalid', {
    details: { causes: [{ field: 'metadata.resourceVersion', message: 'must be specified for an update' }] },
  });
  const client = clientOf((await badServer(t, respond(422, exists))).url);
  t.after(() => client.close());
  assert.equal((await client.write(newLease('team', 'deploy'), { manager: 'k8s-lease-lock', timeoutMs })).kind, 'conflict');
});

test('a write that a proxy has passed on to a plain-http server, and whose answer is lost, may have been carried out', async (t) => {
  const written: string[] = [];
  // In place of a proxy, which gets the request for the server as it is.
  const proxy = http.createServer((request, response) => {
    written.push(`${request.method} ${request.url}`);
    request.resume().on('end', () => response.destroy());
  });
  proxy.on('connect', (request, socket) => {
    written.push(`CONNECT ${request.url}`);
    // A tunnel to a server that takes the write, and ends without a word.
    socket.write('HTTP/1.1 200 OK\r\n\r\n');
    socket.once('data', () => socket.destroy());
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  t.after(() => proxy.close());
  const { port } = proxy.address() as AddressInfo;
  const credentials = async () => ({ headers: {}, tls: { rejectUnauthorized: true }, proxy: `http://127.0.0.1:${port}` });
  const client = clientOf('http://api.example', { credentials });
  t.after(() => client.close());
  const answer = await client.write(lease, { timeoutMs, manager: 'k8s-lease-lock' });
  assert.deepEqual([answer.kind, answer.kind === 'failed' && answer.applied], ['failed', 'unknown']);
  assert.equal(written.length, 1);
});

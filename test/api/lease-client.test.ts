import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Answer, WatchEvent } from '../../src/api/answers.ts';
import type { Cluster } from '../../src/api/cluster.ts';
import { type LeaseClient, leaseClient } from '../../src/api/lease-client.ts';
import { systemClock } from '../../src/clock.ts';
import { newLease } from '../../src/protocol/lease.ts';
import { type Behaviour, badServer, reset, respond, silence, status, truncate } from '../harness/bad-server.ts';

const lease = { ...newLease('team', 'deploy'), metadata: { name: 'deploy', namespace: 'team', uid: 'u', resourceVersion: '7' } };
const timeoutMs = 2000;

function clientOf(url: string, { credentials }: { credentials?: Cluster['credentials'] } = {}): LeaseClient {
  const anonymous = async () => ({ headers: {}, tls: { rejectUnauthorized: true }, proxy: undefined });
  const cluster: Cluster = {
    server: url,
    source: 'the test',
    namespace: 'default',
    credentials: credentials ?? anonymous,
    podToken: async () => undefined,
  };
  return leaseClient({
    cluster,
    namespace: 'team',
    name: 'deploy',
    clock: systemClock(),
    userAgent: 'test/1',
    random: () => 0.5,
  });
}

async function writeTo(t: TestContext, ...behaviours: Behaviour[]): Promise<Answer> {
  const client = clientOf((await badServer(t, ...behaviours)).url);
  t.after(() => client.close());
  return await client.write(lease, { as: 'holder', timeoutMs });
}

test('a Lease is read as it is; whose clock the Date header is says nothing', async (t) => {
  const server = await badServer(t, respond(200, lease, { date: 'Thu, 01 Jan 2026 00:00:00 GMT' }));
  const client = clientOf(server.url);
  t.after(() => client.close());
  assert.deepEqual(await client.read({ timeoutMs }), { kind: 'lease', lease });
  assert.deepEqual(server.requests, ['GET /apis/coordination.k8s.io/v1/namespaces/team/leases/deploy?timeout=2000ms']);
});

test('requests follow each other on one connection', async (t) => {
  const server = await badServer(t, respond(200, lease));
  const client = clientOf(server.url);
  t.after(() => client.close());
  for (let i = 0; i < 5; i++) await client.write(lease, { as: i % 2 ? 'waiter' : 'holder', timeoutMs });
  assert.equal(server.connections(), 1);
  assert.match(server.requests[0] ?? '', /^PUT .*fieldManager=k8s-lease-lock&timeout=/);
  assert.match(server.requests[1] ?? '', /fieldManager=k8s-lease-lock-waiter&/);
});

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
    message: /denied request: no, said the server \(docs\/theft\.md\)$/,
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
  assert.equal((await client.write(newLease('team', 'deploy'), { as: 'holder', timeoutMs })).kind, 'conflict');
});

test('a half-open connection costs its deadline and no more, and the next request has a new one', async (t) => {
  const server = await badServer(t, silence, respond(200, lease));
  const client = clientOf(server.url);
  t.after(() => client.close());
  const answer = await client.write(lease, { as: 'holder', timeoutMs: 200 });
  assert.deepEqual(answer, { kind: 'failed', message: 'updating Lease team/deploy: no answer within 0.2s', applied: 'unknown' });
  assert.equal((await client.write(lease, { as: 'holder', timeoutMs })).kind, 'lease');
  assert.equal(server.connections(), 2);
});

test('an aborted request ends at once', async (t) => {
  const client = clientOf((await badServer(t, silence)).url);
  t.after(() => client.close());
  const stop = new AbortController();
  const answer = client.read({ timeoutMs: 60_000, signal: stop.signal });
  setImmediate(() => stop.abort(new Error('enough')));
  assert.equal((await answer).kind, 'failed');
});

test('where nothing listens nothing was done', async (t) => {
  const server = await badServer(t, silence);
  const client = clientOf(server.url.replace(/\d+$/, '1'));
  const answer = await client.write(lease, { as: 'holder', timeoutMs });
  assert.deepEqual(answer.kind === 'failed' && [answer.applied, /connection was refused/.test(answer.message)], ['no', true]);
});

test('after a 401 the credentials are read anew, once, and the request is sent again', async (t) => {
  const server = await badServer(t, respond(401, status(401, 'Unauthorized')), respond(200, lease));
  const renewals: boolean[] = [];
  const credentials: Cluster['credentials'] = async (renew) => {
    renewals.push(renew);
    return {
      headers: { authorization: renew ? 'Bearer new' : 'Bearer old' },
      tls: { rejectUnauthorized: true },
      proxy: undefined,
    };
  };
  const client = clientOf(server.url, { credentials });
  t.after(() => client.close());
  assert.equal((await client.read({ timeoutMs })).kind, 'lease');
  assert.deepEqual(renewals, [false, true]);
  assert.deepEqual(
    server.headers.map(({ authorization }) => authorization),
    ['Bearer old', 'Bearer new'],
  );
});

test('credentials that do not come in time are a failed request, not a hang', async (t) => {
  const client = clientOf((await badServer(t, silence)).url, { credentials: () => new Promise(() => {}) });
  assert.deepEqual(await client.read({ timeoutMs: 100 }), {
    kind: 'failed',
    message: 'reading Lease team/deploy: no answer within 0.1s',
    applied: 'no',
  });
});

const event = (type: string, version: string) =>
  `${JSON.stringify({ type, object: { ...lease, metadata: { ...lease.metadata, resourceVersion: version } } })}\n`;

/** Streams these lines, each when it is told to go on, and then ends or stays. */
const stream =
  (lines: string[], end: 'end' | 'stay'): Behaviour =>
  (_, response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    for (const line of lines) response.write(line);
    if (end === 'end') response.end();
  };

async function watched(t: TestContext, wanted: number, behaviours: Behaviour[], since?: string) {
  const server = await badServer(t, ...behaviours);
  const troubles: string[] = [];
  const client = clientOf(server.url);
  const events: WatchEvent[] = [];
  await new Promise<void>((resolve) => {
    const onEvent = (each: WatchEvent) => {
      events.push(each);
      if (events.length >= wanted) {
        undo();
        resolve();
      }
    };
    const undo = client.watch({ onEvent, onTrouble: ({ message }) => void troubles.push(message) }, since);
    t.after(undo);
  });
  return { server, troubles, seen: events.map(({ lease }) => lease?.metadata.resourceVersion) };
}

test('a watch that ends is taken up where it was', async (t) => {
  const { server, seen } = await watched(
    t,
    3,
    [
      stream([event('MODIFIED', '8'), event('BOOKMARK', '11')], 'end'),
      stream([event('MODIFIED', '12'), event('DELETED', '13')], 'stay'),
    ],
    '7',
  );
  assert.deepEqual(seen, ['8', '12', undefined]);
  assert.match(server.requests[0] ?? '', /resourceVersion=7$/);
  assert.match(server.requests[1] ?? '', /resourceVersion=11$/);
});

test('a watch that has fallen too far behind says so, and starts from the present', async (t) => {
  const gone = `${JSON.stringify({ type: 'ERROR', object: status(410, 'Expired', { metadata: {} }) })}\n`;
  const { server, seen } = await watched(t, 2, [stream([gone], 'end'), stream([event('ADDED', '30')], 'stay')], '7');
  assert.deepEqual(seen, [undefined, '30'], 'a deletion may have been missed: that is a reason to read');
  assert.doesNotMatch(server.requests[1] ?? '', /resourceVersion/);
});

test('a watch that is refused is tried again, and tells why', async (t) => {
  const { seen, troubles } = await watched(t, 1, [
    respond(403, status(403, 'Forbidden')),
    stream([event('ADDED', '30')], 'stay'),
  ]);
  assert.deepEqual(seen, ['30']);
  assert.match(troubles[0] ?? '', /watching Lease team\/deploy: 403/);
});

test('a watch cut in the middle of a line goes on with a new connection', async (t) => {
  const half: Behaviour = (_, response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.write(event('MODIFIED', '8').slice(0, 20), () => response.destroy());
  };
  const { seen } = await watched(t, 1, [half, stream([event('MODIFIED', '8')], 'stay')], '7');
  assert.deepEqual(seen, ['8']);
});

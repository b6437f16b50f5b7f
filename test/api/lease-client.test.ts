/** One request of the Lease client: on which connection, how long it may take, and with which credentials. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Answer } from '../../src/api/answers.ts';
import type { Cluster } from '../../src/api/cluster.ts';
import { badServer, respond, silence, status } from '../harness/bad-server.ts';
import { manualClock } from '../harness/manual-clock.ts';
import { until } from '../harness/until.ts';
import { clientOf, lease, timeoutMs } from './client.ts';

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
  for (let i = 0; i < 5; i++) await client.write(lease, { manager: i % 2 ? 'two' : 'one', timeoutMs });
  assert.equal(server.connections(), 1);
  assert.match(server.requests[0] ?? '', /^PUT .*fieldManager=one&timeout=/);
  assert.match(server.requests[1] ?? '', /fieldManager=two&/);
});

test('a half-open connection costs its deadline and no more, and the next request has a new one', async (t) => {
  const server = await badServer(t, silence, respond(200, lease));
  const client = clientOf(server.url);
  t.after(() => client.close());
  const answer = await client.write(lease, { manager: 'k8s-lease-lock', timeoutMs: 200 });
  assert.deepEqual(answer, { kind: 'failed', message: 'updating Lease team/deploy: no answer within 0.2s', applied: 'unknown' });
  assert.equal((await client.write(lease, { manager: 'k8s-lease-lock', timeoutMs })).kind, 'lease');
  assert.equal(server.connections(), 2);
});

test('an aborted request ends immediately, and says why', async (t) => {
  const client = clientOf((await badServer(t, silence)).url);
  t.after(() => client.close());
  const stop = new AbortController();
  const answer = client.read({ timeoutMs: 60_000, signal: stop.signal });
  setImmediate(() => stop.abort(new Error('enough')));
  assert.deepEqual(await answer, { kind: 'failed', message: 'reading Lease team/deploy: enough', applied: 'no' });
});

test('where nothing listens nothing was done', async (t) => {
  const server = await badServer(t, silence);
  const client = clientOf(server.url.replace(/\d+$/, '1'));
  const answer = await client.write(lease, { manager: 'k8s-lease-lock', timeoutMs });
  assert.deepEqual(answer.kind === 'failed' && [answer.applied, /connection was refused/.test(answer.message)], ['no', true]);
});

test('after a 5xx the next request uses a new connection', async (t) => {
  const server = await badServer(t, respond(200, lease), respond(503, status(503, 'ServiceUnavailable')), respond(200, lease));
  const client = clientOf(server.url);
  t.after(() => client.close());
  for (const connections of [1, 1, 2]) {
    await client.read({ timeoutMs });
    assert.equal(server.connections(), connections);
  }
});

test('a client that was closed ends what is under way, and can be used again', async (t) => {
  const server = await badServer(t, silence, respond(200, lease));
  const client = clientOf(server.url);
  t.after(() => client.close());
  const answer = client.read({ timeoutMs: 60_000 });
  await until(() => server.requests.length === 1, 'it is asked');
  client.close();
  assert.equal((await answer).kind, 'failed');
  assert.equal((await client.read({ timeoutMs })).kind, 'lease');
});

test('after a 401 the credentials are read again, once, and the request is sent again', async (t) => {
  const server = await badServer(t, respond(401, status(401, 'Unauthorized')), respond(200, lease));
  const refusals: unknown[] = [];
  const credentials: Cluster['credentials'] = async ({ refused }) => {
    refusals.push(refused?.headers.authorization);
    return {
      headers: { authorization: refused ? 'Bearer new' : 'Bearer old' },
      tls: { rejectUnauthorized: true },
      proxy: undefined,
    };
  };
  const client = clientOf(server.url, { credentials });
  t.after(() => client.close());
  assert.equal((await client.read({ timeoutMs })).kind, 'lease');
  assert.equal(server.connections(), 2, 'an API server that is being removed answers 401 on old connections');
  assert.deepEqual(refusals, [undefined, 'Bearer old']);
  assert.deepEqual(
    server.headers.map(({ authorization }) => authorization),
    ['Bearer old', 'Bearer new'],
  );
});

test('credentials that do not come in time are a failed request, not a hang', async (t) => {
  const clock = manualClock();
  const client = clientOf((await badServer(t, silence)).url, { credentials: () => new Promise(() => {}), clock });
  let answer: Answer | undefined;
  const answered = client.read({ timeoutMs: 100 }).then((each) => {
    answer = each;
  });
  await clock.advance(599_000);
  assert.equal(answer, undefined, 'somebody may have to log in');
  await clock.advance(1000);
  await answered;
  assert.deepEqual(answer, { kind: 'failed', message: 'reading Lease team/deploy: no credentials within 10m', applied: 'no' });
});

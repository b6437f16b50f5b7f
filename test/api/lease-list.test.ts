/** Leases for somebody who only looks: how many requests it takes, and what is said if there is no answer. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { leaseReader } from '../../src/api/lease-list.ts';
import { systemClock } from '../../src/clock.ts';

type Answered = { status?: number; body: object };

async function readerOf(t: TestContext, answer: (url: URL) => Answered) {
  const asked: URL[] = [];
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '', 'http://x');
    asked.push(url);
    const { status = 200, body } = answer(url);
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const credentials = async () => ({ headers: {}, tls: { rejectUnauthorized: true }, proxy: undefined });
  const cluster = { server: url, source: 'test', namespace: 'default', credentials, podToken: async () => undefined };
  const reader = leaseReader(cluster, systemClock());
  t.after(() => {
    reader.close();
    server.close();
  });
  return { reader, asked };
}

const leases = (count: number) =>
  Array.from({ length: count }, (_, i) => ({ metadata: { name: `lock-${i}`, namespace: 'ci' }, spec: {} }));
const listed = (items: object[], next = '') => ({ kind: 'LeaseList', metadata: { continue: next }, items });

test('a thousand locks cost one request', async (t) => {
  const { reader, asked } = await readerOf(t, () => ({ body: listed(leases(1000)) }));
  const seen = await reader.list('ci', 'a=b');
  assert.ok(seen.kind === 'leases');
  assert.equal(seen.leases.length, 1000);
  assert.ok(Math.abs((seen.nowMs ?? 0) - Date.now()) < 5000, 'the Date of the answer');
  assert.deepEqual(
    asked.map(({ pathname, searchParams }) => [pathname, searchParams.get('labelSelector')]),
    [['/apis/coordination.k8s.io/v1/namespaces/ci/leases', 'a=b']],
  );
});

test('more than that come page by page', async (t) => {
  const { reader, asked } = await readerOf(t, ({ searchParams }) => ({
    body: searchParams.has('continue') ? listed(leases(3)) : listed(leases(1000), 'more'),
  }));
  const seen = await reader.list(undefined, '');
  assert.ok(seen.kind === 'leases');
  assert.equal(seen.leases.length, 1003);
  assert.deepEqual(
    asked.map(({ pathname, searchParams }) => [pathname, searchParams.get('continue')]),
    [
      ['/apis/coordination.k8s.io/v1/leases', null],
      ['/apis/coordination.k8s.io/v1/leases', 'more'],
    ],
  );
});

test('who may not list is told what to do instead; an answer that is no list is none', async (t) => {
  const forbidden = { kind: 'Status', message: 'leases is forbidden', reason: 'Forbidden' };
  const { reader } = await readerOf(t, () => ({ status: 403, body: forbidden }));
  const refused = await reader.list('ci', '');
  assert.match(
    refused.kind === 'refused' ? refused.message : '',
    /listing Leases in namespace ci: 403: .* give the names of the locks/,
  );
  const { reader: other } = await readerOf(t, () => ({ body: { kind: 'PodList', items: [] } }));
  assert.match(JSON.stringify(await other.list('ci', '')), /"failed".*listing Leases in namespace ci/);
});

// The embedded server's file: what is kept over a restart, and what is refused at the start.
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, it } from 'node:test';
import { type LeaseServer, startLeaseServer } from '../../src/server/server.ts';
import { createLeaseStore } from '../../src/server/store.ts';
import { apiClient } from '../harness/api.ts';
import { lease } from './lab.ts';

const folder = mkdtempSync(join(tmpdir(), 'lease-server-'));
after(() => rmSync(folder, { recursive: true }));

const PATH = '/apis/coordination.k8s.io/v1/namespaces/demo/leases/deploy';
const put = (server: LeaseServer, spec: object, metadata: object = {}) =>
  apiClient(server).request('PUT', PATH, lease('deploy', spec, metadata));
const get = (server: LeaseServer) => apiClient(server).request('GET', PATH);

it('Leases outlive the server that keeps them in a file, and versions go on growing', async () => {
  const data = join(folder, 'deeper', 'kept.json');
  const first = await startLeaseServer({ data });
  const made = await put(first, { holderIdentity: 'alice' }, { annotations: { note: 'hello' } });
  await first.close();

  const second = await startLeaseServer({ data });
  assert.deepEqual((await get(second)).body, made.body);
  await apiClient(second).request('DELETE', PATH);
  await second.close();

  const third = await startLeaseServer({ data });
  assert.equal((await get(third)).status, 404);
  const again = await put(third, {});
  const grown = BigInt(again.body.metadata.resourceVersion) - BigInt(made.body.metadata.resourceVersion);
  assert.equal(grown, 2n, 'one version for the deletion, one for the creation');
  await third.close();
  assert.deepEqual(readdirSync(join(folder, 'deeper')), ['kept.json'], 'nothing is left beside it');
});

it('who watched before a restart has to start over', async () => {
  const data = join(folder, 'watched.json');
  const first = await startLeaseServer({ data });
  const { resourceVersion } = (await put(first, {})).body.metadata;
  await put(first, { holderIdentity: 'alice' }, { resourceVersion });
  await first.close();
  const second = await startLeaseServer({ data });
  const watching = await apiClient(second).watch(`${PATH.replace('/deploy', '')}?resourceVersion=${resourceVersion}`);
  assert.equal((await watching.next())?.object.reason, 'Expired');
  await second.close();
});

it('a file that holds no such state is refused and left alone', async () => {
  const data = join(folder, 'corrupt.json');
  for (const text of [
    '',
    '{"format":',
    '{}',
    '[]',
    '{"format":"k8s-lease-lock/leases/1","resourceVersion":"7","leases":[{"metadata":{"name":5}}]}',
  ]) {
    writeFileSync(data, text);
    await assert.rejects(
      startLeaseServer({ data }),
      /corrupt\.json holds no leases that can be read \(.+\); move it away to start with none$/,
    );
    assert.equal(readFileSync(data, 'utf8'), text);
  }
});

it('a write that cannot be saved is not done', () => {
  let full = false;
  const store = createLeaseStore({
    now: () => new Date(0),
    uid: () => 'uid',
    save() {
      if (full) throw new Error('no space left');
    },
  });
  const events: string[] = [];
  store.subscribe({ matches: () => true }, ({ type }) => events.push(type));
  const options = { manager: 'alice' };
  store.put('demo', 'deploy', lease('deploy'), options);
  full = true;
  const version = store.resourceVersion();
  assert.throws(() => store.put('demo', 'other', lease('other'), options), /no space left/);
  assert.throws(() => store.delete('demo', 'deploy'), /no space left/);
  assert.equal(store.resourceVersion(), version);
  assert.equal(store.get('demo', 'deploy').code, 200);
  assert.equal(store.get('demo', 'other').code, 404);
  assert.deepEqual(events, ['ADDED']);
});

it('a watcher that is too far behind is told so', () => {
  const store = createLeaseStore({ now: () => new Date(0), uid: () => 'uid', historyLimit: 2 });
  const since = BigInt(store.resourceVersion());
  for (const name of ['a', 'b']) store.put('demo', name, lease(name), { manager: 'alice' });
  const names: string[] = [];
  const late = () => store.subscribe({ matches: () => true, since }, ({ object }) => names.push(object.metadata.name));
  assert.ok('undo' in late());
  assert.deepEqual(names, ['a', 'b']);
  store.put('demo', 'c', lease('c'), { manager: 'alice' });
  assert.equal((late() as { code?: number }).code, 410);
});

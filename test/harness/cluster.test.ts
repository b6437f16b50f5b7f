// A real cluster of one's own: it can be killed, frozen and brought back, and what it says after that.
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { type OwnCluster, startCluster } from './cluster.ts';
import { missing } from './real.ts';

describe('a cluster that a test started', { skip: missing }, async () => {
  const cluster: OwnCluster | null = missing ? null : await startCluster();
  after(() => cluster?.stop());
  const own = (): OwnCluster => {
    assert.ok(cluster);
    return cluster;
  };

  it('keeps its Leases and its port over a kill of the API server, and forgets the events before', async () => {
    const { request, watch, controlPlane } = own();
    const ns = await own().namespace();
    const leases = `/apis/coordination.k8s.io/v1/namespaces/${ns}/leases`;
    const path = `${leases}/kept`;
    const made = await request('PUT', path, { metadata: { name: 'kept' }, spec: { holderIdentity: 'alice' } });
    const before = own().pids;
    await controlPlane.killApiServer();
    await assert.rejects(request('GET', path));
    await controlPlane.startApiServer();
    assert.equal(own().pids.etcd, before.etcd);
    assert.notEqual(own().pids.apiServer, before.apiServer);
    assert.deepEqual((await request('GET', path)).body, made.body);

    const watching = await watch(`${leases}?resourceVersion=1`);
    const event = await watching.next();
    assert.equal(event?.type, 'ERROR');
    assert.equal(event?.object.code, 410);
    assert.equal(event?.object.reason, 'Expired');
    assert.match(event?.object.message ?? '', /^too old resource version: 1 \(\d+\)$/);
    assert.equal(await watching.next(), undefined);
  });

  it('answers nothing while it is frozen, and goes on afterwards', async () => {
    const { request, controlPlane } = own();
    await controlPlane.freeze('apiServer');
    await assert.rejects(request('GET', '/readyz', undefined, { signal: AbortSignal.timeout(200) }), { name: 'AbortError' });
    controlPlane.resume('apiServer');
    assert.equal((await request('GET', '/readyz')).text, 'ok');
  });
});

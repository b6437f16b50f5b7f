/** A lock whose holder has been dead for long, on the real API server: it is taken before its lease has been seen to run out. */
import assert from 'node:assert/strict';
import { guard } from '../harness/guards.ts';
import { real, realCluster } from '../harness/real.ts';

for (const patience of [
  ['--timeout', '30s'],
  ['--on-busy', 'skip'],
]) {
  real(`a lease left by a long-dead holder is taken before it has been seen to run out (${patience.join(' ')})`, async (t) => {
    const cluster = await realCluster();
    const { namespace, kubeconfig, request } = cluster;
    const ns = await namespace('dead');
    const path = `/apis/coordination.k8s.io/v1/namespaces/${ns}/leases/deploy`;
    const lock = ['--kubeconfig', kubeconfig, '-n', ns, '--name', 'deploy', '--lease-duration', '8s', '--kill-grace', '1s'];
    const holder = guard(t, ['run', ...lock, '--', 'sh', '-c', 'echo $$; exec sleep 60']);
    await holder.prints(/\d+/);
    holder.kill('SIGKILL');
    process.kill(Number(holder.stdout), 'SIGKILL');
    // Time can't be waited for here, so the record of the last write is set back. The API server takes that only along with another change.
    const { body } = await request('GET', path);
    const managedFields = body.metadata.managedFields?.map((entry) => ({ ...entry, time: '2026-01-01T00:00:00Z' }));
    const back = await request('PUT', `${path}?fieldManager=somebody`, {
      ...body,
      metadata: { ...body.metadata, managedFields, labels: { touched: 'yes' } },
    });
    assert.equal(back.status, 200);
    assert.match(String(back.body.spec.holderIdentity), /./, 'the dead one still stands there');
    const { code, stderr } = await guard(t, ['run', ...lock, ...patience, '--', 'true']).finished;
    assert.equal(code, 0, stderr);
    const [, waited = '99'] = /acquired Lease \S+ after ([\d.]+)s/.exec(stderr) ?? [];
    // A quarter of eight seconds and two requests, where its lease would last for ten.
    assert.ok(Number(waited) > 4 && Number(waited) < 8, `${waited}s`);
  });
}

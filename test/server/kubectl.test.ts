// The real kubectl against the embedded server: what people do to look at a lock and to help it along.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { missing, realCluster } from '../harness/real.ts';
import { embeddedTarget } from '../harness/targets.ts';
import { lease, NOW } from './lab.ts';

const program = missing ? '' : (await realCluster()).kubectl;

describe('kubectl and the embedded server', { skip: missing }, async () => {
  const server = await embeddedTarget();
  const home = mkdtempSync(join(tmpdir(), 'kubectl-'));
  after(async () => {
    await server.close();
    rmSync(home, { recursive: true });
  });
  const kubectl = async (...args: string[]) => {
    const env = { PATH: process.env.PATH, HOME: home, KUBECONFIG: '/dev/null' };
    const { stdout } = await promisify(execFile)(program, ['--server', server.url, '--namespace', 'demo', ...args], { env });
    return stdout;
  };
  const path = '/apis/coordination.k8s.io/v1/namespaces/demo/leases/deploy';
  const put = () =>
    server.request('PUT', path, lease('deploy', { holderIdentity: 'alice', leaseDurationSeconds: 60, renewTime: NOW }));

  it('get shows name, holder and age', async () => {
    await put();
    assert.match(await kubectl('get', 'leases'), /^NAME +HOLDER +AGE\ndeploy +alice +\d+s\n$/);
    assert.match(await kubectl('get', 'leases', '--all-namespaces'), /\ndemo +deploy +alice /);
  });

  it('get -o yaml and describe show the whole', async () => {
    assert.match(
      await kubectl('get', 'lease', 'deploy', '-o', 'yaml'),
      /\n {2}holderIdentity: alice\n.*\n {2}renewTime: "2026-11-24T05:59:47\.123456Z"\n/s,
    );
    assert.match(await kubectl('describe', 'lease', 'deploy'), /Holder Identity: +alice\n/);
  });

  it('annotate, label and patch change it', async () => {
    await kubectl('annotate', 'lease', 'deploy', 'example.com/note=hello');
    await kubectl('label', 'lease', 'deploy', 'app=x');
    await kubectl('patch', 'lease', 'deploy', '--type=merge', '--patch', '{"spec":{"leaseTransitions":3}}');
    const { body } = await server.request('GET', path);
    assert.deepEqual(body.metadata.annotations, { 'example.com/note': 'hello' });
    assert.equal(body.spec.leaseTransitions, 3);
    assert.equal(await kubectl('get', 'leases', '-l', 'app=x', '-o', 'name'), 'lease.coordination.k8s.io/deploy\n');
  });

  it('wait sees a holder', async () => {
    assert.match(
      await kubectl('wait', '--for=jsonpath={.spec.holderIdentity}=alice', 'lease/deploy', '--timeout=10s'),
      /condition met/,
    );
  });

  it('delete waits until it is gone', async () => {
    assert.match(await kubectl('delete', 'lease', 'deploy'), /^lease\.coordination\.k8s\.io "deploy" deleted/);
    assert.equal((await server.request('GET', path)).status, 404);
  });
});

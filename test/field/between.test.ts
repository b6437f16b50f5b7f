/**
 * What stands between a guard and its API server: balancers in a rollout, and the proxies of service meshes, which come up after the guard and go before
 * it. None of it ends a wait that has just begun, and none of it lets two run.
 */
import assert from 'node:assert/strict';
import { connect, createServer } from 'node:net';
import type { TestContext } from 'node:test';
import { EXIT } from '../../image/exit-codes.ts';
import { type Behaviour, pass, reset, respond } from '../harness/fault-behaviours.ts';
import { faultProxy } from '../harness/fault-proxy.ts';
import { guard, reach } from '../harness/guards.ts';
import { freePort } from '../harness/ports.ts';
import { real, realCluster } from '../harness/real.ts';

/** Envoy's own words, in which a request to a cluster without an endpoint ends. */
const ENVOY = 'upstream connect error or disconnect/reset before headers. reset reason: connection failure';

async function between(t: TestContext) {
  const cluster = await realCluster();
  const { url, ca, caFile, adminTokenFile: tokenFile } = cluster;
  const proxy = await faultProxy({ url, ca });
  t.after(() => proxy.close());
  const namespace = await cluster.namespace('between');
  const run = (server: string, args: string[]) =>
    guard(t, ['run', ...reach({ url: server, caFile, tokenFile }), '-n', namespace, '--name', 'deploy', ...args]);
  return { proxy, run, direct: url };
}

/** Passes connections on, as the sidecar of a mesh does. */
async function forward(t: TestContext, port: number, to: string): Promise<void> {
  const server = createServer((near) => {
    const far = connect(Number(new URL(to).port), '127.0.0.1');
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const)
      one
        .on('error', () => {})
        .on('close', () => other.destroy())
        .pipe(other);
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  t.after(() => server.close());
}

const BLIPS: [string, Behaviour][] = [
  ['a balancer that knows no backend', respond(404, 'default backend - 404')],
  ['a maintenance page', respond(200, '<h1>Back in a moment</h1>')],
  ['a balancer without a healthy backend', respond(503, 'no healthy upstream')],
  ['a bad gateway', respond(502, '<center>nginx</center>')],
  ["a mesh's proxy that has no route yet", respond(503, ENVOY, { 'content-type': 'text/plain' })],
  ['a proxy that resets its connections', reset],
];

for (const [what, blip] of BLIPS)
  real(`${what}, for a moment and at first contact: the command runs, once the API server answers`, async (t) => {
    const { proxy, run } = await between(t);
    proxy.set(({ nth }) => (nth <= 3 ? blip : pass));
    const { code, stdout, stderr } = await run(proxy.url, ['--', 'echo', 'ran']).finished;
    assert.deepEqual([code, stdout], [0, 'ran\n'], stderr);
    assert.match(stderr, /trying again in/);
  });

real('a wrong address is no blip: within seconds the wait ends with 78 and what has answered', async (t) => {
  const { proxy, run } = await between(t);
  for (const [blip, said] of [
    [respond(404, 'no such page'), /404 with .*"no such page".*is \S+ a Kubernetes API server, and nothing in between\?/],
    [respond(200, '<h1>Welcome</h1>'), /200 with .*"<h1>Welcome<\/h1>".* instead of a Lease/],
  ] as const) {
    proxy.set(() => blip);
    const began = performance.now();
    const { code, stdout, stderr } = await run(proxy.url, ['--', 'echo', 'ran']).finished;
    assert.deepEqual([code, stdout], [EXIT.configuration.code, ''], stderr);
    assert.match(stderr, said);
    const tookMs = performance.now() - began;
    assert.ok(tookMs > 4500 && tookMs < 20_000, `${tookMs} ms`);
    const once = await run(proxy.url, ['--on-busy', 'skip', '--', 'echo', 'ran']).finished;
    assert.equal(once.code, EXIT.configuration.code, 'one try is one try');
  }
});

real('a guard that starts before the proxy of its mesh waits for it; one try does with a timeout', async (t) => {
  const { proxy, run } = await between(t);
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const waiting = run(url, ['--', 'echo', 'ran']);
  const skipping = run(url, ['--on-busy', 'skip', '--timeout', '60s', '--', 'echo', 'ran']);
  for (const each of [waiting, skipping]) await each.says(/the connection was refused.*trying again/);
  const once = await run(url, ['--on-busy', 'skip', '--', 'echo', 'ran']).finished;
  assert.deepEqual([once.code, once.stdout], [EXIT.unreachable.code, '']);
  await forward(t, port, proxy.url);
  for (const each of [waiting, skipping]) {
    const { code, stdout, stderr } = await each.finished;
    assert.deepEqual([code, stdout], [0, 'ran\n'], stderr);
  }
});

real(
  'a proxy that ends before the guard costs the release, not the exit code, and nobody runs before the lease is over',
  async (t) => {
    const { proxy, run, direct } = await between(t);
    const alice = run(proxy.url, [
      '--lease-duration',
      '6s',
      '--kill-grace',
      '500ms',
      '--',
      'sh',
      '-c',
      'echo ran; read _; exit 3',
    ]);
    await alice.prints(/ran/);
    await proxy.close();
    alice.input('\n');
    const { code, stderr } = await alice.finished;
    assert.equal(code, 3, stderr);
    assert.match(stderr, /not released: .*; the lock expires by itself/);
    const bob = run(direct, ['--timeout', '60s', '--', 'echo', 'ran']);
    await bob.says(/waiting for Lease .*held by/);
    const { stdout } = await bob.finished;
    assert.equal(stdout, 'ran\n');
  },
);

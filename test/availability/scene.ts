/**
 * Two API servers on one store, of the chosen version and of the newest (../versions), and guards on them: alice holds until she is told to end, others
 * wait for her, one behind the other. Both servers belong to the test file, which may mistreat them.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, type TestContext } from 'node:test';
import { newestApiServer } from '../cluster/binaries.ts';
import { type Api, type ApiObject, apiClient } from '../harness/api.ts';
import { type OwnCluster, startCluster } from '../harness/cluster.ts';
import type { AnotherApiServer } from '../harness/control-plane.ts';
import { type Guard, guard, type Interval, intervals, overlap, reach, recorded, tempFolder } from '../harness/guards.ts';
import { missing } from '../harness/real.ts';
import { until } from '../harness/until.ts';

/** Of the lease: longer than an API server takes to start. */
const SECONDS = 12;

export interface Pair {
  cluster: OwnCluster;
  first: AnotherApiServer;
  second: AnotherApiServer;
}

export interface Scene extends Pair {
  urls: [string, string];
  namespace: string;
  /** Work that says that it holds, and lasts until `input`. */
  untilInput(who: string): string;
  holder(who: string, url: string): Promise<Guard>;
  /** Stands in the queue, at its end. */
  waiter(who: string, url: string, work?: string): Promise<Guard>;
  lease(): Promise<ApiObject>;
  /** Resolves once the holder has renewed. */
  renewed(): Promise<void>;
  /** Who ran, in that order, and that nobody ran beside another. */
  ran(): Interval[];
}

/** Once for a test file: starts with the first test that asks, and ends with the file. */
export function pairOfServers(): () => Promise<Pair> {
  let pair: Promise<Pair> | undefined;
  const start = async (): Promise<Pair> => {
    const newest = await newestApiServer();
    if (typeof newest !== 'string') throw new Error(newest.missing);
    const cluster = await startCluster();
    const { controlPlane, url } = cluster;
    const first = {
      url,
      kill: controlPlane.killApiServer,
      start: controlPlane.startApiServer,
      freeze: () => controlPlane.freeze('apiServer'),
      resume: () => controlPlane.resume('apiServer'),
    };
    return { cluster, first, second: await controlPlane.startAnother(newest) };
  };
  after(async () => {
    if (pair && !missing) await (await pair).cluster.stop();
  });
  return () => {
    pair ??= start();
    return pair;
  };
}

export async function setScene(t: TestContext, pair: Pair, seconds = SECONDS): Promise<Scene> {
  const { cluster, first, second } = pair;
  const { ca, caFile, adminToken, adminTokenFile: tokenFile } = cluster;
  const namespace = await cluster.namespace('available');
  const file = join(tempFolder(t), 'ran');
  writeFileSync(file, '');
  const urls: [string, string] = [first.url, second.url];
  const apis = urls.map((url) => apiClient({ url, ca, token: adminToken }));
  const run = (who: string, url: string, work: string) => {
    const lock = ['-n', namespace, '--name', 'deploy', '--holder', who];
    const durations = ['--lease-duration', `${seconds}s`, '--kill-grace', '500ms'];
    const command = recorded(file, who, work);
    return guard(t, ['run', ...reach({ url, caFile, tokenFile }), ...lock, ...durations, '--', ...command]);
  };
  // Its end is noted again and again: whoever stops it leaves it no time to say when.
  const untilInput = (who: string) =>
    `(while :; do echo end ${who} "$LEASE_LOCK_TOKEN" $(date +%s%N) >>${file}; sleep 0.05; done) & echo holds; read _; kill $!; wait`;
  const lease = () => leaseFrom(apis, `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/deploy`);
  const renewTime = async () => (await lease()).spec.renewTime;
  return {
    ...pair,
    urls,
    namespace,
    untilInput,
    async holder(who, url) {
      const alice = run(who, url, untilInput(who));
      await alice.prints(/holds/);
      return alice;
    },
    async waiter(who, url, work = 'sleep 0.1') {
      const waiting = run(who, url, work);
      await waiting.says(/waiting for Lease|next in queue/);
      return waiting;
    },
    lease,
    async renewed() {
      const before = await renewTime();
      await until(async () => (await renewTime()) !== before, 'it is renewed');
    },
    ran() {
      const all = intervals(file);
      assert.equal(overlap(all), undefined);
      return all;
    },
  };
}

/** From whichever answers: one of them may be away. */
async function leaseFrom(apis: Pick<Api, 'request'>[], path: string): Promise<ApiObject> {
  const signal = AbortSignal.timeout(20_000);
  const { status, body, text } = await Promise.any(apis.map((api) => api.request('GET', path, undefined, { signal })));
  assert.equal(status, 200, text);
  return body;
}

/** All end well, and then they have run one after the other, in this order. */
export async function assertOrder(scene: Scene, guards: Record<string, Guard>): Promise<void> {
  for (const [who, { finished }] of Object.entries(guards)) {
    const { code, stderr } = await finished;
    assert.equal(code, 0, `${who}: ${stderr}`);
    assert.doesNotMatch(stderr, /lost Lease/);
  }
  assert.deepEqual(
    scene.ran().map(({ who }) => who),
    Object.keys(guards),
  );
}

/** From the end of the first to the start of the last, in milliseconds. */
export function handOversMs({ ran }: Scene): number {
  const all = ran();
  return Number((all.at(-1)?.from ?? 0n) - (all[0]?.to ?? 0n)) / 1e6;
}

/** Where a story is played: a namespace and a folder of its own, a proxy or a wire in front of the API server, and the guards that are started. */
import assert from 'node:assert/strict';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, uptime } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Cluster } from '../harness/cluster.ts';
import { machineMs } from '../harness/fault-exchange.ts';
import { faultProxy } from '../harness/fault-proxy.ts';
import { type Guard, guard } from '../harness/guards.ts';
import { kill } from '../harness/processes.ts';
import { until } from '../harness/until.ts';
import { type ActorOptions, type Cell, DURATION_MS, GRACE_MS, type Story } from './cell.ts';
import { landed, leases, watchWrites } from './history.ts';
import { MARK, marked, startedBy } from './processes.ts';
import { type Wire, wireTo } from './wire.ts';
import { work } from './worker.ts';

const PRELOAD = fileURLToPath(new URL('preload.mjs', import.meta.url));

export async function setUp(t: TestContext, cluster: Cluster, cell: Cell): Promise<Story> {
  const folder = mkdtempSync(join(tmpdir(), 'k8s-lease-lock-fault-'));
  for (const file of ['processes', 'life']) writeFileSync(join(folder, file), '');
  const namespace = await cluster.namespace('fault');
  const proxy = await faultProxy(cluster);
  const wire = cell.via === 'wire' ? await wireTo(cluster.url) : undefined;
  const history = await watchWrites(cluster, namespace);
  t.after(async () => {
    history.end();
    for (const { pid } of marked(folder)) kill(pid);
    await Promise.all([proxy.close(), wire?.close()]);
    rmSync(folder, { recursive: true, force: true });
  });
  const story: Story = {
    t,
    cluster,
    proxy,
    wire: wire as Wire,
    namespace,
    folder,
    durationMs: cell.durationMs ?? DURATION_MS,
    alice: undefined as unknown as Guard,
    bob: undefined as unknown as Guard,
    guards: new Map(),
    guard(who, options) {
      const started = startGuard(story, who, options);
      story.guards.set(who, started);
      return started;
    },
    runs: (who) => runs(story, who),
    writes: () => (wire ? history.writes : landed(proxy.writes)),
    ...theLease(cluster, namespace),
    ...orders(folder),
    ...moments(),
  };
  return story;
}

function theLease({ request }: Cluster, namespace: string): Pick<Story, 'lease' | 'request' | 'patch'> {
  const path = `${leases(namespace)}/lock`;
  return {
    lease: async () => (await request('GET', path)).body,
    request: (method, body) => request(method, path, body),
    async patch(change) {
      const answer = await request('PATCH', path, change, { contentType: 'application/merge-patch+json' });
      assert.equal(answer.status, 200, answer.text);
    },
  };
}

/** By files, which the guards and their commands look at. */
function orders(folder: string): Pick<Story, 'finish' | 'preload' | 'setToken'> {
  const from = { machineMs: machineMs(), bootMs: uptime() * 1000 };
  return {
    finish: (who) => writeFileSync(join(folder, `finish-${who}`), ''),
    preload(who, fault) {
      const file = join(folder, `preload-${who}`);
      writeFileSync(`${file}.new`, JSON.stringify({ ...fault, from }));
      renameSync(`${file}.new`, file); // Whoever reads it reads all of it.
    },
    setToken: (who, token) => writeFileSync(join(folder, `token-${who}`), token),
  };
}

function moments(): Pick<Story, 'mark' | 'marked'> {
  const marks = new Map<string, number>();
  return { mark: (what) => void marks.set(what, machineMs()), marked: (what) => marks.get(what) ?? 0 };
}

async function runs({ folder, guards }: Story, who: string): Promise<void> {
  const isUp = () => startedBy({ folder }, who).length > 0;
  const words = () => `${who}'s command does not run: ${guards.get(who)?.stderr}`;
  let over = false;
  void guards.get(who)?.finished.then(() => {
    over = true;
  });
  await until(() => isUp() || over, words);
  assert.ok(isUp(), words());
}

function startGuard(story: Story, who: string, options: ActorOptions = {}): Guard {
  const { t, cluster, proxy, wire, namespace, folder, durationMs } = story;
  const { through = 'nothing', how = {}, args = [], env = {}, asUser, fault } = options;
  const tokenFile = asUser === undefined ? options.tokenFile : cluster.userToken(asUser);
  const urls = { proxy: proxy.url, wire: `https://127.0.0.1:${wire?.port}`, nothing: cluster.url };
  const file = tokenFile === undefined ? cluster.adminTokenFile : join(folder, `token-${who}`);
  if (tokenFile !== undefined) writeFileSync(file, tokenFile);
  const reach = ['--server', urls[through], '--token-file', file, '--certificate-authority', cluster.caFile];
  const lock = ['-n', namespace, '--name', 'lock', '--holder', who];
  const durations = ['--lease-duration', `${durationMs / 1000}s`, '--kill-grace', `${GRACE_MS}ms`];
  if (fault) story.preload(who, fault);
  const preload = { NODE_OPTIONS: `--import=${PRELOAD}`, FAULT_PRELOAD: join(folder, `preload-${who}`) };
  return guard(t, ['run', ...reach, ...lock, ...durations, ...args, '--', ...work({ folder, who }, how)], {
    env: { [MARK]: folder, ...(fault && preload), ...env },
  });
}

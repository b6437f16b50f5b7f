/**
 * One cell of the fault matrix as a story: alice holds the lock and runs a command, bob waits for it, something goes wrong, and bob may
 * start only when the last process of alice is gone. Both are real guards on a real API server; alice's requests go through a proxy (or a
 * wire) of the cell's own, bob's go straight. What was seen is kept as evidence; see table.ts.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, uptime } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Answer, ApiObject } from '../harness/api.ts';
import type { Cluster } from '../harness/cluster.ts';
import { type FaultProxy, faultProxy, machineMs, type ProxiedWrite } from '../harness/fault-proxy.ts';
import { type Finished, type Guard, guard } from '../harness/guards.ts';
import { real, realCluster } from '../harness/real.ts';
import { type Evidence, keepEvidence } from './evidence.ts';
import {
  childrenOf,
  describe,
  firstRun,
  isAlive,
  kill,
  lastLife,
  livingOf,
  MARK,
  marked,
  type Process,
  started,
  watchProcesses,
} from './processes.ts';
import { type Wire, wireTo } from './wire.ts';
import { type Work, work } from './worker.ts';

export interface Cell {
  /** What was done, as the table shows it. */
  name: string;
  /** Why nobody else's command can run at the same time. */
  why: string;
  /** How alice reaches the API server; the proxy if nothing is said. */
  via?: 'wire';
  /** Alice's command; it runs until it is stopped or told to finish. */
  work?: Work;
  alice?: ActorOptions;
  bob?: ActorOptions;
  /** Of both their leases; DURATION_MS if nothing is said. */
  durationMs?: number;
  /** Before anybody starts. */
  before?(story: Story): void | Promise<void>;
  /** Alice runs and bob waits. */
  inject(story: Story): void | Promise<void>;
  /** `goes on`: alice keeps the lock until her command ends by itself, which it is told to after `inject`. `ends`: the guard ends it. */
  outcome: 'goes on' | 'ends';
  /** Alice's exit code; null where her guard was killed. */
  code: number | null | readonly number[];
  /** What alice says. */
  says?: readonly RegExp[];
  /** Alice leaves her lock to expire. */
  leavesLock?: boolean;
  /** After both have ended. */
  after?(story: Story, alice: Finished): void | Promise<void>;
  /** From which moment on another could have had the lock, where it is neither the expiry of alice's lease nor her release. */
  freeFrom?(story: Story): { at: number; by: string };
}

export interface Story {
  t: TestContext;
  cluster: Cluster;
  proxy: FaultProxy;
  /** Only for cells that ask for it. */
  wire: Wire;
  namespace: string;
  folder: string;
  durationMs: number;
  alice: Guard;
  bob: Guard;
  /** By whose they are. */
  guards: Map<string, Guard>;
  /** Another guard in the same story. */
  guard(who: string, options?: ActorOptions): Guard;
  lease(): Promise<ApiObject>;
  request(method: string, body?: unknown): Promise<Answer>;
  /** Merges into the Lease as an administrator would. */
  patch(change: object): Promise<void>;
  /** Tells a contender's command to end. */
  finish(who: string): void;
  /** Sets what is preloaded into a contender's guard. */
  preload(who: string, fault: Fault): void;
  /** Resolves when the command of that contender is seen to run. */
  runs(who: string): Promise<void>;
  /** Alice's writes that the API server has carried out, each dated before it was, oldest first. */
  writes(): { at: number; holder: string }[];
  /** Notes the moment, for `freeFrom` to ask for. */
  mark(what: string): void;
  marked(what: string): number;
  /** Writes another token into the file of a guard that was given one. */
  setToken(who: string, token: string): void;
}

/** What preload.mjs does to a guard. */
export interface Fault {
  /** How fast all its clocks and timers run; 1 is right. From its start. */
  rate?: number;
  /** Added to the wall clock. */
  wallMs?: number;
  /** Added to the boot-time clock alone: what a suspend does. */
  suspendedMs?: number;
  /** The process with this id does nothing for so long, once. */
  hang?: { pid: number; ms: number };
}

export interface ActorOptions {
  through?: 'proxy' | 'wire' | 'nothing';
  how?: Work;
  args?: string[];
  env?: Record<string, string>;
  /** Text of the token file that the guard is given; the administrator's if nothing is said. */
  tokenFile?: string;
  /** One of the cluster's users without any right of its own. */
  asUser?: number;
  /** To be changed later by `preload`. */
  fault?: Fault;
}

export const DURATION_MS = 6000;
const GRACE_MS = 500;
/** What src/protocol/timings.ts makes of these: from the send of the last good write to SIGTERM. */
export const STOP_AFTER_MS = 4700;
export const PROTOCOL = 'lease-lock.nullplatform.com';

/** Far above anything that a busy machine needs: a story that waits longer is stuck. */
const PATIENCE_MS = 90_000;
const LOOK_MS = 10;
const PRELOAD = fileURLToPath(new URL('preload.mjs', import.meta.url));

export function cellTests(group: string, cells: readonly Cell[]): void {
  for (const cell of cells) real(cell.name, async (t) => await play(t, { group, cluster: await realCluster(), cell }));
}

export async function play(
  t: TestContext,
  { group, cluster, cell }: { group: string; cluster: Cluster; cell: Cell },
): Promise<void> {
  const story = await setUp(t, cluster, cell);
  await cell.before?.(story);
  story.alice = story.guard('alice', { through: cell.via ?? 'proxy', how: cell.work ?? {}, ...cell.alice });
  await story.runs('alice');
  story.bob = story.guard('bob', { how: { livesMs: 150 }, ...cell.bob });
  await story.bob.says(/next in queue/);
  const watching = watchProcesses(story.folder);
  t.after(watching.end);
  const helpers = [story.alice, story.bob].flatMap(({ pid }) => childrenOf(pid));
  t.after(() => {
    for (const { pid } of helpers.filter(isAlive)) kill(pid);
  });

  await cell.inject(story);
  if (cell.outcome === 'goes on') {
    assert.notEqual(livingOf(story.folder, 'alice').length, 0, `alice was stopped: ${story.alice.stderr}`);
    assert.deepEqual(startedBy(story, 'bob'), []);
    story.finish('alice');
  }
  const alice = await patiently(story.alice.finished, () => `alice does not end: ${story.alice.stderr}`);
  const bob = await patiently(story.bob.finished, () => `bob does not end: ${story.bob.stderr}`);
  watching.end();

  assertNoOverlap(story);
  if (!cell.leavesLock) assert.doesNotMatch(alice.stderr, /the supervisor of the command was killed/);
  for (const pattern of cell.says ?? []) assert.match(alice.stderr, pattern);
  const codes = Array.isArray(cell.code) ? cell.code : [cell.code];
  assert.ok(codes.includes(alice.code), `alice ended with ${alice.code ?? alice.signal}, not ${codes}: ${alice.stderr}`);
  assert.equal(bob.code, 0, `bob ended with ${bob.code}: ${bob.stderr}`);
  await cell.after?.(story, alice);
  assertNoOverlap(story);
  await assertNothingLeft(story, helpers);
  keepEvidence(evidenceOf(story, { group, cell, alice, lastSeen: watching.lastSeen('alice') }));
}

async function setUp(t: TestContext, cluster: Cluster, cell: Cell): Promise<Story> {
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
  const path = `${leases(namespace)}/lock`;
  const marks = new Map<string, number>();
  const from = { machineMs: machineMs(), bootMs: uptime() * 1000 };
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
    guard(who, options) {
      const started = startGuard(story, who, options);
      story.guards.set(who, started);
      return started;
    },
    lease: async () => (await cluster.request('GET', path)).body,
    request: (method, body) => cluster.request(method, path, body),
    async patch(change) {
      const answer = await cluster.request('PATCH', path, change, { contentType: 'application/merge-patch+json' });
      assert.equal(answer.status, 200, answer.text);
    },
    finish: (who) => writeFileSync(join(folder, `finish-${who}`), ''),
    preload(who, fault) {
      const file = join(folder, `preload-${who}`);
      writeFileSync(`${file}.new`, JSON.stringify({ ...fault, from }));
      renameSync(`${file}.new`, file); // Whoever reads it reads all of it.
    },
    async runs(who) {
      const runs = () => startedBy(story, who).length > 0;
      const words = () => `${who}'s command does not run: ${story.guards.get(who)?.stderr}`;
      let over = false;
      void story.guards.get(who)?.finished.then(() => {
        over = true;
      });
      await until(() => runs() || over, words);
      assert.ok(runs(), words());
    },
    guards: new Map(),
    writes: () => (wire ? history.writes : landed(proxy.writes)),
    mark: (what) => void marks.set(what, machineMs()),
    marked: (what) => marks.get(what) ?? 0,
    setToken: (who, token) => writeFileSync(join(folder, `token-${who}`), token),
  };
  return story;
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

const leases = (namespace: string): string => `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`;

export const startedBy = ({ folder }: Story, who: string) => started(folder).filter((process) => process.who === who);

/** Everybody who ran: nobody's first process may start while another's is alive, and no one's sign of life may come after. */
function assertNoOverlap({ folder }: Story): void {
  const file = join(folder, 'overlaps');
  assert.equal(existsSync(file) ? readFileSync(file, 'utf8') : '', '', 'a process of another contender was alive');
  const everybody = [...new Set(started(folder).map(({ who }) => who))];
  const intervals = everybody.map((who) => ({ who, from: firstRun(folder, who) ?? 0, to: lastLife(folder, who) }));
  intervals.sort((a, b) => a.from - b.from);
  for (const [i, { who, from }] of intervals.entries()) {
    const before = intervals.slice(0, i).find(({ to }) => to > from);
    assert.equal(
      before,
      undefined,
      `${who} started ${before && before.to - from} ms before the last sign of life of ${before?.who}`,
    );
  }
}

async function assertNothingLeft({ folder, request }: Story, helpers: Process[]): Promise<void> {
  const left = () => [...marked(folder), ...helpers.filter(isAlive)];
  // A helper of a guard may need a moment to see that there is nothing left to do.
  await until(
    () => left().length === 0,
    () => `processes are left behind: ${left().map(describe).join('; ')}`,
    10_000,
  );
  const { status, body } = await request('GET');
  if (status === 404) return;
  assert.equal(body.spec.holderIdentity, '', 'the lock is still held');
  const entries = Object.keys(body.metadata.annotations ?? {}).filter((name) => /^(holder|waiter)\./.test(name));
  assert.deepEqual(entries, [], 'entries are left in the lock');
}

interface Seen {
  group: string;
  cell: Cell;
  alice: Finished;
  lastSeen: number;
}

function evidenceOf(story: Story, { group, cell, alice, lastSeen }: Seen): Evidence {
  const dead = Math.max(lastSeen, lastLife(story.folder, 'alice'));
  const free = cell.freeFrom?.(story) ?? freeByAlice(story);
  const about = alice.stderr.split('\n').filter((line) => /lost|released|restored|stopped|not released/.test(line));
  const said = (about.find((line) => line.includes('lost')) ?? about.at(-1) ?? alice.stderr.trim().split('\n').at(-1) ?? '')
    .replace(/^k8s-lease-lock: /, '')
    .replaceAll(/(updating|reading) Lease \S+: /g, '')
    .replaceAll(/Lease \S+\/lock/g, 'the lock')
    .replaceAll(story.namespace, 'NAMESPACE')
    .replace('; stopping the command', '')
    .replace(/\. Allow get, watch.*/, '. Allow …');
  const evidence = {
    group,
    cell: cell.name,
    why: cell.why,
    code: alice.code ?? alice.signal ?? '',
    said,
    freeBy: free.by,
    deadBeforeFreeMs: free.at - dead,
    deadBeforeNextMs: (firstRun(story.folder, 'bob') ?? 0) - dead,
  };
  assert.ok(evidence.deadBeforeFreeMs > 0, `the lock was free ${-evidence.deadBeforeFreeMs} ms before the command was gone`);
  return evidence;
}

/** Her release, or the end of her lease: D after the last write that the API server carried out, without the margin that others add. */
function freeByAlice(story: Story): { at: number; by: string } {
  const writes = story.writes();
  const last = writes.findLastIndex(({ holder }) => holder.startsWith('alice/'));
  const next = writes[last + 1];
  if (next?.holder === '') return { at: next.at, by: 'release' };
  return { at: (writes[last]?.at ?? 0) + story.durationMs, by: 'end of the lease' };
}

/** A write is dated by when it came by the proxy; before that it was sent. */
function landed(writes: readonly ProxiedWrite[]): { at: number; holder: string }[] {
  return writes.filter(({ status }) => status !== undefined && status < 300);
}

interface History {
  writes: { at: number; holder: string }[];
  end(): void;
}

/** What the API server tells of the lock, for those whose writes no proxy sees. Dated by renewTime, which is written before the send. */
async function watchWrites(cluster: Cluster, namespace: string): Promise<History> {
  const writes: History['writes'] = [];
  const watch = await cluster.watch(`${leases(namespace)}?fieldSelector=metadata.name%3Dlock`);
  void (async () => {
    try {
      for await (const { type, object } of watch) {
        if (type !== 'ADDED' && type !== 'MODIFIED') continue;
        const { holderIdentity: holder = '', renewTime = '' } = object.spec;
        const writtenAt = machineMs() - (Date.now() - Date.parse(renewTime));
        const at = Math.min(machineMs(), Number.isNaN(writtenAt) ? Number.POSITIVE_INFINITY : writtenAt);
        if (writes.at(-1)?.at !== at || writes.at(-1)?.holder !== holder) writes.push({ at, holder });
      }
    } catch {
      // The API server is being mistreated: what came until then has to do.
    }
  })();
  return { writes, end: watch.close };
}

export async function until(holds: () => boolean, otherwise: () => string, patienceMs = PATIENCE_MS): Promise<void> {
  const giveUpAt = machineMs() + patienceMs;
  while (!holds()) {
    if (machineMs() > giveUpAt) assert.fail(otherwise());
    await sleep(LOOK_MS);
  }
}

async function patiently<T>(promise: Promise<T>, otherwise: () => string): Promise<T> {
  const undo = new AbortController();
  const late = sleep(PATIENCE_MS, undefined, { signal: undo.signal }).then(() => assert.fail(otherwise()));
  try {
    return await Promise.race([promise, late]);
  } finally {
    undo.abort();
    late.catch(() => {});
  }
}

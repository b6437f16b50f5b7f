/** `hold`, `probe`, `acquire` and `release`: a lock without a command of its own, the built bundle, against the embedded and the real API server. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, type TestContext, test } from 'node:test';
import { EXIT } from '../../image/exit-codes.ts';
import { faultProxy, pass, reset, silence } from '../harness/fault-proxy.ts';
import { type Guard, guard, reach, tempFolder } from '../harness/guards.ts';
import { type ApiTarget, targets } from '../harness/targets.ts';
import { until } from '../harness/until.ts';

for (const target of await targets()) {
  describe(`a lock without a command, on the ${target.name} API server`, { concurrency: false }, () => suite(target));
}

interface Sidecar extends Guard {
  port: string;
  /** What the kubelet would be told. */
  page(): Promise<{ status: number; words: string }>;
  tells(status: number, words: RegExp): Promise<void>;
}

function suite(target: ApiTarget): void {
  after(() => target.close());
  const namespace = target.namespace('hold');
  const where = async (name: string, url = target.url) => [...reach({ ...target, url }), '-n', await namespace, '--name', name];
  const pathOf = async (name: string) => `/apis/coordination.k8s.io/v1/namespaces/${await namespace}/leases/${name}`;
  const holderOf = async (name: string) => (await target.request('GET', await pathOf(name))).body.spec?.holderIdentity;
  const overwrite = async (name: string, change: object) => {
    const options = { contentType: 'application/merge-patch+json' };
    const { status, text } = await target.request('PATCH', await pathOf(name), change, options);
    assert.equal(status, 200, text);
  };

  async function hold(
    t: TestContext,
    name: string,
    args: string[] = [],
    { dir = tempFolder(t), url = target.url } = {},
  ): Promise<Sidecar> {
    const started = guard(t, ['hold', ...(await where(name, url)), '-v', '--dir', dir, '--status-port', '0', ...args]);
    await started.says(/status and metrics on port \d+/);
    const port = /status and metrics on port (\d+)/.exec(started.stderr)?.[1] ?? '';
    const page = async () => {
      const response = await fetch(`http://127.0.0.1:${port}/held`);
      return { status: response.status, words: await response.text() };
    };
    const tells = async (status: number, words: RegExp) => {
      let last = { status: 0, words: '' };
      const isSo = async () => {
        last = await page();
        return last.status === status && words.test(last.words);
      };
      await until(isSo, `${status} and ${words} from /held`).catch((error) => {
        throw new Error(`${error.message}, but ${last.status}: ${last.words}`);
      });
    };
    // Not spread: what it says is a getter.
    return Object.assign(started, { port, page, tells });
  }

  test('it waits its turn, says when it holds, and gives back some time after SIGTERM', async (t) => {
    const other = guard(t, ['run', ...(await where('turn')), '--', 'sh', '-c', 'echo running; read _']);
    await other.prints(/running/);
    const sidecar = await hold(t, 'turn');
    await sidecar.says(/waiting for Lease .*turn: next in queue/);
    await sidecar.tells(503, /^waiting for the lock/);
    const asked = guard(t, ['probe', '--status-port', sidecar.port]);
    assert.equal((await asked.finished).code, 1);
    assert.match(asked.stderr, /not held: waiting for the lock/);
    other.input('\n');
    await sidecar.tells(200, /^held as user\//);
    assert.equal((await guard(t, ['probe', '--status-port', sidecar.port]).finished).code, 0);
    const next = guard(t, ['run', ...(await where('turn')), '-v', '--', 'true']);
    await next.says(/next in queue/);
    const termAt = performance.now();
    sidecar.kill('SIGTERM');
    const { code, stderr } = await sidecar.finished;
    assert.equal(code, 0, stderr);
    // Less than the kubelet's two seconds, and a container with its last moments to live would share the lock with the next.
    assert.ok(performance.now() - termAt > 3000, 'it gave the lock back too soon');
    assert.equal((await next.finished).code, 0);
  });

  test('robbed, it says so to the kubelet, and stays to say so until SIGTERM', async (t) => {
    const sidecar = await hold(t, 'robbed');
    await sidecar.tells(200, /held/);
    await overwrite('robbed', { spec: { holderIdentity: 'thief' } });
    await sidecar.tells(503, /^lost: it is held by thief/);
    sidecar.kill('SIGTERM');
    assert.equal((await sidecar.finished).code, EXIT.lost.code);
    assert.equal(await holderOf('robbed'), 'thief');
  });

  test('asked to stop, it is not held for the kubelet any more, and is given back in order', async (t) => {
    const sidecar = await hold(t, 'asked');
    await sidecar.tells(200, /held/);
    const holder = await holderOf('asked');
    const stop = { holder, by: 'admin', kind: 'unlock', reason: 'maintenance', at: '2026-01-01T00:00:00Z' };
    const lock = JSON.stringify({ v: 1, permits: 1, next: 2, stop });
    await overwrite('asked', { metadata: { annotations: { 'lease-lock.nullplatform.com/lock': lock } } });
    await sidecar.tells(503, /^asked to stop by admin: maintenance/);
    assert.equal(await holderOf('asked'), holder);
    sidecar.kill('SIGTERM');
    assert.equal((await sidecar.finished).code, 0);
    assert.equal(await holderOf('asked'), '');
  });

  test('asked to stop before anything relies on it, it gives way at once: nothing would ever end its Pod', async (t) => {
    const sidecar = await hold(t, 'early');
    await sidecar.says(/acquired Lease/);
    const holder = await holderOf('early');
    const stop = { holder, by: 'admin', kind: 'unlock', at: '2026-01-01T00:00:00Z' };
    const lock = JSON.stringify({ v: 1, permits: 1, next: 2, stop });
    await overwrite('early', { metadata: { annotations: { 'lease-lock.nullplatform.com/lock': lock } } });
    assert.equal((await sidecar.finished).code, 0);
    assert.equal(await holderOf('early'), '');
  });

  test('asked by somebody after SIGTERM, it does not give the lock back under him', async (t) => {
    const sidecar = await hold(t, 'alive');
    await sidecar.tells(200, /held/);
    const holder = await holderOf('alive');
    sidecar.kill('SIGTERM');
    await sidecar.tells(503, /^this Pod is ending/);
    // As the probes of a container that goes on do, for as long as it answers.
    const answers = () =>
      sidecar.page().then(
        () => false,
        () => true,
      );
    await until(answers, 'the end of the sidecar');
    const { code, stderr } = await sidecar.finished;
    assert.equal(code, EXIT.lost.code);
    assert.match(stderr, /not released: a container still asks/);
    assert.equal(await holderOf('alive'), holder);
  });

  test('cut off from the API server, it says so while the whole grace of the Pod is left', async (t) => {
    if (!target.ca) return; // The proxy speaks TLS to what is behind it.
    const proxy = await faultProxy({ url: target.url, ca: target.ca });
    t.after(() => proxy.close());
    const sidecar = await hold(t, 'cut', ['--lease-duration', '40s', '--pod-grace', '7s'], { url: proxy.url });
    await sidecar.tells(200, /held/);
    const cutAt = performance.now();
    proxy.set(() => reset);
    await sidecar.tells(503, /^lost: it could not be renewed/);
    // The last write that succeeded was sent before the cut; from there the lease is 40 s, of which 7 s are the Pod's and 7 s the kubelet's.
    assert.ok(performance.now() - cutAt < 40_000 - 7000 - 7000);
  });

  test('restarted after it has held, it does not hold again, and takes away what is left of the first', async (t) => {
    const dir = tempFolder(t);
    const first = await hold(t, 'restarted', [], { dir });
    await first.tells(200, /held/);
    const holder = await holderOf('restarted');
    first.kill('SIGKILL');
    await first.finished;
    const second = await hold(t, 'restarted', [], { dir });
    await second.tells(503, /the container that held the lock was restarted/);
    assert.equal(await holderOf('restarted'), holder);
    second.kill('SIGTERM');
    assert.equal((await second.finished).code, EXIT.lost.code);
    assert.equal(await holderOf('restarted'), '');
  });

  test('restarted before anything relied on it, it waits like anybody else', async (t) => {
    const dir = tempFolder(t);
    const first = await hold(t, 'unused', [], { dir });
    await first.says(/acquired Lease/);
    first.kill('SIGKILL');
    await first.finished;
    const second = await hold(t, 'unused', [], { dir });
    await second.says(/waiting for Lease .*; held by user/);
    await second.tells(503, /^waiting for the lock/);
  });

  test('restarted while it waited, it waits again', async (t) => {
    const other = guard(t, ['run', ...(await where('again')), '--', 'sh', '-c', 'echo running; read _']);
    await other.prints(/running/);
    const dir = tempFolder(t);
    const first = await hold(t, 'again', [], { dir });
    await first.says(/next in queue/);
    first.kill('SIGKILL');
    await first.finished;
    const second = await hold(t, 'again', [], { dir });
    await second.says(/waiting for/);
    other.input('\n');
    await second.tells(200, /held/);
  });

  test('ended while it waits, it leaves the queue at once', async (t) => {
    const other = guard(t, ['run', ...(await where('left')), '--', 'sh', '-c', 'echo running; read _']);
    await other.prints(/running/);
    const sidecar = await hold(t, 'left');
    await sidecar.says(/next in queue/);
    sidecar.kill('SIGTERM');
    const { code, stderr } = await sidecar.finished;
    assert.equal(code, 128 + 15);
    assert.match(stderr, /left the queue/);
  });

  test('ended while it adds time to a lock, acquire does not take that from those who hold it', async (t) => {
    if (!target.ca) return; // The proxy speaks TLS to what is behind it.
    const proxy = await faultProxy({ url: target.url, ca: target.ca });
    t.after(() => proxy.close());
    const line = async (url: string) => [
      'acquire',
      ...(await where('longer', url)),
      '--holder',
      'pipeline',
      '--lease-duration',
      '30s',
    ];
    assert.equal((await guard(t, await line(target.url)).finished).code, 0);
    let asked = false;
    proxy.set(({ verb, nth }) => {
      if (verb !== 'write' || nth > 1) return pass;
      asked = true;
      return silence;
    });
    const longer = guard(t, await line(proxy.url));
    await until(() => asked, 'it asks for more time');
    longer.kill('SIGTERM');
    await longer.finished;
    assert.equal(await holderOf('longer'), 'pipeline');
  });

  test('acquire takes it for the holder that is named, release gives it back, and others wait meanwhile', async (t) => {
    const acquire = async (holder: string, ...more: string[]) =>
      guard(t, ['acquire', ...(await where('steps')), '--holder', holder, '--lease-duration', '5m', ...more]).finished;
    const release = async (holder: string) => guard(t, ['release', ...(await where('steps')), '--holder', holder]).finished;
    const taken = await acquire('pipeline-1');
    assert.equal(taken.code, 0, taken.stderr);
    assert.match(taken.stderr, /held as pipeline-1 for (5m|4m59s|4m5\ds) at most: it is not renewed/);
    assert.equal(await holderOf('steps'), 'pipeline-1');
    const again = await acquire('pipeline-1');
    assert.equal(again.code, 0, 'the same holder adds time to it');
    const other = await acquire('pipeline-2', '--on-busy', 'fail');
    assert.equal(other.code, EXIT.notAcquired.code);
    assert.match(other.stderr, /it is held by pipeline-1/);
    assert.equal((await acquire('pipeline-2', '--on-busy', 'skip')).code, 0);
    const foreign = await release('pipeline-2');
    assert.equal(foreign.code, EXIT.lost.code);
    assert.match(foreign.stderr, /was not held by pipeline-2/);
    assert.equal((await release('pipeline-1')).code, 0);
    assert.equal(await holderOf('steps'), '');
    assert.equal((await release('pipeline-1')).code, EXIT.lost.code);
  });
}

test('what can not work is refused, with what would', async (t) => {
  const dir = tempFolder(t);
  const file = join(dir, 'file');
  writeFileSync(file, '');
  const somewhere = ['--server', 'http://127.0.0.1:1', '--name', 'x'];
  const cases: [string[], number, RegExp][] = [
    [['hold', ...somewhere, '--dir', join(dir, 'none')], EXIT.configuration.code, /is not a directory: mount an emptyDir there/],
    [['hold', ...somewhere, '--dir', file], EXIT.configuration.code, /is not a directory/],
    [
      ['hold', ...somewhere, '--dir', dir, '--pod-grace', '60s', '--lease-duration', '60s'],
      EXIT.configuration.code,
      /too short for a Pod grace of 1m and 2s for each of its containers \(1\), and 5s until the kubelet knows: .* = .*at least \d+m\d+s \(/,
    ],
    [
      ['hold', ...somewhere, '--dir', dir, '--pod-grace', '6s'],
      EXIT.configuration.code,
      /no time to release the lock: set .* 7 or more/,
    ],
    [['hold', ...somewhere, '--timeout', '1s'], EXIT.usage.code, /unknown option --timeout/],
    [['acquire', ...somewhere], EXIT.usage.code, /--lease-duration is required/],
    [['acquire', ...somewhere, '--lease-duration', '5m'], EXIT.configuration.code, /--holder is required outside a Pod/],
    [['release', ...somewhere], EXIT.configuration.code, /--holder is required outside a Pod/],
    [['probe', '--status-port', '1'], 1, /not held: nothing answers on port 1: is "k8s-lease-lock hold" running/],
    [['probe', '--status-port', 'x'], EXIT.usage.code, /whole number/],
  ];
  for (const [args, code, words] of cases) {
    const ended = await guard(t, args).finished;
    assert.match(ended.stderr, words);
    assert.equal(ended.code, code, ended.stderr);
  }
});

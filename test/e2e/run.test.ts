/** `k8s-lease-lock run`, the built bundle, against the embedded and the real API server. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, type TestContext, test } from 'node:test';
import { EXIT } from '../../image/exit-codes.ts';
import { type GuardOptions, guard, intervals, isRunning, overlap, reach, recorded, tempFolder } from '../harness/guards.ts';
import { type ApiTarget, targets } from '../harness/targets.ts';

const LOCK = 'lease-lock.nullplatform.com/lock';

for (const target of await targets()) {
  describe(`run, on the ${target.name} API server`, { concurrency: false }, () => suite(target));
}

function suite(target: ApiTarget): void {
  after(() => target.close());
  const namespace = target.namespace('run');

  const on = async (t: TestContext, name: string, args: string[], options?: GuardOptions) =>
    guard(t, ['run', ...reach(target), '-n', await namespace, '--name', name, ...args], options);
  const pathOf = async (name: string) => `/apis/coordination.k8s.io/v1/namespaces/${await namespace}/leases/${name}`;
  const leaseOf = async (name: string) => (await target.request('GET', await pathOf(name))).body;
  const overwrite = async (name: string, change: object) => {
    const { status, text } = await target.request('PATCH', await pathOf(name), change, {
      contentType: 'application/merge-patch+json',
    });
    assert.equal(status, 200, text);
  };

  test("the command's exit code is the guard's", async (t) => {
    for (const code of [0, 1, 42, 255]) {
      const { code: got } = await (await on(t, 'code', ['--', 'sh', '-c', `exit ${code}`])).finished;
      assert.equal(got, code);
    }
  });

  test('a command that a signal ended ends the guard by the same signal', async (t) => {
    const { signal } = await (await on(t, 'signalled', ['--', 'sh', '-c', 'kill -KILL $$'])).finished;
    assert.equal(signal, 'SIGKILL');
  });

  test('a command that does not exist is 127, one that is no program is 126, and no lock is asked for', async (t) => {
    const folder = tempFolder(t);
    const plain = join(folder, 'plain');
    writeFileSync(plain, 'no program', { mode: 0o644 });
    const missing = await (await on(t, 'unknown', ['--', join(folder, 'missing')])).finished;
    assert.equal(missing.code, EXIT.notFound.code);
    assert.match(missing.stderr, /command not found/);
    const denied = await (await on(t, 'unknown', ['--', plain])).finished;
    assert.equal(denied.code, EXIT.cannotExecute.code);
    assert.equal((await leaseOf('unknown')).code, 404);
  });

  test('arguments reach the command as they are, and options after it are its own', async (t) => {
    const args = ['a b', '', '"', "'", '--name', '--', '-q', '007', '0x10', '$HOME', '*'];
    const { stdout, code } = await (await on(t, 'args', ['printf', '<%s>\n', ...args])).finished;
    assert.equal(code, 0);
    assert.equal(stdout, args.map((arg) => `<${arg}>\n`).join(''));
  });

  test('stdin, stdout and stderr are the command’s own', async (t) => {
    const running = await on(t, 'stdio', ['--', 'sh', '-c', 'cat; echo trouble >&2']);
    running.input('hello\nworld');
    const { stdout, stderr } = await running.finished;
    assert.equal(stdout, 'hello\nworld');
    assert.match(stderr, /^trouble$/m);
  });

  test('the command learns of its lock', async (t) => {
    const { stdout } = await (await on(t, 'env', ['--holder', 'alice', '--', 'sh', '-c', 'env | grep ^LEASE_LOCK_ | sort']))
      .finished;
    const env = Object.fromEntries(
      stdout
        .trim()
        .split('\n')
        .map((line) => line.split(/=(.*)/s) as [string, string]),
    );
    assert.equal(env.LEASE_LOCK_NAME, 'env');
    assert.equal(env.LEASE_LOCK_NAMESPACE, await namespace);
    assert.match(env.LEASE_LOCK_HOLDER ?? '', /^alice\/[a-z0-9]{10}$/);
    assert.equal(env.LEASE_LOCK_TRANSITIONS, '1');
    assert.match(env.LEASE_LOCK_TOKEN ?? '', /^\d+$/);
  });

  test('options can be given by environment, and the command line has the last word', async (t) => {
    const env = { K8S_LEASE_LOCK_HOLDER: 'from-env', K8S_LEASE_LOCK_REASON: 'nightly', K8S_LEASE_LOCK_QUIET: 'true' };
    const { stdout, stderr } = await (
      await on(t, 'by-env', ['--holder', 'from-line', '--', 'sh', '-c', 'echo $LEASE_LOCK_HOLDER'], { env })
    ).finished;
    assert.match(stdout, /^from-line\//);
    assert.equal(stderr, '');
  });

  test('a busy lock is 75 with fail, another code with -E, and 0 with skip; the holder is named', async (t) => {
    const holder = await on(t, 'busy', [
      '--holder',
      'alice',
      '--reason',
      'release 1.2',
      '--url',
      'https://ci.example/17',
      '--',
      'sh',
      '-c',
      'echo ready; cat',
    ]);
    await holder.prints(/ready/);
    const failed = await (await on(t, 'busy', ['--on-busy', 'fail', '--', 'echo', 'ran'])).finished;
    assert.deepEqual([failed.code, failed.stdout], [75, '']);
    assert.match(failed.stderr, /not acquired after [\d.]+s: it is held by alice\/[a-z0-9]{10}/);
    const other = await (await on(t, 'busy', ['-E', '9', '--timeout', '0', '--', 'echo', 'ran'])).finished;
    assert.deepEqual([other.code, other.stdout], [9, '']);
    const skipped = await (await on(t, 'busy', ['--on-busy', 'skip', '--', 'echo', 'ran'])).finished;
    assert.deepEqual([skipped.code, skipped.stdout], [0, '']);
    const waited = await (await on(t, 'busy', ['--timeout', '700ms', '--', 'echo', 'ran'])).finished;
    assert.deepEqual([waited.code, waited.stdout], [75, '']);
    assert.match(
      waited.stderr,
      /waiting for Lease \S+\/busy: next in queue; held by alice\/\S+ \(\S+\) since \S+, for [\d.]+s: release 1\.2, https:\/\/ci\.example\/17/,
    );
    const annotations = Object.keys((await leaseOf('busy')).metadata.annotations ?? {});
    assert.deepEqual(
      annotations.filter((key) => key.startsWith('waiter.')),
      [],
      'who gave up has left the queue',
    );
    holder.input('');
    assert.equal((await holder.finished).code, 0);
  });

  test('ten contenders run one after the other, in the order in which they came', async (t) => {
    const file = join(tempFolder(t), 'intervals');
    const first = await on(t, 'queue', ['--', ...recorded(file, 'c0', 'echo ready; cat >/dev/null')]);
    await first.prints(/ready/);
    const others = [];
    for (let n = 1; n < 10; n++) {
      const next = await on(t, 'queue', ['--', ...recorded(file, `c${n}`, 'sleep 0.05')]);
      await next.says(n === 1 ? /next in queue/ : new RegExp(`${n - 1} ahead in queue`));
      others.push(next);
    }
    first.input('');
    for (const { code } of await Promise.all([first, ...others].map(({ finished }) => finished))) assert.equal(code, 0);
    const ran = intervals(file);
    assert.deepEqual(
      ran.map(({ who }) => who),
      Array.from({ length: 10 }, (_, n) => `c${n}`),
    );
    assert.equal(overlap(ran), undefined);
    for (const [i, { token }] of ran.entries())
      assert.ok(i === 0 || BigInt(token) > BigInt(ran[i - 1]?.token ?? 0), 'tokens grow');
  });

  test('a crowd that comes all at once never overlaps', async (t) => {
    const file = join(tempFolder(t), 'intervals');
    const crowd = await Promise.all(
      Array.from({ length: 8 }, (_, n) => on(t, 'crowd', ['--', ...recorded(file, `c${n}`, 'sleep 0.02')])),
    );
    for (const { code, stderr } of await Promise.all(crowd.map(({ finished }) => finished))) assert.equal(code, 0, stderr);
    assert.equal(intervals(file).length, 8);
    assert.equal(overlap(intervals(file)), undefined);
  });

  test('a holder killed with SIGKILL is followed within its duration and the margin', async (t) => {
    const short = ['--lease-duration', '4s', '--kill-grace', '500ms'];
    const alice = await on(t, 'killed', [...short, '--', 'sh', '-c', 'echo $$; exec sleep 60']);
    await alice.prints(/\d+/);
    const bob = await on(t, 'killed', [...short, '--', 'true']);
    await bob.says(/next in queue/);
    const killedAt = performance.now();
    alice.kill('SIGKILL');
    await bob.says(/acquired/);
    assert.equal(isRunning(Number(alice.stdout)), false, 'her watchdog has stopped the command by then');
    assert.equal((await bob.finished).code, 0);
    const tookMs = performance.now() - killedAt;
    assert.ok(tookMs > 2000, `${tookMs} ms: the lock was taken before it can have expired`);
    assert.ok(tookMs < 4000 + 2000 + 3000, `${tookMs} ms`);
  });

  test('a holder in the manner of client-go is never robbed while it renews, and followed once it stops', async (t) => {
    const now = () => new Date().toISOString().replace('Z', '000Z');
    const spec = {
      holderIdentity: 'leader_1',
      leaseDurationSeconds: 3,
      acquireTime: now(),
      renewTime: now(),
      leaseTransitions: 0,
    };
    const lease = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name: 'leader' }, spec };
    assert.equal((await target.request('POST', await pathOf(''), lease)).status, 201);
    const bob = await on(t, 'leader', ['--', 'true']);
    await bob.says(/held by leader_1/);
    const startedAt = performance.now();
    let renewals = 0;
    while (performance.now() - startedAt < 7000) {
      await overwrite('leader', { spec: { renewTime: now() } });
      renewals += 1;
      await new Promise((resolve) => setTimeout(resolve, 1000));
      assert.equal((await leaseOf('leader')).spec.holderIdentity, 'leader_1', `robbed after ${renewals} renewals`);
    }
    assert.equal((await bob.finished).code, 0);
  });

  test('SIGTERM ends a wait at once, as it would end any program, and leaves no entry behind', async (t) => {
    const alice = await on(t, 'sigterm', ['--', 'sh', '-c', 'echo ready; cat']);
    await alice.prints(/ready/);
    const bob = await on(t, 'sigterm', ['--', 'echo', 'ran']);
    await bob.says(/next in queue/);
    bob.kill('SIGTERM');
    const { code, stdout, stderr } = await bob.finished;
    assert.deepEqual([code, stdout], [128 + 15, '']);
    assert.match(stderr, /not acquired: ended by SIGTERM before the command was started/);
    assert.deepEqual(
      Object.keys((await leaseOf('sigterm')).metadata.annotations ?? {}).filter((key) => key.startsWith('waiter.')),
      [],
    );
    alice.input('');
    await alice.finished;
  });

  test('signals reach the whole group of the command, and the lock is released after it', async (t) => {
    const trap = `trap 'echo got TERM; exit 3' TERM; sleep 30 & echo ready; wait`;
    const alice = await on(t, 'forward', ['--', 'sh', '-c', trap]);
    await alice.prints(/ready/);
    alice.kill('SIGTERM');
    const { code, stdout } = await alice.finished;
    assert.equal(code, 3);
    assert.match(stdout, /got TERM/);
    assert.equal((await leaseOf('forward')).spec.holderIdentity, '');
  });

  test('what the command leaves behind in its group is stopped before the lock is released', async (t) => {
    const file = join(tempFolder(t), 'pid');
    const alice = await on(t, 'orphans', [
      '--kill-grace',
      '300ms',
      '--',
      'sh',
      '-c',
      `(trap '' TERM; exec sleep 60) & echo $! >${file}; exit 4`,
    ]);
    const { code, stderr } = await alice.finished;
    assert.equal(code, 4);
    assert.match(stderr, /left 1 processes behind: stopping them/);
    assert.equal(isRunning(Number(readFileSync(file, 'utf8'))), false);
    assert.equal((await leaseOf('orphans')).spec.holderIdentity, '');
  });

  test('a lock that is stolen stops the command: SIGTERM, the grace, SIGKILL; exit code 76', async (t) => {
    const alice = await on(t, 'stolen', [
      '--kill-grace',
      '300ms',
      '--',
      'sh',
      '-c',
      `trap 'echo got TERM' TERM; echo $$; while :; do sleep 0.05; done`,
    ]);
    await alice.prints(/\d+/);
    await overwrite('stolen', { spec: { holderIdentity: 'thief' } });
    const { code, stdout, stderr } = await alice.finished;
    assert.equal(code, EXIT.lost.code);
    assert.match(stdout, /got TERM/);
    assert.match(stderr, /lost Lease \S+\/stolen: it is held by thief/);
    assert.equal(isRunning(Number(stdout.split('\n')[0])), false);
    assert.equal((await leaseOf('stolen')).spec.holderIdentity, 'thief');
  });

  test('a Lease deleted under its holder is put back', async (t) => {
    const alice = await on(t, 'deleted', ['--', 'sh', '-c', 'echo ready; cat']);
    await alice.prints(/ready/);
    assert.equal((await target.request('DELETE', await pathOf('deleted'))).status, 200);
    await alice.says(/was deleted while held, and has been restored/);
    assert.match((await leaseOf('deleted')).spec.holderIdentity ?? '', /./);
    alice.input('');
    assert.equal((await alice.finished).code, 0);
    assert.equal((await leaseOf('deleted')).spec.holderIdentity, '');
  });

  test('a stop request stops the command with its grace, and then releases; exit code 79', async (t) => {
    const alice = await on(t, 'asked', [
      '--',
      'sh',
      '-c',
      `trap 'echo bye; exit 0' TERM; echo $LEASE_LOCK_HOLDER; while :; do sleep 0.05; done`,
    ]);
    await alice.prints(/\n/);
    const stop = JSON.stringify({
      v: 1,
      next: 2,
      stop: { holder: alice.stdout.trim(), by: 'ops', kind: 'unlock', reason: 'rollback' },
    });
    await overwrite('asked', { metadata: { annotations: { [LOCK]: stop } } });
    const { code, stdout, stderr } = await alice.finished;
    assert.equal(code, EXIT.stopped.code);
    assert.match(stdout, /bye/);
    assert.match(stderr, /stopped: asked to stop by ops: rollback \(unlock\)/);
    assert.equal((await leaseOf('asked')).spec.holderIdentity, '');
  });

  test('a guard under a guard of the same lock refuses at once instead of waiting for itself', async (t) => {
    const inner = [process.execPath, process.argv[1] === '' ? '' : new URL('../../dist/cli/index.js', import.meta.url).pathname];
    const args = ['run', ...reach(target), '-n', await namespace, '--name', 'nested', '--', 'echo', 'inner ran'];
    const { code, stdout, stderr } = await (await on(t, 'nested', ['--', ...inner, ...args])).finished;
    assert.deepEqual([code, stdout], [EXIT.configuration.code, '']);
    assert.match(stderr, /already runs under the lock/);
  });

  test('a Lease that does not exist is not made with --no-create', async (t) => {
    const { code, stderr } = await (await on(t, 'absent', ['--no-create', '--', 'echo', 'ran'])).finished;
    assert.equal(code, EXIT.configuration.code);
    assert.match(stderr, /does not exist/);
    assert.equal((await target.request('GET', await pathOf('absent'))).status, 404);
  });

  test('log lines as JSON say the same in fields', async (t) => {
    const { stderr } = await (await on(t, 'json', ['--log-format', 'json', '--', 'true'])).finished;
    const lines = stderr
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { event: string; level: string; token?: string });
    assert.deepEqual(
      lines.map(({ event }) => event),
      ['acquired', 'released'],
    );
    assert.match(lines[0]?.token ?? '', /^\d+$/);
  });
}

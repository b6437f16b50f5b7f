/** What `k8s-lease-lock run` does with its command: exit codes, arguments, streams, environment, options, log. The built bundle, against the embedded and the real API server. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { EXIT } from '../../image/exit-codes.ts';
import { isRunning, tempFolder } from '../harness/guards.ts';
import { targets } from '../harness/targets.ts';
import { runsOn } from './runs.ts';

for (const target of await targets()) {
  describe(`run, on the ${target.name} API server`, { concurrency: false }, () => {
    const { namespace, on, pathOf, leaseOf } = runsOn(target);

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
  });
}

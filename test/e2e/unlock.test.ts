/** `unlock`, `queue` and `verify` on both API servers: a lock that is stuck, from whoever it is. */
import assert from 'node:assert/strict';
import { after, describe, type TestContext, test } from 'node:test';
import { EXIT } from '../../image/exit-codes.ts';
import { BUNDLE, guard, killGuard, reach } from '../harness/guards.ts';
import { targets } from '../harness/targets.ts';
import { until } from '../harness/until.ts';
import { operatorsOn } from './operate.ts';

for (const target of await targets()) {
  describe(`freeing a lock on the ${target.name} API server`, { concurrency: false }, () => {
    after(() => target.close());
    const { command, holding, waiting, lease, holderOf, put, namespace } = operatorsOn(target);
    /** A holder that nothing renews, as of a pipeline that was killed. */
    const acquired = async (t: TestContext, name: string, lasting = '2h') => {
      const { code, stderr } = await command(t, 'acquire', '--name', name, '--holder', 'pipeline-7', '--lease-duration', lasting);
      assert.equal(code, 0, stderr);
    };

    test('a holder that is asked stops its command, ends with 79, and the next has the lock', async (t) => {
      const alice = guard(t, [
        ...['run', ...reach(target), '-n', await namespace, '--name', 'asked', '--'],
        ...['sh', '-c', `trap 'echo bye; exit 0' TERM; echo running; while :; do sleep 0.05; done`],
      ]);
      await alice.prints(/running/);
      const bob = await waiting(t, 'asked');
      const id = await holderOf('asked');
      const unlocked = await command(t, 'unlock', 'asked', '--holder', id, '--reason', 'rollback');
      assert.equal(unlocked.code, 0, unlocked.stderr);
      assert.match(
        unlocked.stderr,
        /asked \S+ to release Lease \S+\/asked; waiting for up to 2m\n.* has released Lease \S+\/asked\n/,
      );
      const ended = await alice.finished;
      assert.deepEqual([ended.code, ended.stdout], [EXIT.stopped.code, 'running\nbye\n']);
      assert.match(ended.stderr, /asked to stop by \S+: rollback/);
      assert.equal((await bob.finished).code, 0);
    });

    test('a dead holder is cleared by force, and whoever waits has the lock immediately', async (t) => {
      await acquired(t, 'dead');
      const bob = await waiting(t, 'dead');
      const asked = await command(t, 'unlock', 'dead', '--holder', 'pipeline-7', '--timeout', '1s');
      assert.equal(asked.code, EXIT.notAcquired.code);
      assert.match(asked.stderr, /not unlocked: pipeline-7 has not released it within 1s\. .*if it is not, use --force/);
      const lately = await command(t, 'unlock', 'dead', '--holder', 'pipeline-7', '--force');
      assert.equal(lately.code, EXIT.no.code);
      assert.match(lately.stderr, /pipeline-7 renewed it \S+ ago, so its command may be running: .* or use --force=live/);
      const forced = await command(t, 'unlock', 'dead', '--holder', 'pipeline-7', '--force=live', '--reason', 'INC-12');
      assert.equal(forced.code, 0, forced.stderr);
      assert.match(forced.stderr, /cleared pipeline-7: Lease \S+\/dead is free\. .*the command may still be running/);
      assert.equal((await bob.finished).code, 0);
      assert.match((await command(t, 'status', 'dead')).stdout, /Forced: +\S+ cleared the holder pipeline-7 at \S+: INC-12\n/);
      if (!target.cluster) return;
      const { body } = await target.request('GET', `/apis/events.k8s.io/v1/namespaces/${await namespace}/events`);
      const notes = body.items.map((event) => (event as unknown as { note: string }).note);
      assert.ok(
        notes.some((note) => /admin cleared the holder pipeline-7 of Lease \S+\/dead: INC-12/.test(note)),
        String(notes),
      );
    });

    test('one that has been silent for longer than a living one is cleared without further ado', async (t) => {
      await acquired(t, 'silent', '6s');
      await until(async () => {
        const { code } = await command(t, 'unlock', 'silent', '--holder', 'pipeline-7', '--force');
        return code === 0;
      }, 'it is silent');
      assert.equal(await holderOf('silent'), '');
      assert.match((await command(t, 'status', 'silent')).stdout, /State: +Free/);
    });

    test('a holder that somebody has cleared in the spec alone can still be cleared', async (t) => {
      await acquired(t, 'cleared');
      const bob = await waiting(t, 'cleared');
      const { metadata, spec } = await lease('cleared');
      await put('cleared', { metadata, spec: { ...spec, holderIdentity: '', leaseDurationSeconds: 1 } });
      await bob.says(/another client has cleared or replaced it in the Lease/);
      assert.match((await command(t, 'status', 'cleared')).stdout, /State: +Cleared/);
      const { code, stderr } = await command(t, 'unlock', 'cleared', '--holder', 'pipeline-7', '--force=live');
      assert.equal(code, 0, stderr);
      assert.equal((await bob.finished).code, 0);
    });

    test('a client of another kind cannot be asked, and a wrong name, or a lock that is not there, changes nothing', async (t) => {
      const now = new Date().toISOString().replace('Z', '000Z');
      await put('elected', { spec: { holderIdentity: 'scheduler', leaseDurationSeconds: 60, renewTime: now } });
      const asked = await command(t, 'unlock', 'elected', '--holder', 'scheduler');
      assert.deepEqual([asked.code, /cannot be asked: stop it where it runs/.test(asked.stderr)], [EXIT.no.code, true]);
      const wrong = await command(t, 'unlock', 'elected', '--holder', 'nobody', '--force=live');
      assert.deepEqual([wrong.code, /nobody does not hold it; held by scheduler/.test(wrong.stderr)], [EXIT.no.code, true]);
      assert.equal(await holderOf('elected'), 'scheduler');
      assert.equal((await command(t, 'unlock', 'elected', '--holder', 'scheduler', '--force=live')).code, 0);
      assert.equal(await holderOf('elected'), '');
      const absent = await command(t, 'unlock', 'typo', '--holder', 'x');
      assert.deepEqual([absent.code, /typo was not unlocked: there is no such Lease/.test(absent.stderr)], [EXIT.no.code, true]);
    });

    test('a waiter is moved; one that is dead is removed; one that is alive leaves, and says who has asked it to', async (t) => {
      const alice = await holding(t, 'queued');
      const bob = await waiting(t, 'queued', '--holder', 'bob');
      const dead = await waiting(t, 'queued', '--holder', 'dead');
      killGuard(dead);
      const shown = (await command(t, 'queue', 'queued')).stdout;
      const [, key = ''] = /(\d{6}-\w+) +dead\//.exec(shown) ?? [];
      assert.equal((await command(t, 'queue', 'queued', '--move', key, '--to', '1')).code, 0);
      const moved = (await command(t, 'queue', 'queued')).stdout;
      assert.match(moved, /\n1 .* dead\/\w+ .*\n2 .* bob\/\w+ /);
      const [, id = ''] = / (bob\/\w+)/.exec(moved) ?? [];
      await waiting(t, 'queued', '--holder', 'urgent', '--priority', '5');
      const [, place] =
        / (bob\/\w+ cannot be moved .*)\n/.exec((await command(t, 'queue', 'queued', '--move', id, '--to', '1')).stderr) ?? [];
      assert.match(
        place ?? '',
        /to place 1: places 2 to 3 are for its priority \(0\), which --move does not change\. To give it/,
      );
      const living = await command(t, 'queue', 'queued', '--remove', id, '--reason', 'a typo');
      assert.deepEqual([living.code, /bob\/\w+ has left the queue/.test(living.stderr)], [0, true], living.stderr);
      const { code, stderr } = await bob.finished;
      assert.equal(code, EXIT.stopped.code);
      assert.match(stderr, /Lease \S+ was not acquired: asked to leave the queue by \S+: a typo/);
      const [, nowKey = ''] = /(\d{6}-\w+) +dead\//.exec(moved) ?? [];
      const removed = await command(t, 'queue', 'queued', '--remove', nowKey, '--timeout', '2s');
      assert.deepEqual([removed.code, /removed dead\/\w+ .* did not answer/.test(removed.stderr)], [0, true], removed.stderr);
      alice.input('\n');
      assert.equal((await alice.finished).code, 0);
    });

    test('a command verifies its own hold without an option, and is told when it has lost it', async (t) => {
      const script = `node="${process.execPath}"; "$node" "${BUNDLE}" verify && echo held; read _; "$node" "${BUNDLE}" verify; echo "then $?"`;
      const env = {
        K8S_LEASE_LOCK_SERVER: target.url,
        ...(target.tokenFile && { K8S_LEASE_LOCK_TOKEN_FILE: target.tokenFile }),
        ...(target.caFile && { K8S_LEASE_LOCK_CERTIFICATE_AUTHORITY: target.caFile }),
      };
      const options = ['run', '-n', await namespace, '--name', 'verified', '--on-lost', 'warn', '--', 'sh', '-c', script];
      const alice = guard(t, options, { env });
      await alice.prints(/held/);
      assert.match(alice.stderr, /verified is held by \S+ for \S+ at least/);
      const id = await holderOf('verified');
      assert.equal((await command(t, 'unlock', 'verified', '--holder', id, '--force=live')).code, 0);
      await alice.says(/lost Lease/);
      alice.input('\n');
      const { stdout, stderr } = await alice.finished;
      assert.match(stdout, /then 1\n/);
      assert.match(stderr, /verified is not held by \S+ with the token \d+: \S+ does not hold it/);
      const missing = await command(t, 'verify', 'verified', '--token', '1');
      assert.deepEqual([missing.code, /--holder is required/.test(missing.stderr)], [EXIT.usage.code, true]);
    });
  });
}

/** Whatever happens to a guard, its command is gone before the next can start: the built bundle, on the embedded server. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { EXIT } from '../../image/exit-codes.ts';
import { isRunning, tempFolder } from '../harness/guards.ts';
import { until } from '../harness/until.ts';
import { childrenOf, family, holderOf, lockName, namespace, pidsIn, run, SHORT } from './embedded.ts';

test('a guard that is killed takes its command with it, long before its lock can pass on', async (t) => {
  const file = join(tempFolder(t), 'pids');
  const alice = run(t, lockName(), ['--', ...family(file, `sh -c 'echo $$ >>${file}; exec sleep 60' &`)]);
  await alice.prints(/ready/);
  const [supervisor = 0] = childrenOf(alice.pid);
  alice.kill('SIGKILL');
  await until(() => pidsIn(file).every((pid) => !isRunning(pid)), 'the command ends');
  await until(() => !isRunning(supervisor), 'the supervisor ends with it');
  await alice.says(/the guard has ended unexpectedly: terminating the command/);
});

test('with JSON lines asked for, what the supervisor says last is one', async (t) => {
  const file = join(tempFolder(t), 'pids');
  const name = lockName();
  const alice = run(t, name, ['--log-format', 'json', '--', ...family(file)]);
  await alice.prints(/ready/);
  alice.kill('SIGKILL');
  const { stderr } = await alice.finished;
  const lines = stderr
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.deepEqual(lines.at(-1), {
    level: 'error',
    event: 'supervisor',
    message: `Lease ${namespace}/${name}: the guard has ended unexpectedly: terminating the command`,
    lock: `${namespace}/${name}`,
  });
});

/** Says `alive` for each process of a file that lives, and that it ran. */
const census = (file: string) => [
  'sh',
  '-c',
  `for pid in $(cat ${file} 2>/dev/null); do grep -s '^State:.[^ZX]' /proc/$pid/status && echo alive; done; echo ran`,
];

test('a guard that is stopped past its deadline finds its command stopped, and says that the lock is lost', async (t) => {
  const file = join(tempFolder(t), 'pids');
  const name = lockName();
  const alice = run(t, name, [...SHORT, '--', ...family(file)]);
  await alice.prints(/ready/);
  alice.kill('SIGSTOP');
  const bob = run(t, name, [...SHORT, '--', ...census(file)]);
  const { stdout } = await bob.finished;
  assert.equal(stdout, 'ran\n', 'nothing of alice lives when bob starts');
  alice.kill('SIGCONT');
  const { code, stderr } = await alice.finished;
  assert.equal(code, EXIT.lost.code);
  assert.match(stderr, /the guard has been silent past its deadline: terminating the command/);
  assert.match(stderr, /lost Lease \S+: (it could not be renewed|it is held by|another client)/);
});

/** Ends or stops the guard as it is about to write the word to start to its supervisor: the fifth byte of a frame is its kind (protocol.ts). */
const atTheWordToStart = (signal: 'SIGKILL' | 'SIGSTOP') => {
  const preload = `import net from 'node:net';
    const { write } = net.Socket.prototype;
    net.Socket.prototype.write = function (bytes, ...rest) {
      if (bytes[4] === 3 && bytes[5] === 'L'.charCodeAt(0)) process.kill(process.pid, '${signal}');
      return write.call(this, bytes, ...rest);
    };`;
  return { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(preload)}` };
};

test('a guard that is killed between its claim and the start of its command leaves nothing', async (t) => {
  const file = join(tempFolder(t), 'pids');
  const name = lockName();
  const alice = run(t, name, ['--', ...family(file)], { env: atTheWordToStart('SIGKILL') });
  assert.equal((await alice.finished).signal, 'SIGKILL'); // The prepared command shares its output, which is closed once that has ended.
  assert.notEqual(await holderOf(name), '', 'it had the lock');
  assert.equal(existsSync(file), false);
});

test('a guard that is stopped between its claim and the start of its command, until another has had the lock, starts nothing', async (t) => {
  const file = join(tempFolder(t), 'pids');
  const name = lockName();
  const alice = run(t, name, [...SHORT, '--', ...family(file)], { env: atTheWordToStart('SIGSTOP') });
  // Its words may be stopped with it.
  await until(async () => (await holderOf(name)) !== '', 'alice has the lock');
  const bob = run(t, name, [...SHORT, '--', ...census(file)]);
  assert.equal((await bob.finished).stdout, 'ran\n');
  alice.kill('SIGCONT');
  const { code, stderr } = await alice.finished;
  assert.equal(code, EXIT.lost.code, stderr);
  assert.equal(existsSync(file), false);
});

test('a supervisor that is killed takes the command with it; the guard says so, and leaves the lock to expire', async (t) => {
  const file = join(tempFolder(t), 'pids');
  const name = lockName();
  const alice = run(t, name, ['--', ...family(file)]);
  await alice.prints(/ready/);
  const [supervisor = 0] = childrenOf(alice.pid);
  process.kill(supervisor, 'SIGKILL');
  const { code, stderr } = await alice.finished;
  assert.equal(code, EXIT.supervisor.code);
  assert.match(stderr, /not released: it is not known whether every process of the command has ended/);
  assert.match(stderr, /the supervisor of the command was killed, and the command with it/);
  await until(() => pidsIn(file).every((pid) => !isRunning(pid)), 'the command ends');
  assert.notEqual(await holderOf(name), '');
});

test('a supervisor that is killed while its guard waits ends the wait: nothing could be started any more', async (t) => {
  const name = lockName();
  const alice = run(t, name, ['--', 'sh', '-c', 'echo ready; cat']);
  await alice.prints(/ready/);
  const bob = run(t, name, ['--', 'echo', 'ran']);
  await bob.says(/next in queue/);
  const [supervisor = 0] = childrenOf(bob.pid);
  process.kill(supervisor, 'SIGKILL');
  const { code, stdout } = await bob.finished;
  assert.deepEqual([code, stdout], [EXIT.supervisor.code, '']);
  alice.input('');
  assert.equal((await alice.finished).code, 0);
});

test('nothing is left when a guard has done its work', async (t) => {
  const alice = run(t, lockName(), ['--', 'sh', '-c', 'echo ready; cat']);
  await alice.prints(/ready/);
  const [supervisor = 0] = childrenOf(alice.pid);
  assert.ok(isRunning(supervisor));
  alice.input('');
  assert.equal((await alice.finished).code, 0);
  await until(() => !isRunning(supervisor), 'the supervisor ends'); // Its socket closes a moment before.
});

/** With a controlling terminal the command is what the shell and the terminal think they have started: Ctrl-C, Ctrl-Z, fg and loops work. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { test } from 'node:test';
import * as programs from '../../harness/programs.ts';
import { install, type Standalone, start } from './standalone.ts';
import { supervise } from './supervised.ts';

const lock = install();
const { PATH } = process.env;

const terminal = programs.terminal();
const job = programs.job();

const inTerminal = (argv: string[], env: Record<string, string | undefined> = {}): Standalone =>
  start(terminal, argv, { stdio: ['pipe', 'pipe', 'pipe'], env: { PATH, PS1: '', ...env } });
const type = (alice: Standalone, text: string) => alice.process.stdin?.write(text);
const count = (alice: Standalone, text: string) => alice.output().split(text).length - 1;

test('Ctrl-C ends a loop of the shell, not only one round of it', async () => {
  const alice = inTerminal(['bash', '-c', `while :; do ${lock} run -- sh -c 'echo round; exec sleep 1000'; done`]);
  await alice.said('round');
  await alice.said('started');
  type(alice, '\x03');
  assert.equal(await alice.ended, 130);
  assert.equal(count(alice, 'round'), 1);
});

test('Ctrl-C reaches the command once, and a signal from elsewhere does too', async () => {
  const alice = inTerminal([lock, 'run', '--', job, 'catches']);
  await alice.said('running');
  type(alice, '\x03');
  await alice.said('interrupted');
  await alice.said('guard got SIGINT');
  // Whatever the guard has sent on its account is behind this.
  const program = children(alice.process.pid ?? 0)[0] ?? 0;
  process.kill(program, 'SIGHUP');
  await alice.said('hung up');
  assert.equal(count(alice, 'interrupted'), 1);
  process.kill(program, 'SIGINT');
  while (count(alice, 'interrupted') < 2) await new Promise((resolve) => setTimeout(resolve, 1));
  assert.equal(count(alice, 'guard got SIGINT'), 2);
  process.kill(program, 'SIGKILL');
  await alice.ended;
});

function children(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').split(' ').filter(Boolean).map(Number);
}

for (const shell of [
  ['bash', '--norc', '--noprofile', '-i'],
  ['dash', '-i'],
]) {
  test(`Ctrl-Z, fg and Ctrl-C in an interactive ${shell[0]}`, async () => {
    const alice = inTerminal(shell, { ENV: '' });
    type(alice, `${lock} run -- ${job}\n`);
    await alice.said('running');
    await alice.said('started');
    type(alice, '\x1a');
    await alice.said('Stopped');
    type(alice, 'echo code""1 $?\n');
    assert.equal((await alice.said('code1 ')).trim(), '148');
    type(alice, 'fg\n');
    await alice.said('resumed');
    type(alice, '\x03');
    await alice.said('killed');
    type(alice, 'echo code""2 $?\n');
    assert.equal((await alice.said('code2 ')).trim(), '130');
    type(alice, 'exit\n');
    await alice.ended;
    assert.equal(count(alice, 'resumed'), 1);
  });
}

test('a job that is suspended is terminated at its deadline all the same', async () => {
  const alice = inTerminal(['bash', '--norc', '--noprofile', '-i'], { DEADLINE_MS: '2000' });
  type(alice, `${lock} run -- ${job}\n`);
  await alice.said('running');
  await alice.said('started');
  type(alice, '\x1a');
  await alice.said('Stopped');
  await alice.said('"reason":"deadline"');
  await alice.said('allGone');
  // The first only warns while a job is left; without one, nobody would read the second from another line.
  type(alice, 'exit; exit\n');
  await alice.ended;
});

test('a job that is stopped while it waits for the lock starts nothing before it goes on', async () => {
  const alice = inTerminal(['bash', '--norc', '--noprofile', '-i'], { SCENARIO: 'wait' });
  type(alice, `${lock} run -- ${job}\n`);
  const guard = Number((await alice.said('guard ')).split(' ')[0]);
  await alice.said('"ready"');
  const [shell = 0] = children(alice.process.pid ?? 0);
  const [first = 0] = children(shell);
  process.kill(first, 'SIGTSTP');
  await alice.said('Stopped');
  process.kill(guard, 'SIGHUP'); // Now it has the lock.
  await alice.said('{"kind":"clock"');
  assert.equal(count(alice, 'started'), 0);
  type(alice, 'fg\n');
  await alice.said('running');
  await alice.said('"started"');
  const continued = alice.output().indexOf('"signal":18');
  assert.ok(continued > 0 && continued < alice.output().indexOf('"started"'));
  type(alice, '\x1a');
  await alice.said('"stopped"');
  type(alice, 'kill -KILL $(jobs -p)\n');
  await alice.said('callerGone');
  // The first only warns while a job is left; without one, nobody would read the second from another line.
  type(alice, 'exit; exit\n');
  await alice.ended;
});

test('the command has the terminal although its input and output are pipes, and shares group and session with the caller', async () => {
  const script = 'echo from-terminal >/dev/tty; ps -o pgid=,sid= -p $$,$PPID | sort -u | wc -l';
  const alice = inTerminal(['bash', '-c', `echo x | ${lock} run -- sh -c '${script}' 2>/dev/null | cat`]);
  await alice.said('from-terminal');
  assert.equal(await alice.ended, 0);
  assert.match(alice.output(), /^1\r?$/m);
});

test('without a terminal the command has a session of its own, and a signal reaches the whole of it', async () => {
  const alice = supervise(
    [
      'sh',
      '-c',
      `trap 'echo parent' USR1; sh -c 'trap "echo child; exit" USR1; echo ready; while :; do sleep 0.01; done'; exit 4`,
    ],
    { around: ['setsid', '-w'] },
  );
  await alice.run();
  await alice.said('ready');
  assert.equal((await alice.next('hello')).sharesTerminal, false);
  alice.send({ kind: 'signal', signal: constants.signals.SIGUSR1, unlessGroupHadIt: true });
  await alice.said('child');
  await alice.said('parent');
  assert.equal((await alice.next('exited')).code, 4);
  alice.send({ kind: 'end', callerSees: 'endOfCommand' });
  await alice.ended;
});

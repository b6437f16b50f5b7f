/** A terminal: the guard is as invisible to it as flock is. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import * as programs from '../harness/programs.ts';
import { until } from '../harness/until.ts';
import { flock, type Running, run, start, words } from './standalone.ts';

const terminal = programs.terminal();
const job = programs.job();
const inTerminal = (argv: string[]): Running => start([terminal, ...argv], { env: { PS1: '', ENV: '' } });
const count = (alice: Running, text: string) => alice.output().split(text).length - 1;

const STREAMS: Record<string, string> = { in: '</dev/null', out: '>/dev/null', err: '2>/dev/null' };

for (let set = 0; set < 8; set++) {
  const redirected = Object.keys(STREAMS).filter((_, bit) => set & (1 << bit));
  test(`the command has its terminal, the foreground and the window with ${redirected.join(', ') || 'nothing'} redirected`, async () => {
    const script =
      'stty size </dev/tty >/dev/tty; read line </dev/tty; echo "got $line" >/dev/tty; ' +
      'ps -o stat= -p $$ | grep -c + >/dev/tty; for fd in 0 1 2; do [ -t $fd ] && echo terminal $fd >/dev/tty; done; exit 3';
    const seen = async (wrap: string[]) => {
      const line = `stty cols 77 rows 33; ${words([...wrap, 'sh', '-c', script.replaceAll("'", '')])} ${redirected.map((name) => STREAMS[name]).join(' ')}; echo code $?`;
      const alice = inTerminal(['bash', '--norc', '-c', line]);
      await alice.said('33 77');
      alice.type('alice\n');
      await alice.said('code ');
      await alice.ended;
      return alice.output();
    };
    const [guarded, flocked] = [await seen(run()), await seen(flock())];
    assert.match(guarded, /got alice/);
    assert.match(guarded, /code 3/);
    assert.equal(guarded, flocked);
  });
}

test('Ctrl-C ends a loop of the shell, not only one round of it', async () => {
  const alice = inTerminal(['bash', '-c', `while :; do ${words(run())} sh -c 'echo round; exec sleep 1000'; done`]);
  await alice.said('round');
  alice.type('\x03');
  assert.equal(await alice.ended, 130);
  assert.equal(count(alice, 'round'), 1);
});

test('Ctrl-C reaches the command once, and the command decides what it means', async () => {
  const alice = inTerminal([...run(), job, 'catches']);
  await alice.said('running');
  alice.type('\x03');
  await alice.said('interrupted');
  alice.type('\x03');
  await until(() => count(alice, 'interrupted') >= 2, 'a second interrupt');
  alice.type('\x1c');
  assert.equal(await alice.ended, 128 + 3);
  assert.equal(count(alice, 'interrupted'), 2);
});

/** Resolves when the shell has given its terminal to a job: its own group and that in the foreground are fields of its line in /proc (proc(5)). */
async function inForeground(alice: Running): Promise<void> {
  const [shell = ''] = readFileSync(`/proc/${alice.process.pid}/task/${alice.process.pid}/children`, 'latin1').split(' ');
  await until(() => {
    const stat = readFileSync(`/proc/${shell}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[2] !== fields[5];
  }, 'the job is in the foreground');
}

/** dash continues a job by `fg` although it runs. */
for (const { shell, continues } of [
  { shell: ['bash', '--norc', '--noprofile', '-i'], continues: 1 },
  { shell: ['dash', '-i'], continues: 2 },
]) {
  for (const [peer, wrap] of Object.entries({ guard: run, flock })) {
    test(`job control in an interactive ${shell[0]}, under ${peer}: Ctrl-Z, fg, bg, and Ctrl-C`, async () => {
      const alice = inTerminal(shell);
      alice.type(`${words([...wrap(), job])}\n`);
      await alice.said('running');
      alice.type('\x1a');
      await alice.said('Stopped');
      alice.type('echo code""1 $?\n');
      assert.equal((await alice.said('code1 ')).trim(), '148');
      alice.type('bg\n');
      await alice.said('resumed');
      alice.type('fg\n');
      await inForeground(alice);
      alice.type('\x03');
      alice.type('echo code""2 $?\n');
      assert.equal((await alice.said('code2 ')).trim(), '130');
      alice.type('exit\n');
      await alice.ended;
      assert.equal(count(alice, 'resumed'), continues);
    });
  }
}

test('a reader of the terminal, as ssh and sudo are, gets what is typed although the command is in a pipeline', async () => {
  const alice = inTerminal([
    'bash',
    '-c',
    `echo piped | ${words(run())} bash -c 'read -s -p "pass""word: " secret </dev/tty; echo; cat; echo "is $secret"' | cat`,
  ]);
  await until(() => alice.output().includes('password: '), 'the question');
  alice.type('secret\n');
  await alice.said('is secret');
  assert.equal(await alice.ended, 0);
  assert.match(alice.output(), /piped/);
});

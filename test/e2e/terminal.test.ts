/** A guard under a terminal: the command is in the foreground, and the shell sees one job. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { PROGRAM, reach, tempFolder } from '../harness/guards.ts';
import { type Terminal, terminal } from '../harness/terminal.ts';
import { lockName, namespace, run, target } from './embedded.ts';

/** A shell under a terminal, in which `lock` is a guard. */
function shell(t: TestContext, name: string, type = 'dumb'): Terminal {
  const folder = tempFolder(t);
  const program = join(folder, 'lock');
  const where = reach(target).join(' ');
  writeFileSync(program, `#!/bin/sh\nexec ${PROGRAM.join(' ')} run ${where} -n ${namespace} --name ${name} "$@"\n`, {
    mode: 0o755,
  });
  const env = { PATH: `${folder}:${process.env.PATH}`, PS1: '$ ', TERM: type };
  return terminal(t, 'bash --norc --noprofile -i', { env });
}

test('under a terminal Ctrl-C reaches the command once, and its exit code is kept', async (t) => {
  const { type, shows } = shell(t, lockName());
  type(`lock -q -- bash -c 'n=0; trap "n=\\$((n+1))" INT; echo rea""dy; sleep 1; sleep 1; echo got $n; exit 9'; echo code $?\n`);
  await shows(/ready/);
  type('\x03');
  await shows(/got 1/);
  await shows(/code 9/);
});

test('under a terminal the command owns the foreground: it reads what is typed, and knows the window', async (t) => {
  const { type, shows } = shell(t, lockName());
  type('stty cols 77 rows 33\n');
  type(`lock -q -- bash -c 'stty size; read -p "na""me: " name </dev/tty; echo hello $name'\n`);
  await shows(/33 77/);
  await shows(/name: /);
  type('alice\n');
  await shows(/hello alice/);
});

test('under a terminal Ctrl-Z stops guard and command, and fg lets them go on', async (t) => {
  const { type, shows } = shell(t, lockName());
  type(`lock -- bash -c 'echo rea""dy; read line; echo got $line'; echo co""de $?\n`);
  await shows(/ready/);
  type('\x1a');
  await shows(/Stopped/);
  type('fg\n');
  await shows(/lock -- /);
  type('on\n');
  await shows(/got on/);
  await shows(/released/);
});

test('under a terminal a wait is one line that is rewritten, as wide as the window, and gone when it is over', async (t) => {
  const name = lockName();
  const { type, shows } = shell(t, name, 'xterm');
  const alice = run(t, name, ['--', 'sh', '-c', 'echo ready; exec sleep 60']);
  await alice.prints(/ready/);
  type('stty cols 90\n');
  type('lock -- echo did ru""n; echo co""de $?\n');
  const cut = new RegExp(`\rESC\\[Kk8s-lease-lock: waiting for Lease ${namespace}/${name}, (\\d+)s: .*`);
  const line = await shows(cut);
  assert.ok(line.replace(/[\r\n]|ESC\[K/g, '').length === 89, line);
  const [, seconds] = cut.exec(line) ?? [];
  await shows(new RegExp(`waiting for Lease \\S+, (?!${seconds}s)\\d+s: `));
  alice.kill('SIGTERM');
  await shows(/\rESC\[Kk8s-lease-lock: acquired Lease/);
  await shows(/did run/);
  await shows(/code 0/);
});

test('under a terminal Ctrl-C ends a wait, and leaves no half line behind', async (t) => {
  const name = lockName();
  const { type, shows } = shell(t, name, 'xterm');
  const alice = run(t, name, ['--', 'sh', '-c', 'echo ready; exec sleep 60']);
  await alice.prints(/ready/);
  type('lock -- true; echo co""de $?\n');
  await shows(/waiting for Lease/);
  type('\x03');
  await shows(/\rESC\[Kk8s-lease-lock: /);
  await shows(/not acquired: ended by SIGINT[^\r]*\r\n/);
  await shows(/code 130/);
  alice.kill('SIGTERM');
});

/** Programs that call: make with its jobserver, xargs, parallel, a shell that shares its input. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { compile, tempFile } from '../harness/programs.ts';
import { without } from '../harness/without.ts';
import { flock, run, start, words } from './standalone.ts';

test('a make below a make has the jobserver of its parent', { skip: without('make', 'flock') }, async () => {
  const file = tempFile('Makefile');
  const inner = tempFile('Inner');
  writeFileSync(inner, 'all: a b c\na b c:\n\t@echo built $@ $(MAKEFLAGS)\n');
  for (const wrap of [run(), flock()]) {
    writeFileSync(file, `all:\n\t+@${words(wrap)} $(MAKE) --no-print-directory -f ${inner} all\n`);
    const alice = start(['make', '-j3', '-f', file]);
    assert.equal(await alice.ended, 0, alice.output());
    assert.match(alice.output(), /built c .*--jobserver-auth=/);
    assert.doesNotMatch(alice.output(), /jobserver unavailable/);
  }
});

test('a jobserver of the newer kind, a named pipe, is reached as well', async () => {
  const fifo = tempFile('fifo');
  execFileSync('mkfifo', [fifo]);
  const script = `exec 9<>${fifo}; printf ++ >&9; "$@" sh -c 'auth=\${MAKEFLAGS#*fifo:}; head -c 2 <"$auth"'`;
  const alice = start(['bash', '--norc', '-c', script, 'bash', ...run()], {
    env: { MAKEFLAGS: ` -j3 --jobserver-auth=fifo:${fifo}` },
  });
  assert.deepEqual([await alice.ended, alice.output()], [0, '++']);
});

test('xargs -P runs several, each waits for its turn, and the worst code is what xargs reports', async () => {
  const file = tempFile('log');
  const line = words(run());
  const script = `seq 5 | xargs -P 5 -I{} ${line} sh -c 'echo in >>${file}; sleep 0.05; echo out >>${file}; exit {}'`;
  const alice = start(['sh', '-c', script]);
  assert.equal(await alice.ended, 123);
  assert.equal(execFileSync('cat', [file], { encoding: 'utf8' }), 'in\nout\n'.repeat(5));
});

test('GNU parallel runs several, and counts those that failed', { skip: without('parallel') }, async () => {
  const file = tempFile('parallel');
  const script = `seq 0 3 | parallel --will-cite -j4 "${run().join(' ')} sh -c 'echo in >>${file}; sleep 0.05; echo out >>${file}; exit {}'"`;
  const alice = start(['sh', '-c', script], { env: { HOME: tempFile('.') } });
  assert.equal(await alice.ended, 3, alice.output());
  assert.equal(execFileSync('cat', [file], { encoding: 'utf8' }), 'in\nout\n'.repeat(4));
});

test('what the command leaves of standard input is for whoever reads it next', async () => {
  const take = compile('take', '#include <unistd.h>\nint main() { char b[5]; int n = read(0, b, 5); write(1, b, n); return 0; }');
  for (const wrap of [run(), flock()]) {
    const alice = start(['sh', '-c', '"$@"; cat', 'sh', ...wrap, take]);
    alice.process.stdin?.end('line\nrest\n');
    assert.equal(await alice.ended, 0);
    assert.equal(alice.output(), 'line\nrest\n');
  }
});

test('pipes of the caller are left blocking', async () => {
  const blocking = compile(
    'blocking',
    '#include <fcntl.h>\n#include <stdio.h>\nint main() { for (int i = 0; i < 3; i++) printf("%d", !!(fcntl(i, F_GETFL) & O_NONBLOCK)); return 0; }',
  );
  const alice = start(['sh', '-c', `"$@" sh -c 'sleep 0.3; ${blocking}' 3>&1; ${blocking}`, 'sh', ...run()]);
  await alice.ended;
  // Node, which has started this, makes its own ends so, not these.
  assert.equal(alice.output(), '000000');
});

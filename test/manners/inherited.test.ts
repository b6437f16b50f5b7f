/** What a command inherits: started directly, under the real flock, and under the standalone executable, it sees the same to the byte. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import * as programs from '../harness/programs.ts';
import { flock, run, start } from './standalone.ts';

const probe = programs.probe();
const strange = programs.strange();

let calls = 0;

/** What the probe prints below a shell script that ends with `exec "$@"`. */
async function seen(script: string, wrap: string[]): Promise<string> {
  const out = programs.tempFile(`seen-${++calls}`);
  const alice = start(['bash', '--norc', '-c', script, 'bash', ...wrap, probe, 'x', ''], { env: { OUT: out }, cwd: '/usr' });
  alice.process.stdin?.end();
  await alice.ended;
  const text = execFileSync('cat', [out], { encoding: 'latin1' });
  // Each has pipes of its own.
  return text.replaceAll(out, 'OUT').replaceAll(/(descriptor \d+ )\d+:\d+ (140\d{3} |10\d{3} )/g, '$1X $2');
}

const CASES: Record<string, string> = {
  'as it is': 'exec "$@"',
  'limits, umask and priority': 'ulimit -Sn 77; ulimit -Ss 4096; ulimit -c 0; umask 027; exec nice -n 3 "$@"',
  'descriptors 0 to 255, of all kinds, with gaps':
    'for fd in {3..255}; do case $((fd % 7)) in 0) eval "exec $fd</dev/null";; 1) eval "exec $fd</tmp";; 2) eval "exec $fd>/dev/zero";; ' +
    '3) eval "exec $fd< <(true)";; 4) eval "exec $fd</etc/passwd";; esac; done; exec "$@"',
  'standard input closed': 'exec 0<&-; exec "$@"',
  'standard output and error closed': 'exec 1>&- 2>&-; exec "$@"',
  'all of them closed': 'exec 0<&- 1>&- 2>&-; exec "$@"',
  'ignored signals, as below nohup, and the mask': `exec ${strange} "$@"`,
  'bytes that are not UTF-8': 'export BYTES=$(printf "\\377\\200"); exec "$@" "$(printf "\\376")"',
  'an environment of thousands of variables': 'for n in {1..3000}; do export V$n=$n; done; exec "$@"',
};

/** What flock itself changes: it opens its file at the first number that is free, and the command gets that as its standard input. */
const FLOCK_DIFFERS = [
  'standard input closed',
  'standard output and error closed',
  'all of them closed',
  // It does not wait for its command where SIGCHLD is ignored.
  'ignored signals, as below nohup, and the mask',
];

for (const [name, script] of Object.entries(CASES)) {
  test(`the same as when started directly: ${name}`, async () => {
    const [direct, guarded] = await Promise.all([seen(script, []), seen(script, run())]);
    assert.ok(direct.includes('limit 0'));
    assert.equal(guarded, direct);
    if (!FLOCK_DIFFERS.includes(name)) assert.equal(await seen(script, flock()), direct, 'flock has these manners');
  });
}

test('ulimit -a is the same', async () => {
  const [direct, guarded] = await Promise.all(
    [[], run()].map(async (wrap) => {
      const alice = start([
        'bash',
        '-c',
        'ulimit -Sn 333; ulimit -St 1000; exec "$@"',
        'bash',
        ...wrap,
        'bash',
        '-c',
        'ulimit -Sa; ulimit -Ha',
      ]);
      await alice.ended;
      return alice.output();
    }),
  );
  assert.match(direct ?? '', /open files\s.*333/);
  assert.equal(guarded, direct);
});

test('arguments up to what the system takes', async () => {
  const most = programs.compile(
    'most',
    `#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int main(int c, char **v) {
  int wrap = c - 2, count = atoi(v[1]);
  char **all = calloc(wrap + count + 4, sizeof *all);
  memcpy(all, v + 2, wrap * sizeof *all);
  all[wrap] = "sh"; all[wrap + 1] = "-c"; all[wrap + 2] = "echo $#";
  for (int i = 0; i < count; i++) all[wrap + 3 + i] = "1234567";
  execvp(all[0], all);
  perror("exec");
  return 9;
}`,
  );
  // sh takes the first for its name. 16 bytes each: its text and its pointer.
  for (const count of [130_001, 120_000]) {
    const alice = start([most, String(count), ...run()]);
    assert.deepEqual([await alice.ended, alice.output()], [0, `${count - 1}\n`]);
  }
});

/** A command can not tell a supervisor from a shell that starts it directly: one probe, run both ways, prints the same. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import * as programs from '../../harness/programs.ts';
import { install, start } from './standalone.ts';
import { runToEnd, tempFile } from './supervised.ts';

const lock = install();

const probe = programs.probe();
const strange = programs.strange();

let calls = 0;
/** What the probe prints below a shell script that ends with \`exec "$@"\`. */
async function seen(script: string, command: string[], wrap: string[] = []): Promise<string> {
  const out = tempFile(`seen-${++calls}`);
  const alice = start('bash', ['-c', script, 'bash', ...wrap, ...command], {
    env: { PATH: process.env.PATH, OUT: out },
    cwd: '/usr',
  });
  await alice.ended;
  const text = execFileSync('cat', [out], { encoding: 'latin1' });
  return text.replaceAll(out, 'OUT').replaceAll(/(descriptor \d+ )\d+:\d+ (140\d{3} |10\d{3} )/g, '$1X $2');
}

const CASES: Record<string, string> = {
  'as it is': 'exec "$@"',
  'limits, umask and priority': 'ulimit -Sn 77; ulimit -Ss 4096; ulimit -c 0; umask 027; exec nice -n 3 "$@"',
  'few descriptors': 'ulimit -Sn 8; exec 3</dev/null 5</dev/null; exec "$@"',
  'descriptors with gaps, of all kinds':
    'exec 3</dev/null 5</tmp 7>/dev/zero 9< <(true) 12</etc/passwd 63<&0 200>>/dev/null 255>/dev/null; exec "$@"',
  'standard input closed': 'exec 0<&-; exec "$@"',
  'standard output and error closed': 'exec 1>&- 2>&-; exec "$@"',
  'all of them closed': 'exec 0<&- 1>&- 2>&-; exec "$@"',
  'all of them closed, others open': 'exec 4</dev/null 0<&- 1>&- 2>&-; exec "$@"',
  'ignored signals and mask': `exec ${strange} "$@"`,
  'bytes that are not UTF-8': 'export BYTES=$(printf "\\377\\200"); exec "$@" "$(printf "\\376")"',
};

for (const [name, script] of Object.entries(CASES)) {
  test(`the same as when started directly: ${name}`, async () => {
    const [direct, guarded] = await Promise.all([
      seen(script, [probe, 'x', '']),
      seen(script, [probe, 'x', ''], [lock, 'run', '--']),
    ]);
    assert.ok(direct.includes('limit 0'));
    assert.equal(guarded, direct);
  });
}

test('the limit of open files that Node has raised is set back', async () => {
  const { output } = await runToEnd(['sh', '-c', 'ulimit -Sn; ulimit -Hn'], { option: ',files=100' });
  const [soft, hard] = output.trim().split('\n');
  assert.equal(soft, '100');
  assert.notEqual(hard, '100');
});

test('the supervisor keeps nothing of the command open: who reads its output sees the end when the command closes it', async () => {
  const { output } = await runToEnd([
    'sh',
    '-c',
    'own=$(readlink /proc/$$/fd/1); for fd in /proc/$PPID/fd/*; do readlink $fd; done | grep -cF "$own"',
  ]);
  assert.equal(output, '0\n');
});

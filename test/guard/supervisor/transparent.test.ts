/** A command can not tell a supervisor from a shell that starts it directly: one probe, run both ways, prints the same. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { install, start } from './standalone.ts';
import { compile, runToEnd, tempFile } from './supervised.ts';

const lock = install();

/** All that a process inherits and that somebody between it and its caller could change. */
const probe = compile(
  'probe',
  `#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/prctl.h>
#include <unistd.h>
int main(int c, char **v, char **e) {
  FILE *out = fopen(getenv("OUT"), "w");
  int own = fileno(out);
  for (int i = 1; i < c; i++) fprintf(out, "argument %s\\n", v[i]);
  for (; *e; e++) if (strncmp(*e, "LEASE_LOCK_", 11)) fprintf(out, "variable %s\\n", *e);
  for (int fd = 0; fd < 1024; fd++) {
    struct stat s;
    if (fd == own || fstat(fd, &s)) continue;
    fprintf(out, "descriptor %d %lu:%lu %o flags %d %d\\n", fd, s.st_dev, s.st_ino, s.st_mode, fcntl(fd, F_GETFL), fcntl(fd, F_GETFD));
  }
  for (int i = 0; i < RLIM_NLIMITS; i++) {
    struct rlimit l;
    getrlimit(i, &l);
    fprintf(out, "limit %d %ld %ld\\n", i, (long)l.rlim_cur, (long)l.rlim_max);
  }
  for (int n = 1; n <= 64; n++) {
    struct { void *handler; long flags; void *restorer; unsigned long mask; } a = {0};
    syscall(SYS_rt_sigaction, n, 0, &a, 8);
    if (a.handler) fprintf(out, "signal %d %ld\\n", n, (long)a.handler);
  }
  unsigned long mask = 0, pending = 0;
  syscall(SYS_rt_sigprocmask, 0, 0, &mask, 8);
  syscall(SYS_rt_sigpending, &pending, 8);
  char cwd[4096];
  int mode = umask(0);
  fprintf(out, "mask %lx pending %lx umask %o cwd %s nice %d\\n", mask, pending, mode, getcwd(cwd, sizeof cwd), getpriority(PRIO_PROCESS, 0));
  fprintf(out, "dumpable %d tty %d\\n", prctl(PR_GET_DUMPABLE), open("/dev/tty", O_RDWR));
  return 0;
}`,
);

/** Sets what a shell can not: the mask, and ignored real-time signals. */
const strange = compile(
  'strange',
  `#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(int c, char **v) {
  struct { void *handler; long flags; void *restorer; unsigned long mask; } ignore = {SIG_IGN, 0, 0, 0};
  int all[] = {1, 2, 13, 17, 20, 22, 28, 32, 33, 34, 40, 64};
  for (int i = 0; i < sizeof all / sizeof *all; i++) syscall(SYS_rt_sigaction, all[i], &ignore, 0, 8);
  unsigned long mask = 0x8000000380000801UL | 1UL << 16;
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, 0, 8);
  execv(v[1], v + 1);
  return 99;
}`,
);

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

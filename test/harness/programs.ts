/** Small C programs: what a command inherits can be seen, and set, by nothing that has a runtime of its own. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';

const folder = mkdtempSync(join(tmpdir(), 'programs-'));
after(() => rmSync(folder, { recursive: true, force: true }));

export const tempFile = (name: string): string => join(folder, name);

/** Compiles a program and returns its path; `flags` beside those that all have. */
export function compile(name: string, source: string, ...flags: string[]): string {
  const path = join(folder, name);
  writeFileSync(`${path}.c`, `#define _GNU_SOURCE\n${source}`);
  execFileSync('gcc', ['-O1', '-w', `${path}.c`, '-o', path, '-pthread', ...flags]);
  return path;
}

/** All that a process inherits and that somebody between it and its caller could change. */
export const probe = (): string =>
  compile(
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
export const strange = (): string =>
  compile(
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

/** Runs a program in a terminal of its own; what it is told goes to the terminal as if typed. */
export const terminal = (): string =>
  compile(
    'terminal',
    `#include <poll.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>
int main(int c, char **v) {
  int tty;
  char b[4096];
  if (!forkpty(&tty, 0, 0, 0)) { execvp(v[1], v + 1); _exit(99); }
  struct pollfd p[2] = {{0, POLLIN}, {tty, POLLIN}};
  for (;;) {
    poll(p, 2, -1);
    if (p[0].revents) { int n = read(0, b, sizeof b); if (n > 0) write(tty, b, n); else p[0].fd = -1; }
    if (p[1].revents) { int n = read(tty, b, sizeof b); if (n <= 0) break; write(1, b, n); }
  }
  int s;
  wait(&s);
  return WIFEXITED(s) ? WEXITSTATUS(s) : 128 + WTERMSIG(s);
}`,
    '-lutil',
  );

/** No shell: one that is just starting a program with vfork can not be stopped, whoever has started it. */
export const job = (): string =>
  compile(
    'job',
    `#include <signal.h>
#include <unistd.h>
void resumed(int n) { write(1, "resumed\\n", 8); }
void interrupted(int n) { write(1, "interrupted\\n", 12); }
void told(int n) { write(1, "hung up\\n", 8); }
int main(int c, char **v) {
  signal(SIGCONT, resumed);
  if (c > 1) signal(SIGINT, interrupted);
  signal(SIGHUP, told);
  write(1, "running\\n", 8);
  for (;;) pause();
}`,
  );

/** Ends by the signal that its argument names, whatever was inherited. */
export const die = (): string =>
  compile(
    'die',
    `#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(int c, char **v) {
  int n = atoi(v[1]);
  struct { void *handler; long flags; void *restorer; unsigned long mask; } act;
  memset(&act, 0, sizeof act);
  struct rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
  syscall(SYS_rt_sigaction, n, &act, 0, 8);
  kill(getpid(), n);
  return 0;
}`,
  );

/*
 * The first process of a guarded container, static, so that it runs in any image. It keeps from the guard what the workload's environment
 * holds for the workload's own loader and Node (LD_PRELOAD would crash the guard, NODE_TLS_REJECT_UNAUTHORIZED blind it): such variables are
 * renamed here, and the guard gives them back to its command (image/pod/workload-environment.ts). As process 1 it also reaps orphans and passes signals
 * on, which Node does not do.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define GUARD "/lease-lock/lib/guard"
#define SAVED "K8S_LEASE_LOCK_SAVED_"
/* Tells the guard with this process id that it ends with its container, and needs no watchdog (image/main.ts). */
#define INIT "K8S_LEASE_LOCK_INIT"

static int is_kept(const char *variable) {
  static const char *const prefixes[] = {"LD_", "GLIBC_TUNABLES=", "NODE_", "MALLOC_", "OPENSSL_", "SSL_CERT_"};
  for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
    if (!strncmp(variable, prefixes[i], strlen(prefixes[i]))) return 1;
  return 0;
}

static void out_of_memory(void) {
  fputs("k8s-lease-lock: out of memory\n", stderr);
  exit(71);
}

static char **renamed(char **environment) {
  size_t count = 0;
  while (environment[count]) count++;
  char **result = calloc(count + 2, sizeof *result); /* one more for INIT */
  if (!result) out_of_memory();
  for (size_t i = 0; i < count; i++) {
    result[i] = environment[i];
    if (!is_kept(environment[i])) continue;
    size_t size = sizeof SAVED + strlen(environment[i]);
    if (!(result[i] = malloc(size))) out_of_memory();
    snprintf(result[i], size, SAVED "%s", environment[i]);
  }
  return result;
}

static int run_guard(char **arguments, char **environment) {
  execve(GUARD, arguments, environment);
  fprintf(stderr, "k8s-lease-lock: can't start %s: %s. Is the volume of \"k8s-lease-lock install\" mounted at /lease-lock?\n", GUARD, strerror(errno));
  return errno == ENOENT ? 127 : 126;
}

/* Ends as the guard ends; everything else that dies here is reaped and forgotten. */
static int be_init(pid_t guard, const sigset_t *all) {
  for (;;) {
    int signal;
    if (sigwait(all, &signal)) continue;
    if (signal != SIGCHLD) {
      kill(guard, signal);
      continue;
    }
    int status;
    pid_t dead;
    while ((dead = waitpid(-1, &status, WNOHANG)) > 0)
      if (dead == guard) return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
}

int main(int count, char **arguments, char **environment) {
  (void)count;
  char **cleaned = renamed(environment);
  if (getpid() != 1) return run_guard(arguments, cleaned);
  sigset_t all, before;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, &before);
  pid_t guard = fork();
  if (guard < 0) {
    perror("k8s-lease-lock: fork");
    return 71;
  }
  if (guard == 0) {
    static char init[sizeof INIT + 24];
    snprintf(init, sizeof init, INIT "=%ld", (long)getpid());
    char **end = cleaned;
    while (*end) end++;
    *end = init;
    sigprocmask(SIG_SETMASK, &before, NULL);
    return run_guard(arguments, cleaned);
  }
  return be_init(guard, &all);
}

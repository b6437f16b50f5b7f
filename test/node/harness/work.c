/*
 * The workload of images that have nothing else in them: says that it runs, and for whom; works as many seconds as it is told, and takes as many
 * more as it is told to stop. With "eat" as its work it takes memory until it is killed.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t stopping;

static void stop(int signal) { stopping = signal; }

static void say(const char *words) {
  puts(words);
  fflush(stdout);
}

int main(int count, char **arguments) {
  const char *holder = getenv("LEASE_LOCK_HOLDER");
  /* The first process of a container gets only the signals that it asks for. */
  signal(SIGTERM, stop);
  printf("running under %s\n", holder ? holder : "a sidecar");
  fflush(stdout);
  if (count > 1 && strcmp(arguments[1], "eat") == 0)
    for (;;) memset(malloc(1 << 20), 1, 1 << 20);
  for (unsigned left = count > 1 ? atoi(arguments[1]) : 0; left > 0 && !stopping;) left = sleep(left);
  if (stopping) {
    say("stopping");
    for (unsigned left = count > 2 ? atoi(arguments[2]) : 0; left > 0;) left = sleep(left);
  }
  say("done");
  return stopping ? 143 : 0;
}

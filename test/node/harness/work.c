/* The workload of a scratch image: says that it runs, and for whom; sleeps as many seconds as it is told. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int count, char **arguments) {
  const char *holder = getenv("LEASE_LOCK_HOLDER");
  printf("running under %s\n", holder ? holder : "no lock");
  fflush(stdout);
  sleep(count > 1 ? atoi(arguments[1]) : 0);
  puts("done");
  return 0;
}

/*
 * The first process of the image and of the standalone binary. For `run` it forks a supervisor, which gets everything as the caller left it, and
 * a guard, which gets a session of its own and an environment without what is meant for the command's loader and Node (LD_PRELOAD would crash a
 * guard, NODE_TLS_REJECT_UNAUTHORIZED would blind it). Every other command needs no supervisor and costs nothing extra: the guard takes this
 * process's place, except as process 1, which has to stay to reap and to pass signals on.
 *
 * It ends as the guard says: with the guard's own exit code, or exactly as the command ended. If the supervisor is killed, it kills what is left
 * of the command; only then does the guard see its socket close. If it is killed itself, the supervisor terminates the command.
 */
#include "system.h"

#ifdef __APPLE__

int be_first(int count, char **arguments, char **environment) {
  (void)count, (void)arguments, (void)environment;
  fputs("k8s-lease-lock: on this system the supervisor is started by the guard of the npm package\n", stderr);
  return 64;
}

#else
#include <sys/prctl.h>
#include <sys/syscall.h>

#define GUARD "/lease-lock/lib/guard"
#define SAVED "K8S_LEASE_LOCK_SAVED_"
/* The guard's end of the socket, as a number. */
#define SOCKET "K8S_LEASE_LOCK_SUPERVISOR"

struct first {
  struct caller caller;
  char **arguments, **environment;
  pid_t guard, supervisor;
  int channel;      /* To the supervisor. */
  int guard_socket; /* The supervisor's end: held so that the guard sees it close only when nothing of the command is left. */
  bool guard_lives, supervisor_lives, remains, ends_as_command;
  int guard_status, command_status;
};

static bool is_kept_from_guard(const char *variable) {
  static const char *const prefixes[] = {"LD_", "GLIBC_TUNABLES=", "NODE_", "UV_", "MALLOC_", "OPENSSL_", "SSL_"};
  for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
    if (!strncmp(variable, prefixes[i], strlen(prefixes[i]))) return true;
  return false;
}

/* What is kept from the guard has another name there. `socket`: -1 for none. In one piece of memory, which lives until exec. */
static char **environment_of_guard(char **environment, int socket) {
  size_t count = 0, kept = 0, size = sizeof SOCKET + 16;
  for (; environment[count]; count++)
    if (is_kept_from_guard(environment[count])) size += sizeof SAVED + strlen(environment[count]);
  static char **result;
  result = calloc(1, (count + 2) * sizeof *result + size);
  if (!result) {
    fputs("k8s-lease-lock: out of memory\n", stderr);
    exit(71);
  }
  char *text = (char *)(result + count + 2);
  for (size_t i = 0; i < count; i++) {
    if (!strncmp(environment[i], SOCKET "=", sizeof SOCKET)) continue;
    result[kept++] = is_kept_from_guard(environment[i]) ? text : environment[i];
    if (result[kept - 1] == text) text += sprintf(text, SAVED "%s", environment[i]) + 1;
  }
  if (socket >= 0) {
    sprintf(text, SOCKET "=%d", socket);
    result[kept] = text;
  }
  return result;
}

/* Beside this program, wherever that was put; else where the image has it. */
static const char *path_of_guard(void) {
  static char path[4096];
  ssize_t size = readlink("/proc/self/exe", path, sizeof path - sizeof "/lib/guard");
  if (size > 0 && path[0] == '/') {
    path[size] = 0;
    strcpy(strrchr(path, '/'), "/lib/guard");
    if (access(path, X_OK) == 0) return path;
  }
  return GUARD;
}

/* Where arguments and environment together are as long as the system allows, the environment of the guard is the little that is too much: the
   guard needs its options alone, and the command gets its arguments from the supervisor. */
static int execute_guard(char **arguments, char **environment, bool may_be_cut) {
  const char *guard = path_of_guard();
  size_t count = 0;
  while (arguments[count]) count++;
  for (;;) {
    execve(guard, arguments, environment);
    if (errno != E2BIG || !may_be_cut || count < 64) break;
    count /= 2;
    arguments[count] = NULL;
  }
  fprintf(stderr, "k8s-lease-lock: can't start %s: %s. Is the volume of \"k8s-lease-lock install\" mounted at /lease-lock?\n", guard, strerror(errno));
  return errno == ENOENT ? 127 : 126;
}

/* Without a terminal of its own the guard is not stopped with the job, and gets no signal twice: from the group, and from here. */
static pid_t fork_guard(struct first *f, int socket) {
  f->guard = fork();
  if (f->guard != 0) return f->guard;
  char **environment = environment_of_guard(f->environment, socket);
  if (socket >= 0) {
    setsid();
    fcntl(socket, F_SETFD, 0);
  }
  give_back(&f->caller);
  _exit(execute_guard(f->arguments, environment, socket >= 0));
}

/* Ends as another process has ended, so that whoever waits sees no difference. Process 1 cannot end by a signal. */
static int end_as(int status) {
  if (!WIFSIGNALED(status)) return WEXITSTATUS(status);
  int number = WTERMSIG(status);
  if (getpid() != 1) {
    const struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    die_by(number);
  }
  return 128 + number;
}

/* The signals that people end a program with go to the guard, which decides what they mean; the others, and those that the caller has chosen to
   ignore, only concern the command. */
static void pass_on(struct first *f, int number) {
  bool ends = number == SIGTERM || number == SIGINT || number == SIGHUP || number == SIGQUIT;
  if (f->channel < 0 || !f->supervisor_lives) {
    if (f->guard_lives) kill(f->guard, number);
  } else if (ends && f->guard_lives && !f->caller.ignored[number]) {
    kill(f->guard, number);
  } else {
    send_note(f->channel, PASS_ON, number);
  }
}

static void read_signals(struct first *f, int signals) {
  struct caught caught;
  while (next_signal(signals, &caught)) {
    if (caught.number == SIGCHLD && caught.by_kernel) continue;
    if (caught.from == getpid()) continue;
    if (caught.number == SIGCONT && f->supervisor > 0 && caught.from == f->supervisor) continue; /* That was meant for this process. */
    pass_on(f, caught.number);
  }
}

/* Stops like the command, so that a shell sees a stopped job; goes on when the shell continues the job, or the supervisor the command. */
static void stop_like_command(struct first *f, int number) {
  if (getpid() == 1) return;
  send_note(f->channel, FIRST_STOPPED, 0);
  stop_by(number);
  send_note(f->channel, FIRST_RESUMED, 0);
}

static void read_notes(struct first *f) {
  struct note note;
  bool closed = false;
  int stop = 0;
  while (next_note(f->channel, &note, &closed)) {
    if (note.kind == STOP) stop = note.value;
    if (note.kind == END_AS) {
      f->ends_as_command = true;
      f->command_status = note.value;
    }
  }
  if (closed) {
    close(f->channel);
    f->channel = -1;
  } else if (stop) {
    stop_like_command(f, stop);
  }
}

static void reap(struct first *f) {
  int status;
  pid_t pid;
  while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED)) > 0) {
    if (WIFSTOPPED(status)) {
      /* It catches what a terminal stops a job with: somebody has sent it SIGSTOP, and a deadline would pass. */
      if (pid == f->supervisor) kill(pid, SIGCONT);
    } else if (pid == f->guard) {
      f->guard_lives = false;
      f->guard_status = status;
      send_note(f->channel, GUARD_GONE, 0);
    } else if (pid == f->supervisor) {
      f->supervisor_lives = false;
      f->remains = !WIFEXITED(status) || WEXITSTATUS(status) != 0;
    }
  }
}

static void count_one(pid_t pid, bool child, void *data) {
  (void)pid, (void)child;
  ++*(int *)data;
}

/* The supervisor was killed: what is left of its command has come back to this process. */
static void kill_remains(struct first *f) {
  int left = 0;
  pid_t except = f->guard_lives ? f->guard : 0;
  kill_descendants(except, NULL, NULL);
  reap(f);
  each_descendant(except, count_one, &left);
  f->remains = left > 0;
}

static int be_parent(struct first *f, int signals) {
  int pause = 1;
  while (f->guard_lives || f->supervisor_lives || f->remains) {
    struct pollfd polled[] = {{.fd = signals, .events = POLLIN}, {.fd = f->channel, .events = POLLIN}};
    poll(polled, 2, f->remains ? pause : -1);
    if (f->channel >= 0) read_notes(f);
    read_signals(f, signals);
    reap(f);
    if (!f->supervisor_lives && f->remains) {
      kill_remains(f);
      pause = pause < 100 ? pause * 2 : 200;
    }
    if (!f->supervisor_lives && !f->remains && f->guard_socket >= 0) {
      close(f->guard_socket);
      f->guard_socket = -1;
    }
  }
  if (f->channel >= 0) read_notes(f);
  return end_as(f->ends_as_command ? f->command_status : f->guard_status);
}

static int fail(const char *what) {
  fprintf(stderr, "k8s-lease-lock: %s: %s\n", what, strerror(errno));
  return 71;
}

static int guard_with_supervisor(struct first *f) {
  int to_guard[2], to_supervisor[2];
  if (!socket_pair(SOCK_STREAM, to_guard) || !socket_pair(SOCK_SEQPACKET, to_supervisor)) return fail("socketpair");
  f->supervisor = fork();
  if (f->supervisor < 0) return fail("fork");
  if (f->supervisor == 0) {
    close(to_guard[0]);
    close(to_supervisor[0]);
    _exit(supervise_for_first(&f->caller, to_guard[1], to_supervisor[1], f->arguments, f->environment));
  }
  f->supervisor_lives = true;
  f->channel = to_supervisor[0];
  close(to_supervisor[1]);
  if (fork_guard(f, to_guard[0]) < 0) return fail("fork"); /* The supervisor sees this process end. */
  f->guard_lives = true;
  close(to_guard[0]);
  f->guard_socket = to_guard[1];
  adopt_orphans();
  int signals = open_signals(&f->caller);
  if (signals < 0) return fail("signalfd");
  /* A pipe of the caller ends when its users end; standard input, output and error stay open as those of any parent. */
  const int kept[] = {f->channel, f->guard_socket, signals};
  close_others(kept, 3, 3);
  return be_parent(f, signals);
}

static int guard_below_init(struct first *f) {
  if (fork_guard(f, -1) < 0) return fail("fork");
  f->guard_lives = true;
  int signals = open_signals(&f->caller);
  if (signals < 0) return fail("signalfd");
  return be_parent(f, signals);
}

int be_first(int count, char **arguments, char **environment) {
  static struct first f;
  f = (struct first){.arguments = arguments, .environment = environment, .channel = -1, .guard_socket = -1};
  bool runs = count > 1 && !strcmp(arguments[1], "run");
  if (!runs && getpid() != 1) return execute_guard(arguments, environment_of_guard(environment, -1), false);
  take_over(&f.caller);
  return runs ? guard_with_supervisor(&f) : guard_below_init(&f);
}

#endif

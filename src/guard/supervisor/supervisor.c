/*
 * The supervisor stands between a guard and its command: it starts the command, keeps its deadline, and knows when all of it is gone.
 *
 * Promised, on Linux:
 *  - Whatever the command starts is a descendant of the supervisor for as long as it lives, whichever parents, group, session or environment it has
 *    left (PR_SET_CHILD_SUBREAPER). "All gone" is said when the kernel says that no child is left (ECHILD), and never before.
 *  - When "terminate at" is reached, when the guard ends, or its end of the socket closes, every process of the command gets SIGTERM and, after the
 *    grace but not later than "kill at", SIGKILL until none is left. This needs nothing of the guard: it may be killed, stopped or starved.
 *  - A command that the supervisor may not kill (sudo) is reported with its process and user, and is waited for.
 *  - The command gets descriptors, limits, umask, signal mask, ignored signals, arguments and environment exactly as the caller has them, the
 *    additions of "start" aside. With a controlling terminal it stays in the caller's session and process group, so that Ctrl-C, Ctrl-Z, fg, bg
 *    and the size of the window need nobody's help; without one it gets a session of its own, so that a signal reaches the whole of it.
 *  - Nothing the guard sends, and nothing it fails to read, makes the supervisor crash, wait or forget the command.
 * Not promised: work that the command hands to a daemon that is no descendant. If the supervisor itself is killed, the command's first process is
 * killed with it, and the rest by `first`, where that was used (first.c). SIGKILL to the whole process group of a job with a terminal kills the
 * supervisor, `first` and the command; what has left the group goes on. macOS, and Linux without a subreaper (some emulators; "hello" says so):
 * processes that have left the command's group and lost their parents are not found. macOS: a killed supervisor does not take the command with it.
 *
 * Two ways in, told apart by the first argument:
 *   npm package:  the guard starts  supervisor --supervise=FD[,files=SOFT] -- COMMAND ARGUMENTS...  with its end of a socket pair as FD. SOFT is the
 *                 limit of open files that the caller had before Node raised it.  "prepare" names index 0.
 *   first.c:      everything else is a command line of the guard; "prepare" names the index in the arguments of this program, its name being 0.
 *
 * One run, in both (guard ->, supervisor <-):
 *   <- hello   -> hello, prepare, orphans   <- ready, or cannot start (then -> end)   ... the guard waits for the lock ...
 *   -> deadline, start   <- started, or cannot start   -> deadline with each renewal   <- exited   <- all gone   -> end
 *   on the way  -> terminate, signal, clock   <- signal, stopped, continued, terminating, cannot kill, clock
 *
 * For whoever connects a guard:
 *  - Send "deadline" before "start"; a start after "terminate at" is refused with "cannot start" (ETIMEDOUT).
 *  - Moments are those of the clock in "hello". When that message is read, its clock is behind, if anything: deadlines computed from it are early,
 *    which is the safe side. Ask again (clock) after a suspend.
 *  - Release the lock after "all gone" alone. If the socket closes without it, the supervisor was killed. Under `first` the socket closes only when
 *    nothing of the command is left, as long as `first` is still the guard's parent. Otherwise that cannot be known: let the lock expire.
 *  - Signals that the guard receives go to the command by "signal" with "unless the group has had it".
 *  - Do not touch process.stdin, stdout and stderr while a command runs: Node makes pipes and sockets non-blocking for all who share them.
 *  - In the npm package, handle SIGTSTP, SIGTTIN and SIGTTOU, and stop yourself on "stopped" if the shell is to see a stopped job.
 */
#include "system.h"
#include <sys/mman.h>

enum phase { WAITING, PREPARING, PREPARED, STARTING, STARTED, OVER };
enum reason { ASKED, DEADLINE, NO_GUARD, NO_CALLER, LEFT_BEHIND };
enum { ADDITIONS_MAX = 256, REPORTED_MAX = 256, LOOK_MS = 50, GROUP_MS = 10000, KILL_MS_MAX = 200 };

/* Written by the supervisor, read by the prepared command after the word to start. */
struct additions {
  uint32_t size;
  char text[FRAME_MAX];
};

struct supervisor {
  const struct caller *caller;
  char **arguments, **environment;
  pid_t self, parent;
  bool under_first, terminal, finds_all;
  int guard, channel, signals, timer;

  enum phase phase;
  char **command_arguments, **command_environment;
  struct additions *additions;
  int go, failure; /* The prepared command waits for a byte from `go`; why exec failed comes out of `failure`. */
  pid_t command;
  bool command_lives, command_stopped, children, exit_reported, gone_reported;
  int status;
  struct { uint64_t when; uint32_t times; } group_had[SIGNALS + 1];

  struct log log;
  bool greeted, guard_gone, guard_dead, ending, waits_for_orphans, first_stopped, start_wanted;
  uint32_t grace;
  uint64_t terminate_at, kill_at;
  bool terminating, killing;
  uint64_t kill_when, next_kill;
  uint32_t kill_pause;
  pid_t reported[REPORTED_MAX];
  size_t reported_count;

  uint8_t in[4 + FRAME_MAX], out[8192];
  size_t in_size, out_size;
};

/* ---- Messages ---- */

static const char *layout_of(int kind) {
#define LAYOUT(name, number, layout) \
  case number: return layout;
  switch (kind) {
    FROM_GUARD(LAYOUT)
    FROM_SUPERVISOR(LAYOUT)
    default: return NULL;
  }
}

static void put(uint8_t *to, uint64_t value, size_t size) {
  for (size_t i = 0; i < size; i++) to[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t get(const uint8_t *from, size_t size) {
  uint64_t value = 0;
  for (size_t i = 0; i < size; i++) value |= (uint64_t)from[i] << (8 * i);
  return value;
}

static void flush(struct supervisor *s) {
  while (s->out_size > 0 && s->guard >= 0) {
    ssize_t sent = send(s->guard, s->out, s->out_size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) break; /* Full: later. Closed: reading says so. */
    s->out_size -= (size_t)sent;
    memmove(s->out, s->out + sent, s->out_size);
  }
}

/* A guard that reads nothing loses what may come any number of times, so that there is room for what comes once. */
static void report(struct supervisor *s, int kind, uint64_t a, uint64_t b, uint64_t c, uint64_t d) {
  const uint64_t values[] = {a, b, c, d};
  uint8_t frame[64];
  size_t size = 5;
  frame[4] = (uint8_t)kind;
  const char *layout = layout_of(kind);
  for (size_t i = 0; layout[i] && i < 4; i++) {
    size_t width = (size_t)(layout[i] - '0');
    put(frame + size, values[i], width);
    size += width;
  }
  put(frame, size - 4, 4);
  bool repeats = kind == FROM_SUPERVISOR_SIGNAL || kind == FROM_SUPERVISOR_STOPPED || kind == FROM_SUPERVISOR_CONTINUED || kind == FROM_SUPERVISOR_CLOCK;
  if (s->guard < 0 || s->out_size + size > (repeats ? sizeof s->out / 4 : sizeof s->out)) return;
  memcpy(s->out + s->out_size, frame, size);
  s->out_size += size;
  flush(s);
}

/* ---- Finding the program, as execvp does ---- */

static const char *value_of(char *const *environment, const char *name) {
  size_t length = strlen(name);
  for (; *environment; environment++)
    if (!strncmp(*environment, name, length) && (*environment)[length] == '=') return *environment + length + 1;
  return NULL;
}

/* Tries each file that `name` can mean until one attempt does not fail; returns the error number of the most telling failure. */
static int search(const char *name, const char *path, int (*attempt)(const char *file, void *data), void *data) {
  if (!*name) return ENOENT;
  if (strchr(name, '/')) return attempt(name, data);
  if (!path) path = "/bin:/usr/bin";
  static char file[4096 + 256];
  int result = ENOENT;
  size_t length = strlen(name);
  if (length > 255) return ENAMETOOLONG;
  for (;;) {
    size_t folder = strcspn(path, ":");
    if (folder <= 4096 - 2) {
      memcpy(file, path, folder);
      if (folder > 0) file[folder] = '/';
      memcpy(file + folder + (folder > 0), name, length + 1);
      int error = attempt(file, data);
      if (error == EACCES) result = EACCES;
      else if (error != ENOENT && error != ENOTDIR && error != ESTALE && error != ENODEV && error != ETIMEDOUT) return error;
    }
    path += folder;
    if (!*path++) return result;
  }
}

static int check_executable(const char *file) {
  struct stat about;
  if (stat(file, &about)) return errno;
  if (!S_ISREG(about.st_mode)) return EACCES;
  return access(file, X_OK) ? errno : 0;
}

/* Also of the interpreter of a script: its absence is seen in time, too. */
static int check_program(const char *file, void *data) {
  (void)data;
  int error = check_executable(file);
  if (error) return error;
  char line[256];
  int script = open(file, O_RDONLY | O_CLOEXEC);
  if (script < 0) return 0; /* It may be executed though not read. */
  ssize_t size = read(script, line, sizeof line - 1);
  close(script);
  if (size < 3 || line[0] != '#' || line[1] != '!') return 0;
  line[size] = 0;
  char *interpreter = line + 2 + strspn(line + 2, " \t");
  size_t length = strcspn(interpreter, " \t\r\n");
  if (length == 0 || !interpreter[length] || interpreter[length] == '\r') return 0; /* The kernel knows better. */
  interpreter[length] = 0;
  return check_executable(interpreter);
}

static int execute_program(const char *file, void *data) {
  struct supervisor *s = data;
  execve(file, s->command_arguments, s->command_environment);
  if (errno != ENOEXEC) return errno;
  /* No format that the kernel knows: a script of the shell. The place before the arguments was left free for this. */
  char *name = s->command_arguments[0];
  s->command_arguments[-1] = (char *)(uintptr_t)"/bin/sh";
  s->command_arguments[0] = (char *)(uintptr_t)file;
  execve("/bin/sh", s->command_arguments - 1, s->command_environment);
  s->command_arguments[0] = name;
  return errno;
}

/* ---- The command's process ---- */

static void add_to_environment(struct supervisor *s) {
  size_t count = 0;
  while (s->command_environment[count]) count++;
  for (char *entry = s->additions->text; entry < s->additions->text + s->additions->size; entry += strlen(entry) + 1) {
    size_t name = strcspn(entry, "=") + 1, at = 0;
    while (at < count && strncmp(s->command_environment[at], entry, name)) at++;
    s->command_environment[at] = entry;
    if (at == count) s->command_environment[++count] = NULL;
  }
}

static void be_command(struct supervisor *s, int go, int failure) {
  if (!s->terminal) setsid();
  die_with(s->self, SIGKILL);
  const int ours[] = {s->guard, s->channel, s->signals, s->timer, s->log.fd, s->go, s->failure};
  for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
    if (ours[i] >= 0) close(ours[i]);
  char byte;
  ssize_t size;
  int error = 0;
  (void)!write(failure, &error, sizeof error); /* Set up: from here on a signal to its group finds it. */
  while ((size = read(go, &byte, 1)) < 0 && errno == EINTR) continue;
  if (size != 1) _exit(0); /* The supervisor has ended, or the lock was not acquired. */
  add_to_environment(s);
  give_back(s->caller);
  error = search(s->command_arguments[0], value_of(s->command_environment, "PATH"), execute_program, s);
  (void)!write(failure, &error, sizeof error);
  _exit(127);
}

static bool pipe_of(int ends[2]) {
  int both[2];
  if (pipe(both)) return false;
  ends[0] = own(both[0]);
  ends[1] = own(both[1]);
  return ends[0] >= 0 && ends[1] >= 0;
}

static void close_one(int *fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

/* Everything that can fail for want of memory or descriptors fails here, before the lock is waited for. Returns an error number. */
static int prepare(struct supervisor *s, uint32_t index) {
  size_t count = 0, variables = 0;
  while (s->arguments[count]) count++;
  if (index >= count) return EINVAL;
  int error = search(s->arguments[index], value_of(s->environment, "PATH"), check_program, NULL);
  if (error) return error;
  while (s->environment[variables]) variables++;
  char **arguments = calloc(count - index + 2, sizeof *arguments);
  s->command_environment = calloc(variables + ADDITIONS_MAX + 1, sizeof *s->command_environment);
  s->additions = mmap(NULL, sizeof *s->additions, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANON, -1, 0);
  if (!arguments || !s->command_environment || s->additions == MAP_FAILED) return ENOMEM;
  s->command_arguments = arguments + 1;
  memcpy(s->command_arguments, s->arguments + index, (count - index) * sizeof *arguments);
  memcpy(s->command_environment, s->environment, variables * sizeof *arguments);
  int go[2], failure[2];
  if (!pipe_of(go) || !pipe_of(failure)) return errno;
  s->go = go[1];
  s->failure = failure[0];
  fcntl(s->failure, F_SETFL, O_NONBLOCK);
  s->command = fork();
  if (s->command < 0) return errno;
  if (s->command == 0) be_command(s, go[0], failure[1]);
  close(go[0]);
  close(failure[1]);
  s->command_lives = s->children = true;
  /* From here on the supervisor needs nothing of the caller's: a pipe of the caller ends when the command has let go of it. */
  const int kept[] = {s->guard, s->channel, s->signals, s->timer, s->log.fd, s->go, s->failure};
  close_others(kept, sizeof kept / sizeof *kept, 0);
  return 0;
}

/* ---- Termination ---- */

static void cannot_kill(pid_t pid, void *data) {
  struct supervisor *s = data;
  for (size_t i = 0; i < s->reported_count; i++)
    if (s->reported[i] == pid) return;
  if (s->reported_count == REPORTED_MAX) return;
  s->reported[s->reported_count++] = pid;
  uint32_t user = user_of(pid);
  report(s, FROM_SUPERVISOR_CANNOT_KILL, (uint64_t)pid, user, 0, 0);
  char line[128];
  snprintf(line, sizeof line, "process %d of user %u cannot be killed: waiting for its end", (int)pid, (unsigned)user);
  if (s->guard_gone) say(&s->log, line);
}

struct sending {
  struct supervisor *s;
  int number;
};

static void send_to_one(pid_t pid, bool child, void *data) {
  (void)child;
  struct sending *sending = data;
  int failed = kill(pid, sending->number);
  if (sending->number != SIGTERM) return;
  if (!failed) kill(pid, SIGCONT); /* A stopped process cannot end. */
  else if (errno == EPERM) cannot_kill(pid, sending->s);
}

static void send_to_all(struct supervisor *s, int number) {
  struct sending sending = {s, number};
  each_descendant(0, send_to_one, &sending);
}

static void terminate(struct supervisor *s, enum reason reason, uint32_t grace) {
  if (s->phase < STARTING) {
    s->phase = OVER;
    if (s->command_lives) kill(s->command, SIGKILL);
    if (reason != ASKED) report(s, FROM_SUPERVISOR_TERMINATING, reason, 0, 0, 0);
    return;
  }
  if (s->phase == OVER || !s->children) return;
  uint64_t when = now_ms() + grace;
  if (s->terminating) {
    if (when < s->kill_when) s->kill_when = when;
    return;
  }
  s->terminating = true;
  s->kill_when = when;
  report(s, FROM_SUPERVISOR_TERMINATING, reason, 0, 0, 0);
  if (reason == NO_GUARD) say(&s->log, "the guard has ended unexpectedly: terminating the command");
  if (reason == DEADLINE) say(&s->log, "the guard has been silent past its deadline: terminating the command");
  send_to_all(s, SIGTERM);
}

static void reap(struct supervisor *s);

/* Several looks: who forked and ended during one is in the next. Then again after a pause, until nobody is left. */
static void kill_all(struct supervisor *s) {
  for (int look = 0; look < 20 && s->children; look++) {
    int killed = kill_descendants(0, cannot_kill, s);
    /* Whoever has lost its parent is found by its group alone; that is still this one while any of it lives. */
    if (!s->finds_all && !s->terminal && s->children) kill(-s->command, SIGKILL);
    reap(s);
    if (killed == 0) break;
  }
  s->kill_pause = s->kill_pause ? s->kill_pause * 2 : 1;
  if (s->kill_pause > KILL_MS_MAX) s->kill_pause = KILL_MS_MAX;
  s->next_kill = now_ms() + s->kill_pause;
}

static uint64_t kill_moment(const struct supervisor *s) { return s->kill_when < s->kill_at ? s->kill_when : s->kill_at; }

static bool runs(const struct supervisor *s) { return (s->phase == STARTING || s->phase == STARTED) && s->children; }

static void keep_deadlines(struct supervisor *s) {
  if (!runs(s)) return;
  uint64_t now = now_ms();
  if (!s->terminating && now >= s->terminate_at) terminate(s, DEADLINE, s->grace);
  if (s->terminating && now >= kill_moment(s)) s->killing = true;
  if (s->killing && now >= s->next_kill) kill_all(s);
}

static uint64_t next_moment(const struct supervisor *s) {
  uint64_t next = NEVER;
  if (runs(s)) next = s->killing ? s->next_kill : s->terminating ? kill_moment(s) : s->terminate_at;
  bool look = s->first_stopped && s->phase >= STARTED && !s->command_stopped;
  look = look || (!s->finds_all && s->exit_reported && s->children); /* Members of the group are not children: nothing tells of their end. */
  uint64_t soon = look ? now_ms() + LOOK_MS : NEVER;
  return soon < next ? soon : next;
}

/* ---- What happens to the command ---- */

static void cannot_start(struct supervisor *s, int error) {
  s->phase = OVER;
  close_one(&s->go);
  report(s, FROM_SUPERVISOR_CANNOT_START, (uint64_t)error, 0, 0, 0);
}

static void started(struct supervisor *s) {
  s->phase = STARTED;
  report(s, FROM_SUPERVISOR_STARTED, (uint64_t)s->command, 0, 0, 0);
}

/* The pipe says that the command's process is set up, and later why exec failed; or it closes because exec has not. */
static void read_failure(struct supervisor *s) {
  int error = 0;
  ssize_t size = read(s->failure, &error, sizeof error);
  if (size < 0) return;
  if (size == sizeof error && error == 0) {
    if (s->phase != PREPARING) return;
    s->phase = PREPARED;
    report(s, FROM_SUPERVISOR_READY, (uint64_t)s->command, 0, 0, 0);
    return;
  }
  close_one(&s->failure);
  if (s->phase != STARTING) return;
  if (size == sizeof error) cannot_start(s, error);
  else started(s);
}

static void on_status(struct supervisor *s, int status) {
  if (WIFSTOPPED(status)) {
    s->command_stopped = true;
    report(s, FROM_SUPERVISOR_STOPPED, (uint64_t)WSTOPSIG(status), 0, 0, 0);
    send_note(s->channel, STOP, WSTOPSIG(status));
  } else if (WIFCONTINUED(status)) {
    s->command_stopped = false;
    report(s, FROM_SUPERVISOR_CONTINUED, 0, 0, 0, 0);
  } else {
    s->command_lives = s->command_stopped = false;
    s->status = status;
    while (s->phase == STARTING && s->failure >= 0) {
      int before = s->failure;
      read_failure(s);
      if (s->failure == before) break;
    }
    if (s->phase == STARTING) started(s); /* A pipe that is not closed at its end is not waited for. */
    if (s->phase == PREPARING || s->phase == PREPARED) cannot_start(s, ECHILD); /* Somebody has killed it before it began. */
  }
}

/* Asked when there is no child. Where orphans are not adopted (macOS, an emulator), who is left in the group has to be asked for. */
static bool none_left(const struct supervisor *s) {
  return s->finds_all || s->terminal || s->command <= 0 || kill(-s->command, 0) != 0;
}

static void reap(struct supervisor *s) {
  for (;;) {
    int status;
    pid_t pid = waitpid(-1, &status, WNOHANG | WUNTRACED | WCONTINUED);
    if (pid < 0 && errno == EINTR) continue;
    if (pid < 0 && none_left(s)) s->children = false;
    if (pid <= 0) return;
    if (s->killing) s->kill_pause = 0;
    if (pid == s->command && s->command_lives) on_status(s, status);
  }
}

static void count_one(pid_t pid, bool child, void *data) {
  (void)pid, (void)child;
  ++*(uint32_t *)data;
}

static void report_end(struct supervisor *s) {
  if (s->phase != STARTED || s->command_lives) return;
  if (!s->exit_reported) {
    uint32_t left = 0;
    if (s->children) each_descendant(0, count_one, &left);
    if (s->children && left == 0) left = 1;
    bool killed = WIFSIGNALED(s->status);
    s->exit_reported = true;
    report(s, FROM_SUPERVISOR_EXITED, killed, (uint64_t)(killed ? WTERMSIG(s->status) : WEXITSTATUS(s->status)), left, 0);
  }
  if (s->children && !s->waits_for_orphans) terminate(s, LEFT_BEHIND, s->grace);
  if (!s->children && !s->gone_reported) {
    s->gone_reported = true;
    report(s, FROM_SUPERVISOR_ALL_GONE, 0, 0, 0, 0);
  }
}

/* ---- Signals ---- */

static bool stops(int number) { return number == SIGTSTP || number == SIGTTIN || number == SIGTTOU || number == SIGSTOP; }

/* Counted: a second Ctrl-C may come before the guard has told of the first. */
static bool had_by_group(struct supervisor *s, int number) {
  if (now_ms() - s->group_had[number].when >= GROUP_MS) s->group_had[number].times = 0;
  if (!s->terminal || s->group_had[number].times == 0) return false;
  s->group_had[number].times--;
  return true;
}

static void read_own_signals(struct supervisor *s);

static void pass_on(struct supervisor *s, int number, bool unless_had) {
  /* What the terminal has sent to all may have come here since this round began. */
  if (unless_had) read_own_signals(s);
  if (number < 1 || number > SIGNALS || (unless_had && had_by_group(s, number))) return;
  if (s->phase < STARTING) {
    if (stops(number)) send_note(s->channel, STOP, number);
    else report(s, FROM_SUPERVISOR_SIGNAL, (uint64_t)number, 0, 0, 0);
  } else if (s->command_lives) {
    if (kill(s->terminal ? s->command : -s->command, number) && errno == EPERM) cannot_kill(s->command, s);
  } else if (s->children) {
    send_to_all(s, number);
  }
}

/* Whoever signals the supervisor itself means, as a rule, the group that it is in; the guard decides about the rest. */
static void on_signal(struct supervisor *s, const struct caught *caught) {
  int number = caught->number;
  if (number < 1 || number > SIGNALS || caught->from == s->self || (number == SIGCHLD && caught->by_kernel)) return;
  uint64_t now = now_ms();
  if (now - s->group_had[number].when >= GROUP_MS) s->group_had[number].times = 0;
  s->group_had[number].when = now;
  s->group_had[number].times++;
  if (s->phase < STARTING && stops(number)) send_note(s->channel, STOP, number);
  report(s, FROM_SUPERVISOR_SIGNAL, (uint64_t)number, caught->by_kernel, 0, 0);
}

static void read_own_signals(struct supervisor *s) {
  struct caught caught;
  for (int i = 0; i < 256 && next_signal(s->signals, &caught); i++) on_signal(s, &caught);
}

/* ---- The guard ---- */

static void lose_guard(struct supervisor *s) {
  s->guard_gone = true;
  terminate(s, NO_GUARD, s->grace);
}

/* Not while the job is stopped: it would run behind the shell's back. */
static void start_if_wanted(struct supervisor *s) {
  if (!s->start_wanted || s->phase != PREPARED || s->first_stopped) return;
  s->start_wanted = false;
  if (now_ms() >= s->terminate_at) {
    kill(s->command, SIGKILL);
    cannot_start(s, ETIMEDOUT);
    return;
  }
  s->phase = STARTING;
  (void)!write(s->go, "", 1); /* If the command is dead, its status says so. */
  close_one(&s->go);
}

static bool is_environment(const uint8_t *text, size_t size) {
  size_t entries = 0, at = 0;
  while (at < size) {
    const uint8_t *end = memchr(text + at, 0, size - at);
    if (!end || *(text + at) == '=' || !memchr(text + at, '=', (size_t)(end - text) - at) || ++entries > ADDITIONS_MAX) return false;
    at = (size_t)(end - text) + 1;
  }
  return true;
}

/* Nothing that JSON or a terminal would take for more than text. */
static bool is_lock(const uint8_t *text, size_t size) {
  for (size_t i = 0; i < size; i++)
    if (!memchr("abcdefghijklmnopqrstuvwxyz0123456789-./", text[i], 39)) return false;
  return size < LOCK_MAX;
}

/* False: this is not from our guard, or it is out of order. */
static bool obey(struct supervisor *s, int kind, const uint8_t *fields, size_t size) {
  const char *layout = kind < 64 ? layout_of(kind) : NULL;
  uint64_t values[4] = {0};
  size_t at = 0, count = 0;
  if (!layout || s->greeted == (kind == FROM_GUARD_HELLO)) return false;
  for (; *layout && *layout != '*'; layout++) {
    size_t width = (size_t)(*layout - '0');
    if (at + width > size) return false;
    values[count++] = get(fields + at, width);
    at += width;
  }
  if (*layout != '*' && at != size) return false;
  switch (kind) {
    case FROM_GUARD_HELLO:
      s->greeted = true;
      return values[0] == PROTOCOL_VERSION;
    case FROM_GUARD_PREPARE: {
      if (s->phase == OVER) return report(s, FROM_SUPERVISOR_CANNOT_START, ECANCELED, 0, 0, 0), true; /* The caller has gone meanwhile. */
      if (s->phase != WAITING) return false;
      s->grace = (uint32_t)values[1];
      int error = prepare(s, (uint32_t)values[0]);
      if (error) cannot_start(s, error);
      else s->phase = PREPARING;
      return true;
    }
    case FROM_GUARD_START:
      if (s->phase == WAITING || s->phase == STARTING || s->phase == STARTED || s->start_wanted || !is_environment(fields, size)) return false;
      if (s->phase == OVER) return true; /* It has died meanwhile, which has been reported. */
      s->additions->size = (uint32_t)size;
      memcpy(s->additions->text, fields, size);
      s->start_wanted = true;
      return true;
    case FROM_GUARD_DEADLINE:
      s->terminate_at = values[0];
      s->kill_at = values[1];
      return true;
    case FROM_GUARD_TERMINATE:
      terminate(s, ASKED, (uint32_t)values[0]);
      return true;
    case FROM_GUARD_SIGNAL:
      if (values[0] < 1 || values[0] > SIGNALS) return false;
      pass_on(s, (int)values[0], values[1] != 0);
      return true;
    case FROM_GUARD_ORPHANS:
      s->waits_for_orphans = values[0] != 0;
      return values[0] <= 1;
    case FROM_GUARD_END:
      s->ending = true;
      if (values[0] && s->phase == STARTED && !s->command_lives) send_note(s->channel, END_AS, s->status);
      terminate(s, ASKED, s->grace);
      return values[0] <= 1;
    case FROM_GUARD_LOG:
      if (!is_lock(fields + at, size - at)) return false;
      s->log.json = values[0] == 1;
      memcpy(s->log.lock, fields + at, size - at);
      s->log.lock[size - at] = 0;
      return values[0] <= 1;
    case FROM_GUARD_CLOCK:
      report(s, FROM_SUPERVISOR_CLOCK, now_ms(), 0, 0, 0);
      return true;
    default:
      return false;
  }
}

/* Obeys whole frames; returns false at the first that is malformed. */
static bool obey_all(struct supervisor *s) {
  size_t at = 0;
  while (s->in_size - at >= 4) {
    uint64_t length = get(s->in + at, 4);
    if (length < 1 || length > FRAME_MAX) return false;
    if (s->in_size - at - 4 < length) break;
    if (!obey(s, s->in[at + 4], s->in + at + 5, (size_t)length - 1)) return false;
    at += 4 + (size_t)length;
  }
  s->in_size -= at;
  memmove(s->in, s->in + at, s->in_size);
  return true;
}

/* A few reads at a time: a guard that floods the socket must not keep the deadline from being looked at. */
static void listen_to_guard(struct supervisor *s) {
  for (int reads = 0; reads < 8 && !s->guard_gone; reads++) {
    ssize_t size = recv(s->guard, s->in + s->in_size, sizeof s->in - s->in_size, MSG_DONTWAIT);
    if (size > 0) {
      s->in_size += (size_t)size;
      if (obey_all(s)) continue;
      say(&s->log, "the guard sends what is no message of this version");
      lose_guard(s);
      return;
    }
    if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) && !s->guard_dead) return;
    close_one(&s->guard);
    lose_guard(s);
  }
}

static void listen_to_first(struct supervisor *s) {
  struct note note;
  bool closed = false;
  while (next_note(s->channel, &note, &closed)) {
    if (note.kind == PASS_ON) pass_on(s, note.value, true);
    else if (note.kind == GUARD_GONE) s->guard_dead = true;
    else if (note.kind == FIRST_STOPPED) s->first_stopped = true;
    else if (note.kind == FIRST_RESUMED) s->first_stopped = false;
  }
  if (!closed) return;
  close_one(&s->channel);
  s->first_stopped = false;
  terminate(s, NO_CALLER, s->grace);
}

/* ---- The loop ---- */

static void wait_for_something(struct supervisor *s) {
  struct pollfd polled[] = {
      {.fd = s->signals, .events = POLLIN},
      {.fd = s->timer, .events = POLLIN},
      {.fd = s->failure, .events = POLLIN},
      {.fd = s->channel, .events = POLLIN},
      {.fd = s->guard_gone ? -1 : s->guard, .events = (short)(POLLIN | (s->out_size > 0 ? POLLOUT : 0))},
  };
  uint64_t next = next_moment(s), now = now_ms();
  int timeout = -1;
  if (s->timer >= 0) set_timer(s->timer, next);
  /* Without a timer that counts suspended time, a look each second does. */
  else if (next != NEVER) timeout = next <= now ? 0 : next - now < 1000 ? (int)(next - now) : 1000;
  poll(polled, sizeof polled / sizeof *polled, timeout);
}

/* One round, whatever woke it. The deadline comes first and last: nothing that is read may delay it. */
static void do_round(struct supervisor *s) {
  keep_deadlines(s);
  read_own_signals(s);
  if (s->failure >= 0) read_failure(s);
  if (s->channel >= 0) listen_to_first(s);
  if (!s->under_first && s->parent > 0 && getppid() != s->parent) s->guard_dead = true;
  if (!s->guard_gone) listen_to_guard(s);
  start_if_wanted(s);
  reap(s);
  report_end(s);
  keep_deadlines(s);
  if (s->first_stopped && s->phase >= STARTED && !s->command_stopped) kill(s->parent, SIGCONT);
  flush(s);
}

static bool is_over(const struct supervisor *s) { return (s->guard_gone || s->ending) && !s->children; }

static int supervise(struct supervisor *s) {
  s->self = getpid();
  s->parent = getppid();
  s->go = s->failure = -1;
  s->terminate_at = s->kill_at = NEVER;
  s->finds_all = adopt_orphans();
  s->signals = open_signals(s->caller);
  s->timer = open_timer();
  s->log.fd = own(fcntl(2, F_DUPFD_CLOEXEC, 3));
  int terminal = own(open("/dev/tty", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC));
  s->terminal = terminal >= 0;
  close_one(&terminal);
  /* Whoever kills the caller's process group must not kill the supervisor with it; only beside a terminal it has to hear what the group hears. */
  if (!s->terminal) setsid();
  if (s->signals < 0) return say(&s->log, "the supervisor cannot open what it needs: too many open files?"), 71;
  if (!s->under_first) die_with(s->parent, SIGURG); /* Wakes the loop, which looks at its parent. */
  report(s, FROM_SUPERVISOR_HELLO, PROTOCOL_VERSION, now_ms(), s->terminal + 2 * s->under_first + 4 * s->finds_all, 0);
  while (!is_over(s)) {
    wait_for_something(s);
    do_round(s);
  }
  return 0;
}

static struct supervisor the_supervisor; /* Large, and in no register of an allocator. */

int supervise_for_first(const struct caller *caller, int guard, int channel, char **arguments, char **environment) {
  the_supervisor = (struct supervisor){.caller = caller, .guard = guard, .channel = channel, .arguments = arguments, .environment = environment, .under_first = true};
  return supervise(&the_supervisor);
}

static int supervise_for_guard(const char *given, char **arguments, char **environment) {
  static struct caller caller;
  char *end;
  take_over(&caller);
  long guard = strtol(given, &end, 10);
  if (!strncmp(end, ",files=", 7)) {
    const char *limit = end + 7;
    caller.files.rlim_cur = !strcmp(limit, "unlimited") ? RLIM_INFINITY : (rlim_t)strtoull(limit, &end, 10);
    if (!strcmp(limit, "unlimited")) end = (char *)(uintptr_t)"";
  }
  if (end == given || *end || guard < 3 || guard > INT32_MAX || own((int)guard) < 0 || !*arguments || strcmp(*arguments, "--")) {
    fputs("k8s-lease-lock: this program is started by a guard: supervisor --supervise=FD -- COMMAND\n", stderr);
    return 64;
  }
  the_supervisor = (struct supervisor){.caller = &caller, .guard = (int)guard, .channel = -1, .arguments = arguments + 1, .environment = environment};
  return supervise(&the_supervisor);
}

int main(int count, char **arguments, char **environment) {
  const char *option = "--supervise=";
  if (count > 1 && !strncmp(arguments[1], option, strlen(option)))
    return supervise_for_guard(arguments[1] + strlen(option), arguments + 2, environment);
  return be_first(count, arguments, environment);
}

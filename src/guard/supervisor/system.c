/* See system.h. Everything here works in static memory: nothing is allocated that could be missing when a command has to be killed. */
#include "system.h"
#ifdef __APPLE__
#include <libproc.h>
#include <time.h>
#else
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#endif

#ifdef __APPLE__
static const char *const own_descriptors = "/dev/fd";
#else
static const char *const own_descriptors = "/proc/self/fd";
#endif

int own(int fd) {
  if (fd < 0) return fd;
  if (fd > 2) return fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ? -1 : fd;
  int moved = fcntl(fd, F_DUPFD_CLOEXEC, 3);
  close(fd);
  return moved;
}

bool socket_pair(int kind, int ends[2]) {
  int pair[2];
  if (socketpair(AF_UNIX, kind, 0, pair)) return false;
  ends[0] = own(pair[0]);
  ends[1] = own(pair[1]);
  return ends[0] >= 0 && ends[1] >= 0;
}

void send_note(int channel, int kind, int value) {
  struct note note = {.kind = kind, .value = value};
  if (channel >= 0) (void)!send(channel, &note, sizeof note, MSG_DONTWAIT | MSG_NOSIGNAL);
}

bool next_note(int channel, struct note *note, bool *closed) {
  ssize_t size = recv(channel, note, sizeof *note, MSG_DONTWAIT);
  if (size == sizeof *note) return true;
  *closed = size >= 0 || (errno != EAGAIN && errno != EINTR);
  return false;
}

/* A new description of the same pipe or terminal does not make the caller's one non-blocking. */
void say(const struct log *log, const char *line) {
  char text[3 * LOCK_MAX];
  struct stat about;
  int fd = log->fd;
  if (fd < 0 || fstat(fd, &about)) return;
  const char *lock = log->lock, *subject = *lock ? "Lease " : "", *colon = *lock ? ": " : "";
  int size =
    log->json
      ? snprintf(
          text, sizeof text, "{\"level\":\"error\",\"event\":\"supervisor\",\"message\":\"%s%s%s%s\",\"lock\":\"%s\"}\n", subject, lock,
          colon, line, lock
        )
      : snprintf(text, sizeof text, "k8s-lease-lock: %s%s%s%s\n", subject, lock, colon, line);
  if (size < 0) return;
  size_t length = (size_t)size < sizeof text ? (size_t)size : sizeof text - 1;
  if (S_ISREG(about.st_mode)) {
    (void)!write(fd, text, length);
  } else if (S_ISSOCK(about.st_mode)) {
    (void)!send(fd, text, length, MSG_DONTWAIT | MSG_NOSIGNAL);
  } else {
    char path[64];
    snprintf(path, sizeof path, "%s/%d", own_descriptors, fd);
    int again = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (again < 0) return;
    (void)!write(again, text, length);
    close(again);
  }
}

static void make_room_for_files(struct caller *caller) {
  if (getrlimit(RLIMIT_NOFILE, &caller->files)) return;
  struct rlimit raised = caller->files;
  raised.rlim_cur = raised.rlim_max;
#ifdef __APPLE__
  if (raised.rlim_cur > OPEN_MAX) raised.rlim_cur = OPEN_MAX;
#endif
  if (raised.rlim_cur > caller->files.rlim_cur) setrlimit(RLIMIT_NOFILE, &raised);
}

#ifdef __APPLE__

static int caught_pipe[2] = {-1, -1};

static void on_signal(int number, siginfo_t *info, void *context) {
  (void)context;
  int before = errno;
  struct caught caught = {.number = number, .from = info->si_pid, .by_kernel = info->si_pid == 0};
  if (caught_pipe[1] >= 0) (void)!write(caught_pipe[1], &caught, sizeof caught);
  errno = before;
}

void take_over(struct caller *caller) {
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, &caller->mask);
  for (int number = 1; number < NSIG && number <= SIGNALS; number++) {
    struct sigaction action;
    caller->ignored[number] = sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
  }
  make_room_for_files(caller);
}

int open_signals(const struct caller *caller) {
  if (pipe(caught_pipe)) return -1;
  for (int end = 0; end < 2; end++) {
    caught_pipe[end] = own(caught_pipe[end]);
    fcntl(caught_pipe[end], F_SETFL, O_NONBLOCK);
  }
  struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
  sigfillset(&action.sa_mask);
  for (int number = 1; number < NSIG; number++) {
    if (number == SIGILL || number == SIGTRAP || number == SIGFPE || number == SIGBUS || number == SIGSEGV) continue;
    if (!caller->ignored[number] || number == SIGCHLD) sigaction(number, &action, NULL);
  }
  signal(SIGPIPE, SIG_IGN);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  return caught_pipe[0];
}

bool next_signal(int fd, struct caught *caught) { return read(fd, caught, sizeof *caught) == sizeof *caught; }

void give_back(const struct caller *caller) {
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, NULL);
  for (int number = 1; number < NSIG; number++)
    if (number != SIGKILL && number != SIGSTOP) signal(number, caller->ignored[number] ? SIG_IGN : SIG_DFL);
  setrlimit(RLIMIT_NOFILE, &caller->files);
  sigprocmask(SIG_SETMASK, &caller->mask, NULL);
}

uint64_t now_ms(void) { return clock_gettime_nsec_np(CLOCK_MONOTONIC) / 1000000; }
int open_timer(void) { return -1; }
void set_timer(int timer, uint64_t at) { (void)timer, (void)at; }
bool adopt_orphans(void) { return false; }
void die_with(pid_t parent, int number) { (void)parent, (void)number; }
uint32_t user_of(pid_t pid) {
  struct proc_bsdinfo about;
  return proc_pidinfo(pid, PROC_PIDTBSDINFO, 0, &about, sizeof about) == sizeof about ? about.pbi_uid : UINT32_MAX;
}

#else /* Linux */

/* The C library keeps a few signals for itself, and refuses to speak of them; a command may want them. */
struct kernel_action {
  void (*handler)(int);
  unsigned long flags;
  void (*restorer)(void);
  uint64_t mask;
};

static long signal_action(int number, const struct kernel_action *new, struct kernel_action *old) {
  return syscall(SYS_rt_sigaction, number, new, old, sizeof(uint64_t));
}

static void set_mask(const uint64_t *new, uint64_t *old) { syscall(SYS_rt_sigprocmask, SIG_SETMASK, new, old, sizeof *new); }

void take_over(struct caller *caller) {
  const uint64_t all = UINT64_MAX;
  set_mask(&all, &caller->mask);
  for (int number = 1; number <= SIGNALS; number++) {
    struct kernel_action action = {0};
    caller->ignored[number] = signal_action(number, NULL, &action) == 0 && action.handler == SIG_IGN;
  }
  /* A parent that ignores SIGCHLD does not learn how a child ended. All others stay as they are: a blocked signal is read all the same. */
  if (caller->ignored[SIGCHLD]) signal(SIGCHLD, SIG_DFL);
  make_room_for_files(caller);
}

void give_back(const struct caller *caller) {
  setrlimit(RLIMIT_NOFILE, &caller->files);
  if (caller->ignored[SIGCHLD]) signal(SIGCHLD, SIG_IGN);
  set_mask(&caller->mask, NULL);
}

int open_signals(const struct caller *caller) {
  (void)caller;
  const uint64_t all = UINT64_MAX;
  return own((int)syscall(SYS_signalfd4, -1, &all, sizeof all, O_NONBLOCK | O_CLOEXEC));
}

bool next_signal(int fd, struct caught *caught) {
  struct signalfd_siginfo info;
  if (read(fd, &info, sizeof info) != sizeof info) return false;
  /* Only kill() and its relatives have codes up to 0. */
  *caught = (struct caught){.number = (int)info.ssi_signo, .from = (pid_t)info.ssi_pid, .by_kernel = info.ssi_code > 0};
  return true;
}

uint64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_BOOTTIME, &now);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

int open_timer(void) { return own(timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC)); }

/* A moment in the past is due immediately; 0 would disarm. */
void set_timer(int timer, uint64_t at) {
  struct itimerspec due = {0};
  if (at < (uint64_t)INT64_MAX / 1000000) {
    due.it_value.tv_sec = (time_t)(at / 1000);
    due.it_value.tv_nsec = (long)(at % 1000) * 1000000 + 1;
  }
  timerfd_settime(timer, TFD_TIMER_ABSTIME, &due, NULL);
}

void die_by(int number) {
  const struct kernel_action by_default = {0};
  const uint64_t all_but_this = ~(1ULL << (number - 1));
  signal_action(number, &by_default, NULL);
  kill(getpid(), number);
  set_mask(&all_but_this, NULL);
}

/* A shell ignores SIGTSTP and its kind for itself, and so may the caller; the command decides whether the job stops. */
void stop_by(int number) {
  const struct kernel_action by_default = {0};
  const uint64_t all_but_this = ~(1ULL << (number - 1));
  const uint64_t all = UINT64_MAX;
  struct kernel_action before = {0};
  if (number != SIGSTOP) signal_action(number, &by_default, &before);
  kill(getpid(), number);
  set_mask(&all_but_this, NULL);
  set_mask(&all, NULL);
  if (number != SIGSTOP) signal_action(number, &before, NULL);
}

bool adopt_orphans(void) {
#ifdef WITHOUT_SUBREAPER
  return false; /* For tests. */
#else
  return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0;
#endif
}

void die_with(pid_t parent, int number) {
  prctl(PR_SET_PDEATHSIG, number, 0, 0, 0);
  if (getppid() != parent) raise(number);
}

#endif

#ifdef __APPLE__

/* No process comes back to us here when its parent ends; those whose parents live are found. */
static pid_t found[16384];

void each_descendant(pid_t except, void (*visit)(pid_t, bool, void *), void *data) {
  size_t count = 0;
  pid_t parent = getpid();
  for (size_t next = 0;; parent = found[next++]) {
    int children = proc_listchildpids(parent, found + count, (int)(sizeof found - count * sizeof *found));
    size_t end = count + (children > 0 ? (size_t)children : 0);
    for (size_t from = count; from < end; from++) {
      if (found[from] == except) continue;
      visit(found[from], parent == getpid(), data);
      found[count++] = found[from];
    }
    if (next == count) return;
  }
}

void close_others(const int *kept, size_t count, int lowest) { (void)kept, (void)count, (void)lowest; }

#else

struct directory_entry {
  uint64_t inode;
  int64_t offset;
  uint16_t size;
  uint8_t type;
  char name[];
};

/* The names in a folder of /proc that are numbers. Returns how many, -1 if it cannot be read. */
static int read_numbers(const char *path, int *numbers, int most) {
  static char buffer[32768] __attribute__((aligned(8)));
  int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return -1;
  int count = 0;
  long size;
  while ((size = syscall(SYS_getdents64, folder, buffer, sizeof buffer)) > 0)
    for (long at = 0; at < size;) {
      struct directory_entry *entry = (struct directory_entry *)(void *)(buffer + at);
      if (entry->name[0] >= '0' && entry->name[0] <= '9' && count < most) numbers[count++] = atoi(entry->name);
      at += entry->size;
    }
  close(folder);
  return count;
}

void close_others(const int *kept, size_t count, int lowest) {
  static int numbers[65536];
  int listed = read_numbers(own_descriptors, numbers, 65536);
  for (int i = 0; i < listed; i++) {
    bool keep = numbers[i] < lowest;
    for (size_t k = 0; k < count; k++) keep = keep || kept[k] == numbers[i];
    if (!keep) close(numbers[i]); /* The folder's own descriptor is closed by now. */
  }
}

enum { FOUND_MAX = 32768, THREADS_MAX = 4096 };
static pid_t found[FOUND_MAX];

/* Appends the children that one thread of a process has; false: the kernel does not tell. */
static bool append_children(pid_t pid, int thread, int *count) {
  char path[64], text[4096];
  snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)pid, thread);
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  long number = 0;
  ssize_t size;
  while ((size = read(file, text, sizeof text)) > 0)
    for (ssize_t i = 0; i < size; i++) {
      if (text[i] >= '0' && text[i] <= '9') {
        number = number * 10 + (text[i] - '0');
      } else if (number > 0) {
        if (*count < FOUND_MAX) found[(*count)++] = (pid_t)number;
        number = 0;
      }
    }
  close(file);
  return true;
}

/* The parent of a process, as its line in /proc says; the name in parentheses may hold anything. */
static pid_t parent_of(pid_t pid) {
  char path[64], text[512];
  snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return -1;
  ssize_t size = read(file, text, sizeof text - 1);
  close(file);
  if (size <= 0) return -1;
  text[size] = 0;
  char *end = strrchr(text, ')');
  return end && strlen(end) > 4 ? atoi(end + 4) : -1;
}

/* Where the kernel was built without CONFIG_PROC_CHILDREN: the parents of all processes, read at the beginning of each look. */
static struct {
  int pids[FOUND_MAX];
  pid_t parents[FOUND_MAX];
  int count;
} all;

static bool read_all(void) {
  all.count = read_numbers("/proc", all.pids, FOUND_MAX);
  for (int i = 0; i < all.count; i++) all.parents[i] = parent_of(all.pids[i]);
  return all.count >= 0;
}

static void append_children_of_all(pid_t pid, int *count) {
  for (int i = 0; i < all.count; i++)
    if (all.parents[i] == pid && *count < FOUND_MAX) found[(*count)++] = all.pids[i];
}

/* That of another process namespace has strangers under our numbers. */
static bool proc_is_ours(void) {
  char self[32];
  ssize_t size = readlink("/proc/self", self, sizeof self - 1);
  if (size <= 0) return false;
  self[size] = 0;
  return atoi(self) == getpid();
}

static bool kernel_tells_children(void) {
  int none = 0;
  return append_children(getpid(), getpid(), &none);
}

static pid_t newest_process(void) {
  pid_t pid = fork();
  if (pid == 0) _exit(0);
  if (pid > 0) waitpid(pid, NULL, 0);
  return pid;
}

/*
 * Without a table of our processes the kernel still says of each number whether it is a child. All numbers take half a second; as long as they
 * have not begun anew, those since this process was started do. That cannot be known, so every fourth look is at all of them.
 */
static void ask_for_children(pid_t except, void (*visit)(pid_t, bool, void *), void *data) {
  static unsigned looks;
  pid_t from = getpid() + 1, to = newest_process();
  if (to < from || looks++ % 4 == 3) from = 2, to = 4194304;
  siginfo_t info;
  for (pid_t pid = from; pid < to; pid++)
    if (pid != except && waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0) visit(pid, true, data);
}

/* For tests: 1 as if the kernel did not tell children, 2 as if there were no table at all. */
#ifndef WITHOUT_PROC
#define WITHOUT_PROC 0
#endif

/* A process that forks and ends during a look is missed by it, and is a child of this process in the next. */
void each_descendant(pid_t except, void (*visit)(pid_t, bool, void *), void *data) {
  static int threads[THREADS_MAX];
  bool ours = WITHOUT_PROC < 2 && proc_is_ours(), tells = WITHOUT_PROC < 1 && ours && kernel_tells_children();
  if (!tells && !(ours && read_all())) {
    ask_for_children(except, visit, data);
    return;
  }
  int count = 0, next = -1;
  for (pid_t parent = getpid();; parent = found[next]) {
    int from = count;
    if (tells) {
      char path[64];
      snprintf(path, sizeof path, "/proc/%d/task", (int)parent);
      int listed = read_numbers(path, threads, THREADS_MAX);
      for (int i = 0; i < listed; i++) append_children(parent, threads[i], &count);
    } else {
      append_children_of_all(parent, &count);
    }
    int kept = from;
    for (int i = from; i < count; i++) {
      if (found[i] == except) continue;
      visit(found[i], next < 0, data);
      found[kept++] = found[i];
    }
    count = kept;
    if (++next == count) return;
  }
}

uint32_t user_of(pid_t pid) {
  char path[64], text[2048];
  snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return UINT32_MAX;
  ssize_t size = read(file, text, sizeof text - 1);
  close(file);
  if (size <= 0) return UINT32_MAX;
  text[size] = 0;
  const char *line = strstr(text, "\nUid:\t");
  return line ? (uint32_t)strtoul(line + 6, NULL, 10) : UINT32_MAX;
}

#endif

struct killing {
  void (*refused)(pid_t, void *);
  void *data;
  int killed;
  pid_t session;
};

/*
 * A signal to a group reaches also a member that is being forked. Only a session that is not the caller's consists of our own descendants, and
 * only the process id of a child cannot have been given to a stranger meanwhile.
 */
static void kill_one(pid_t pid, bool child, void *data) {
  struct killing *killing = data;
  if (child && getsid(pid) > 0 && getsid(pid) != killing->session) {
    pid_t group = getpgid(pid);
    if (group > 1) kill(-group, SIGKILL);
  }
  if (kill(pid, SIGKILL) == 0) killing->killed++;
  else if (errno == EPERM && killing->refused) killing->refused(pid, killing->data);
}

int kill_descendants(pid_t except, void (*refused)(pid_t, void *), void *data) {
  struct killing killing = {.refused = refused, .data = data, .session = getsid(0)};
  each_descendant(except, kill_one, &killing);
  return killing.killed;
}

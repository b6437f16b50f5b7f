/* What the supervisor needs of the operating system, and where Linux and macOS differ. */
#ifndef SYSTEM_H
#define SYSTEM_H

#ifdef __APPLE__
#define _DARWIN_C_SOURCE
#else
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "protocol.h"

#ifdef __APPLE__
#undef MSG_NOSIGNAL /* Only newer systems know it; SIGPIPE is ignored instead. */
#define MSG_NOSIGNAL 0
#endif
#define SIGNALS 64

/* What a command inherits from the caller, and this program has to change for itself. */
struct caller {
  struct rlimit files;
  bool ignored[SIGNALS + 1];
#ifdef __APPLE__
  sigset_t mask;
#else
  uint64_t mask; /* As the kernel has it: that of a C library leaves its own signals out. */
#endif
};

struct caught {
  int number;
  pid_t from;
  bool by_kernel; /* By a terminal, or at the end of a child. */
};

/* Remembers the caller's state; blocks every signal, makes room for descriptors. */
void take_over(struct caller *caller);
/* Gives a child the caller's state back. Only exec may follow. */
void give_back(const struct caller *caller);

/* Moves a descriptor above 2, which belong to the caller even where they are closed; closed in whatever is executed. */
int own(int fd);
/* Closes everything but `kept`, so that a pipe of the caller ends when its last user ends. */
void close_others(const int *kept, size_t count, int lowest);
bool socket_pair(int kind, int ends[2]);

int open_signals(const struct caller *caller);
bool next_signal(int fd, struct caught *caught);

uint64_t now_ms(void);
/* A descriptor that can be polled for a moment, or -1 where there is none and the timeout of poll() has to do. */
int open_timer(void);
void set_timer(int timer, uint64_t at);

/* From here on whoever loses its parent becomes a child of this process; false: not on this system. */
bool adopt_orphans(void);
/* The child of `parent` is killed when its parent ends, also if that has happened already. */
void die_with(pid_t parent, int number);

/* Ends, or stops, this process by a signal, whatever it does with that signal otherwise. */
void die_by(int number);
void stop_by(int number);

/* Calls `visit` for each descendant of this process that can be seen, parents first, without `except` and its own. */
void each_descendant(pid_t except, void (*visit)(pid_t pid, bool child, void *data), void *data);
/* Sends SIGKILL to them; returns to how many. `refused` is called for each that may not be killed. */
int kill_descendants(pid_t except, void (*refused)(pid_t pid, void *data), void *data);
uint32_t user_of(pid_t pid);

/* Writes a line to standard error, or not, if that would block. */
#define LOCK_MAX 320
struct log {
  int fd; /* -1: nothing is said */
  bool json;
  char lock[LOCK_MAX]; /* namespace/name, put before every line; empty until the guard has said it */
};
void say(const struct log *log, const char *line);

int be_first(int count, char **arguments, char **environment);

/* Between `first` and its supervisor, which are always the same program. */
struct note {
  enum { PASS_ON, GUARD_GONE, FIRST_STOPPED, FIRST_RESUMED, STOP, END_AS } kind;
  int value;
};
void send_note(int channel, int kind, int value);
bool next_note(int channel, struct note *note, bool *closed);
/* The supervisor; returns its exit code. */
int supervise_for_first(const struct caller *caller, int guard, int channel, char **arguments, char **environment);

#endif

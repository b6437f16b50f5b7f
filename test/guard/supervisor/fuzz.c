/*
 * Random, mutated and cut messages to a supervisor whose processes, signals and clock are played by this program: fuzz COUNT [SEED].
 * Held for each conversation: nothing is read or written out of bounds (ASan, UBSan), whatever is answered is a whole message of the protocol,
 * "all gone" is not said while the command lives, and when the guard is gone, the supervisor comes to its end within its time.
 */
#include "system.h"

static uint64_t random_state = 1, clock_ms = 1000;
static bool lives, orphan_lives, kill_seen;
enum { COMMAND = 999999, ORPHAN = 999998 };

static uint32_t chance(uint32_t of) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return (uint32_t)(random_state >> 16) % of;
}

static pid_t play_fork(void) {
  lives = true;
  orphan_lives = chance(4) == 0;
  return COMMAND;
}

static int play_kill(pid_t pid, int number) {
  if (number == SIGKILL && (pid == COMMAND || pid == -COMMAND)) kill_seen = true;
  errno = EPERM;
  return chance(50) == 0 ? -1 : 0;
}

static int play_kill_descendants(pid_t except, void (*refused)(pid_t, void *), void *data) {
  (void)except;
  if (chance(4) == 0) {
    refused((pid_t)(1 + chance(400)), data);
    return 0;
  }
  if (lives) kill_seen = true;
  else orphan_lives = false;
  return 1;
}

static void play_each_descendant(pid_t except, void (*visit)(pid_t, bool, void *), void *data) {
  (void)except;
  if (lives) visit(COMMAND, true, data);
  if (orphan_lives) visit(ORPHAN, true, data);
}

static pid_t play_waitpid(pid_t pid, int *status, int options) {
  (void)pid, (void)options;
  if (lives && kill_seen) {
    lives = kill_seen = false;
    *status = SIGKILL;
    return COMMAND;
  }
  if (lives && chance(40) == 0) {
    *status = chance(2) ? 0xffff : 0x137f; /* Continued, stopped. */
    return COMMAND;
  }
  if (lives && chance(60) == 0) {
    lives = false;
    *status = (int)chance(256) << 8;
    return COMMAND;
  }
  if (!lives && orphan_lives && chance(60) == 0) {
    orphan_lives = false;
    *status = 0;
    return ORPHAN;
  }
  if (lives || orphan_lives) return 0;
  errno = ECHILD;
  return -1;
}

static uint64_t play_now(void) { return clock_ms; }

#define main main_of_supervisor
#define fork play_fork
#define kill play_kill
#define waitpid play_waitpid
#define now_ms play_now
#define kill_descendants play_kill_descendants
#define each_descendant play_each_descendant
#define close_others(kept, count, lowest) ((void)(kept))
#include "supervisor.c"
#undef main

#define CHECK(condition) \
  do { \
    if (!(condition)) { \
      fprintf(stderr, "line %d: not so: %s\n", __LINE__, #condition); \
      abort(); \
    } \
  } while (0)

static size_t add_frame(uint8_t *to, int kind) {
  const char *layout = kind < 64 ? layout_of(kind) : NULL;
  size_t size = 5;
  to[4] = (uint8_t)kind;
  if (layout && *layout == '*') {
    uint32_t entries = chance(4);
    for (uint32_t i = 0; i < entries; i++) size += (size_t)sprintf((char *)to + size, "LEASE_LOCK_%u=%u", chance(10), chance(1000)) + 1;
  } else if (layout) {
    for (; *layout && *layout != '*'; layout++) {
      size_t width = (size_t)(*layout - '0');
      uint64_t value = chance(3) ? chance(4) : chance(3) ? clock_ms + chance(2000) : ((uint64_t)chance(UINT32_MAX) << 32) + chance(UINT32_MAX);
      put(to + size, value, width);
      size += width;
    }
    if (*layout) {
      uint32_t letters = chance(10) ? chance(30) : chance(400);
      for (uint32_t i = 0; i < letters; i++) to[size++] = chance(500) ? (uint8_t)("abcxyz0189-./"[chance(13)]) : (uint8_t)chance(256);
    }
  } else {
    uint32_t fields = chance(20);
    for (uint32_t i = 0; i < fields; i++) to[size++] = (uint8_t)chance(256);
  }
  put(to, size - 4, 4);
  return size;
}

/* A conversation: mostly in order, so that it comes far; then spoilt, or not. */
static size_t conversation(uint8_t *to, uint64_t *messages) {
  size_t size = 0;
  uint32_t count = 1 + chance(30);
  for (uint32_t i = 0; i < count; i++) {
    int kind = i == 0 && chance(40) ? FROM_GUARD_HELLO : i == 1 && chance(20) ? FROM_GUARD_PREPARE : i == 2 && chance(10) ? FROM_GUARD_START : (int)(chance(60) ? 4 + chance(7) : chance(256));
    if (i > 2 && kind == FROM_GUARD_END && chance(4)) kind = FROM_GUARD_SIGNAL;
    size_t added = add_frame(to + size, kind);
    if (kind == FROM_GUARD_HELLO) put(to + size + 5, PROTOCOL_VERSION, 4);
    if (kind == FROM_GUARD_PREPARE && chance(10)) put(to + size + 5, 0, 4);
    if (kind == FROM_GUARD_SIGNAL && chance(20)) put(to + size + 5, 1 + chance(64), 1);
    if ((kind == FROM_GUARD_ORPHANS || kind == FROM_GUARD_END || kind == FROM_GUARD_LOG) && chance(20)) put(to + size + 5, chance(2), 1);
    size += added;
    ++*messages;
  }
  if (chance(3) == 0)
    for (uint32_t spoilt = 1 + chance(4); spoilt > 0; spoilt--) to[chance((uint32_t)size)] = (uint8_t)chance(256);
  if (chance(5) == 0) size = chance((uint32_t)size + 1);
  return size;
}

static void check_answers(int guard, bool *all_gone) {
  static uint8_t text[1 << 20];
  static size_t size;
  for (;;) {
    ssize_t got = recv(guard, text + size, sizeof text - size, MSG_DONTWAIT);
    if (got <= 0) break;
    size += (size_t)got;
  }
  size_t at = 0;
  while (size - at >= 4 && size - at - 4 >= get(text + at, 4)) {
    size_t length = (size_t)get(text + at, 4), expected = 1;
    const char *layout = layout_of(text[at + 4]);
    CHECK(text[at + 4] > 64 && layout);
    for (; *layout; layout++) expected += (size_t)(*layout - '0');
    CHECK(length == expected);
    if (text[at + 4] == FROM_SUPERVISOR_ALL_GONE) *all_gone = true;
    at += 4 + length;
  }
  CHECK(at == size);
  size = 0;
}

static void converse(uint64_t *messages) {
  static struct caller caller;
  static uint8_t bytes[1 << 20];
  static char *arguments[] = {"/bin/true", "x", NULL}, *environment[] = {"PATH=/bin", "LEASE_LOCK_1=old", NULL};
  struct supervisor *s = &the_supervisor;
  int ends[2], nothing[2];
  CHECK(socket_pair(SOCK_STREAM, ends) && pipe(nothing) == 0);
  fcntl(nothing[0], F_SETFL, O_NONBLOCK);
  memset(s, 0, sizeof *s);
  s->caller = &caller;
  s->arguments = arguments;
  s->environment = environment;
  s->guard = ends[1];
  s->channel = s->timer = s->log.fd = s->go = s->failure = -1;
  s->signals = nothing[0];
  s->terminate_at = s->kill_at = NEVER;
  s->terminal = chance(2);
  s->under_first = true;
  s->finds_all = true;
  lives = orphan_lives = kill_seen = false;
  bool all_gone = false, closed = false;
  size_t size = conversation(bytes, messages), at = 0;
  for (int round = 0; at < size && !is_over(s); round++) {
    size_t part = chance(2) ? size - at : 1 + chance((uint32_t)(size - at));
    CHECK(send(ends[0], bytes + at, part, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)part);
    at += part;
    do_round(s);
    if (s->phase == PREPARING && chance(4)) s->phase = PREPARED;
    if (s->phase == STARTING && s->failure < 0) {
      if (chance(10)) started(s);
      else cannot_start(s, ENOEXEC), lives = orphan_lives = false;
    }
    clock_ms += chance(4) ? chance(3) : chance(2000);
    check_answers(ends[0], &all_gone);
    CHECK(!all_gone || !(lives || orphan_lives));
  }
  if (chance(2)) {
    closed = true;
    close(ends[0]);
  } else {
    s->guard_dead = true;
  }
  for (int round = 0; !is_over(s); round++) {
    CHECK(round < 5000);
    do_round(s);
    if (s->phase == STARTING) started(s);
    if (!closed) check_answers(ends[0], &all_gone);
    CHECK(!all_gone || !(lives || orphan_lives));
    uint64_t next = next_moment(s);
    CHECK(next != NEVER || !runs(s) || s->terminating); /* Who lost the guard has a moment to wait for. */
    if (next != NEVER && next > clock_ms) clock_ms = next;
  }
  CHECK(!lives && !orphan_lives);
  if (clock_ms > UINT64_MAX / 4) clock_ms = 1000;
  if (!closed) close(ends[0]);
  close_one(&s->guard);
  close_one(&s->go);
  close_one(&s->failure);
  close(nothing[0]);
  close(nothing[1]);
  if (s->command_arguments) free(s->command_arguments - 1);
  free(s->command_environment);
  if (s->additions && s->additions != MAP_FAILED) munmap(s->additions, sizeof *s->additions);
}

int main(int count, char **arguments) {
  uint64_t wanted = count > 1 ? strtoull(arguments[1], NULL, 10) : 10000, messages = 0, talks = 0;
  random_state = count > 2 ? strtoull(arguments[2], NULL, 10) | 1 : 1;
  signal(SIGPIPE, SIG_IGN);
  for (; messages < wanted; talks++) {
    alarm(10); /* A conversation that hangs ends the program. */
    converse(&messages);
  }
  printf("%llu messages in %llu conversations\n", (unsigned long long)messages, (unsigned long long)talks);
  return 0;
}

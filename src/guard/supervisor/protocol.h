/*
 * The messages between guard and supervisor. Each is a frame: its length (u32, of what follows), its kind (u8), its fields, all little-endian.
 * A layout names the size of each field in bytes; "*" is the rest of the frame. protocol.ts says the same; a test compares the two.
 * Moments are milliseconds of CLOCK_BOOTTIME (macOS: CLOCK_MONOTONIC, which counts sleep there). Error numbers are those of the platform.
 */
#ifndef PROTOCOL_H
#define PROTOCOL_H

#define PROTOCOL_VERSION 1
/* Of one frame, without its length. The environment of "start" is the only large field. */
#define FRAME_MAX 65536
/* A moment that never comes. */
#define NEVER UINT64_MAX

/* clang-format off */
#define FROM_GUARD(X) \
  X(HELLO, 1, "4")       /* version; always the first message */ \
  X(PREPARE, 2, "44")    /* index of the command in the arguments, grace in ms for every end that "terminate" does not begin */ \
  X(START, 3, "*")       /* additions to the environment: NAME=value, each with a NUL behind it */ \
  X(DEADLINE, 4, "88")   /* terminate at, kill at */ \
  X(TERMINATE, 5, "4")   /* grace in ms; a second one can only shorten it */ \
  X(SIGNAL, 6, "11")     /* number; 1: not if the process group, and so the command, has received it already */ \
  X(ORPHANS, 7, "1")     /* what happens to processes that the command leaves behind: 0 they are terminated, 1 they are waited for */ \
  X(END, 8, "1")         /* the caller is told: 0 the exit code of the guard, 1 how the command ended */ \
  X(CLOCK, 9, "")        /* asks for the clock */ \
  X(LOG, 10, "1*")       /* what the supervisor writes to standard error: 0 text, 1 JSON; the lock that it names, as namespace/name */

#define FROM_SUPERVISOR(X) \
  X(HELLO, 65, "481")      /* version, clock, 1: the command shares terminal and process group with the caller + 2: started by `first` \
                              + 4: every descendant is found */ \
  X(READY, 66, "4")        /* process id of the prepared command */ \
  X(CANNOT_START, 67, "4") /* error number; follows "prepare" or "start" */ \
  X(SIGNAL, 68, "11")      /* number, 1: sent by the terminal; the supervisor has received it and not passed it on */ \
  X(STARTED, 69, "4")      /* process id */ \
  X(EXITED, 70, "114")     /* 0 exit code or 1 signal, its number, how many processes are left behind */ \
  X(STOPPED, 71, "1")      /* by which signal */ \
  X(CONTINUED, 72, "") \
  X(ALL_GONE, 73, "")      /* no process of the command is left */ \
  X(CANNOT_KILL, 74, "44") /* process id, user id */ \
  X(CLOCK, 75, "8")        /* now */ \
  X(TERMINATING, 76, "1")  /* why: 0 asked, 1 deadline, 2 guard gone, 3 caller gone, 4 left behind */
/* clang-format on */

#define NUMBER_FROM_GUARD(name, number, layout) FROM_GUARD_##name = number,
#define NUMBER_FROM_SUPERVISOR(name, number, layout) FROM_SUPERVISOR_##name = number,
enum { FROM_GUARD(NUMBER_FROM_GUARD) FROM_SUPERVISOR(NUMBER_FROM_SUPERVISOR) };

#endif

/*
 * Preloaded into every process of a job: from the FULL_FROM-th time on that something in FULL_FOLDER would take space, it fails with ENOSPC. What is
 * rewritten in place takes none. The count is shared by all processes, in the file FULL_COUNT.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static atomic_long *count;
static long from;

__attribute__((constructor)) static void begin(void) {
  const char *file = getenv("FULL_COUNT");
  int fd = file ? ((int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open"))(file, O_RDWR) : -1;
  if (fd < 0) return;
  count = mmap(NULL, sizeof *count, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (count == MAP_FAILED) count = NULL;
  from = atol(getenv("FULL_FROM"));
  close(fd);
}

static int inside(const char *path) {
  const char *folder = getenv("FULL_FOLDER");
  return count && folder && path && strncmp(path, folder, strlen(folder)) == 0;
}

/* True where it has to fail. */
static int full(void) {
  if (atomic_fetch_add(count, 1) + 1 < from) return 0;
  errno = ENOSPC;
  return 1;
}

static int grows(int fd, off_t offset, size_t length) {
  char link[64], path[PATH_MAX];
  struct stat known;
  if (!count || length == 0) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t got = readlink(link, path, sizeof path - 1);
  if (got < 0) return 0;
  path[got] = 0;
  if (!inside(path) || fstat(fd, &known) || !S_ISREG(known.st_mode)) return 0;
  if (fcntl(fd, F_GETFL) & O_APPEND) return 1;
  if (offset < 0) offset = lseek(fd, 0, SEEK_CUR);
  return offset + (off_t)length > known.st_size;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int creates(const char *path, int flags) {
  return (flags & O_CREAT) && inside(path) && access(path, F_OK) != 0;
}

#define OPEN(name)                                                         \
  int name(const char *path, int flags, ...) {                            \
    va_list more;                                                          \
    va_start(more, flags);                                                 \
    mode_t mode = (flags & O_CREAT) ? va_arg(more, mode_t) : 0;            \
    va_end(more);                                                          \
    if (creates(path, flags) && full()) return -1;                         \
    return ((int (*)(const char *, int, ...))dlsym(RTLD_NEXT, #name))(path, flags, mode); \
  }
OPEN(open)
OPEN(open64)

int mkdir(const char *path, mode_t mode) {
  if (inside(path) && access(path, F_OK) != 0 && full()) return -1;
  return REAL(mkdir)(path, mode);
}

ssize_t write(int fd, const void *bytes, size_t length) {
  if (grows(fd, -1, length) && full()) return -1;
  return REAL(write)(fd, bytes, length);
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) {
  if (grows(fd, offset, length) && full()) return -1;
  return ((ssize_t (*)(int, const void *, size_t, off64_t))dlsym(RTLD_NEXT, "pwrite64"))(fd, bytes, length, offset);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) {
  if (grows(fd, offset, length) && full()) return -1;
  return REAL(pwrite)(fd, bytes, length, offset);
}

ssize_t writev(int fd, const struct iovec *parts, int many) {
  size_t length = 0;
  for (int i = 0; i < many; i++) length += parts[i].iov_len;
  if (grows(fd, -1, length) && full()) return -1;
  return REAL(writev)(fd, parts, many);
}

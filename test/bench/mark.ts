/** The command under the lock: it writes down when it started and when it ended, by the monotonic clock that all processes share. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** mark FILE MS: appends `<start> <end>` in nanoseconds. mark FILE MS GATE: holds until GATE exists. No runtime, so that its own start costs nothing. */
const SOURCE = `#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
static long now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec * 1000000000L + t.tv_nsec; }
int main(int c, char **v) {
  long start = now();
  char b[64];
  int file = open(v[1], O_WRONLY | O_APPEND | O_CREAT, 0644);
  usleep(atoi(v[2]) * 1000);
  while (c > 3 && access(v[3], F_OK)) usleep(1000);
  int n = sprintf(b, "%ld %ld\\n", start, now());
  return write(file, b, n) != n;
}`;

export function compileMark(folder: string): string {
  const path = join(folder, 'mark');
  writeFileSync(`${path}.c`, SOURCE);
  execFileSync('gcc', ['-O1', '-static', `${path}.c`, '-o', path]);
  return path;
}

/** Between the end of one command and the start of the next, in milliseconds. Negative: two ran at the same time. */
export function gaps(file: string): number[] {
  const intervals = readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => line.split(' ').map(Number))
    .toSorted(([a = 0], [b = 0]) => a - b);
  return intervals.slice(1).map(([start = 0], i) => (start - (intervals[i]?.[1] ?? 0)) / 1e6);
}

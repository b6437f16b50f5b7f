/** How long to wait before the next attempt. */

/** Doubles from the first to the limit, with jitter between half of that and all of it. `failures`: how many there were before this one. */
export function backoffMs(
  failures: number,
  { firstMs, limitMs }: { firstMs: number; limitMs: number },
  random: () => number,
): number {
  return Math.min(limitMs, firstMs * 2 ** Math.min(failures, 10)) * (0.5 + random() / 2);
}

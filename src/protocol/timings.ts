/**
 * Durations: how they are written, and the sum that they must satisfy. A set of durations under which a command could outlive its lock
 * is refused here, before anything is locked.
 */

export interface Timings {
  /** D: how long the lock is mine after the send of the last write that succeeded. Whole seconds, as the Lease API wants. */
  durationMs: number;
  renewEveryMs: number;
  requestTimeoutMs: number;
  /** What a holder keeps in hand for clocks that run at different rates. */
  marginMs: number;
  killGraceMs: number;
  /** Grace, and the time for seeing that every process is gone. */
  killBudgetMs: number;
}

/** Time for SIGKILL to be carried out and seen; a machine under load needs more of it than an idle one, so it grows with D up to 2 s. */
const reapMs = (durationMs: number): number => Math.min(2000, Math.max(200, durationMs / 20));

export type TimingsResult = { kind: 'timings'; timings: Timings } | { kind: 'refused'; message: string };

/**
 * Derives every duration from the lease's and the grace, in milliseconds; refuses, with the sum shown and what would fit, if they can't hold.
 * `renewEveryMs` replaces a quarter of the lease's; `grace` says what the grace is made of, where it is not simply given.
 */
export function timings(durationMs: number, killGraceMs: number, renewEveryMs?: number, grace?: string): TimingsResult {
  if (!Number.isInteger(durationMs / 1000) || durationMs < 1000) {
    return refuse(`a lease duration is a whole number of seconds, at least 1s; ${formatDuration(durationMs)} is not`);
  }
  const derived = derive(durationMs, killGraceMs, renewEveryMs);
  if (needed(derived) <= durationMs) return { kind: 'timings', timings: derived };
  const fitting = shortest(killGraceMs, { fromMs: durationMs, renewEveryMs });
  const spare = durationMs - needed(derive(durationMs, 0, renewEveryMs));
  // Rounded down to what is printed exactly.
  const step = spare < 10_000 ? 100 : 1000;
  const orGrace =
    spare >= step && grace === undefined ? ` or a kill grace of at most ${formatDuration(Math.floor(spare / step) * step)}` : '';
  return refuse(
    `a lease duration of ${formatDuration(durationMs)} is too short for ${grace ?? `a kill grace of ${formatDuration(killGraceMs)}`}: ` +
      `renewing every ${formatDuration(derived.renewEveryMs)} + two requests of ${formatDuration(derived.requestTimeoutMs)} each + ` +
      `stopping the command ${formatDuration(derived.killBudgetMs)} + margin ${formatDuration(derived.marginMs)} = ${formatDuration(needed(derived))}. ` +
      `Use a lease duration of at least ${formatDuration(fitting)}${orGrace} (docs/protocol.md#durations)`,
  );
}

/** The shortest lease duration, from one that may be too short, that leaves time for this grace. */
export function shortest(
  killGraceMs: number,
  { fromMs, renewEveryMs }: { fromMs: number; renewEveryMs?: number | undefined },
): number {
  let fitting = fromMs;
  while (needed(derive(fitting, killGraceMs, renewEveryMs)) > fitting) fitting += 1000;
  return fitting;
}

function derive(durationMs: number, killGraceMs: number, renewEveryMs = durationMs / 4): Timings {
  return {
    durationMs,
    renewEveryMs,
    requestTimeoutMs: Math.min(5000, durationMs / 6),
    marginMs: Math.max(500, durationMs / 20),
    killGraceMs,
    killBudgetMs: killGraceMs + reapMs(durationMs),
  };
}

function needed({ renewEveryMs, requestTimeoutMs, killBudgetMs, marginMs }: Timings): number {
  return renewEveryMs + 2 * requestTimeoutMs + killBudgetMs + marginMs;
}

const refuse = (message: string): TimingsResult => ({ kind: 'refused', message });

const UNITS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

export type DurationResult = { kind: 'duration'; ms: number } | { kind: 'refused'; message: string };

/** `90s`, `15m`, `1h30m`, `500ms`, `0`: milliseconds. A bare number is refused, since people mean different units by it. */
export function parseDuration(text: string): DurationResult {
  const given = text.trim();
  if (given === '0') return { kind: 'duration', ms: 0 };
  if (/^\d+(\.\d+)?$/.test(given)) return { kind: 'refused', message: `"${given}" has no unit: write ${given}s or ${given}m` };
  const parts = [...given.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/gy)];
  const whole = parts.map(([part]) => part).join('') === given && given !== '';
  const units = parts.map(([, , unit = '']) => UNITS[unit] ?? 0);
  const descending = units.every((unit, i) => i === 0 || unit < (units[i - 1] ?? 0));
  const ms = parts.reduce((sum, [, amount], i) => sum + Number(amount) * (units[i] ?? 0), 0);
  if (!whole || !descending || ms > MAX_DURATION_MS) {
    return { kind: 'refused', message: `"${given}" is not a duration: write it as 90s, 15m or 1h30m, at most 8760h` };
  }
  return { kind: 'duration', ms: Math.round(ms) };
}

const MAX_DURATION_MS = 8760 * 3_600_000;

/** For people: `1h30m`, `2m5s`, `3.2s`. */
export function formatDuration(ms: number): string {
  if (ms < 60_000) return `${Number((ms / 1000).toFixed(ms < 10_000 ? 2 : 1))}s`;
  const total = Math.round(ms / 1000);
  const parts: [number, string][] = [
    [Math.floor(total / 3600), 'h'],
    [Math.floor(total / 60) % 60, 'm'],
    [total % 60, 's'],
  ];
  return parts.flatMap(([amount, unit]) => (amount > 0 ? [`${amount}${unit}`] : [])).join('');
}

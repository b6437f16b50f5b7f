/** Durations as text: how people write them, and how they are shown to people. */

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

/** Of a text that is known to be one, in milliseconds. */
export function durationOf(text: string): number {
  const parsed = parseDuration(text);
  if (parsed.kind === 'refused') throw new Error(parsed.message);
  return parsed.ms;
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
